"""The settings as data, and as what the rest of the tap uses of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

PROVIDERS = ("chargeover", "cheddar")
# A bare name, a host with or without port, or a URL of ChargeOver's form; ChargeOver is https only.
SITE = re.compile(
    r"(?:https://)?([a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9-]+)*(?::\d{1,5})?)(?:/api/v3)?/?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; a default that depends on other settings is told by its description."""

    name: str
    schema: Mapping[str, Any]
    description: str
    allowed: str
    default: Any = None
    secret: bool = False
    required: str = ""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a provider's settings are when they are not given."""

    timezone: str
    request_timeout: float
    api_url: str | None = None


DEFAULTS: Mapping[str, Defaults] = {
    "chargeover": Defaults("America/Chicago", 300),
    "cheddar": Defaults("UTC", 1800, "https://getcheddar.com/xml"),
}

TEXT = {"type": "string", "minLength": 1}
CUSTOM_STREAM = {
    "type": "object",
    "required": ["name", "path", "primary_keys"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*$"},
        "path": TEXT,
        "records_path": {"type": "string"},
        "primary_keys": {"type": "array", "items": TEXT},
        "replication_key": TEXT,
        "filters": {"type": ["array", "object"]},
        "schema": {"type": "object"},
    },
}

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "provider",
        {"type": "string", "enum": list(PROVIDERS)},
        "The billing system to read.",
        "chargeover, cheddar",
        required="always",
    ),
    Setting(
        "sandbox",
        {"type": "boolean"},
        "Read the built-in sample company: no account, no credentials, no network.",
        "true, false",
        default=False,
    ),
    Setting(
        "sandbox_now",
        TEXT,
        "The sample company's time, to see what a later run brings; the clock's by default.",
        "a date or date-time such as 2026-02-01T00:00:00Z",
    ),
    Setting(
        "username",
        TEXT,
        "ChargeOver: the API key's public key. Cheddar: the user's e-mail address.",
        "text",
        secret=True,
        required="unless sandbox",
    ),
    Setting(
        "password",
        TEXT,
        "ChargeOver: the API key's private key. Cheddar: the user's password or API key.",
        "text",
        secret=True,
        required="unless sandbox",
    ),
    Setting(
        "site",
        TEXT,
        "The ChargeOver account: acme, acme.chargeover.com or the whole URL.",
        "acme, acme.chargeover.com or https://acme.chargeover.com/api/v3",
        required="for chargeover, unless api_url or sandbox",
    ),
    Setting(
        "product_code",
        TEXT,
        "The code of the Cheddar product.",
        "text",
        required="for cheddar, unless sandbox",
    ),
    Setting(
        "api_url",
        TEXT,
        "The API's base URL, for proxies, gateways and test servers; from site, or"
        " https://getcheddar.com/xml.",
        "an http or https URL such as https://acme.chargeover.com/api/v3",
    ),
    Setting(
        "start_date",
        TEXT,
        "Read nothing created before it, in streams that are incremental; everything by default.",
        "a date or date-time such as 2024-01-01T00:00:00Z",
    ),
    Setting(
        "timezone",
        TEXT,
        "The zone of datetimes without offset and of Cheddar's whole-day filters; by default"
        " America/Chicago for chargeover, UTC for cheddar.",
        "an IANA name such as America/Chicago",
    ),
    Setting(
        "filters",
        {"type": "object"},
        "Per stream, what the server should leave out: for chargeover a list of field, operator"
        " and value, for cheddar an object of parameters.",
        'an object such as {"invoices": [{"field": "total", "operator": "GT", "value": "0"}]}',
    ),
    Setting(
        "custom_streams",
        {"type": "array", "items": CUSTOM_STREAM},
        "Further read-only endpoints as streams.",
        "a list of {name, path, primary_keys, records_path?, replication_key?, filters?, schema?}",
    ),
    Setting(
        "page_size",
        {"type": "integer", "minimum": 1, "maximum": 500},
        "Rows a request asks ChargeOver for.",
        "1 to 500",
        default=500,
    ),
    Setting(
        "max_concurrency",
        {"type": "integer", "minimum": 1, "maximum": 64},
        "Requests in flight, over all streams.",
        "1 to 64",
        default=8,
    ),
    Setting(
        "requests_per_second",
        {"type": "number", "exclusiveMinimum": 0},
        "A ceiling on top of what the server's answers ask for; none by default.",
        "a number above 0",
    ),
    Setting(
        "request_timeout",
        {"type": "number", "exclusiveMinimum": 0, "maximum": 86_400},
        "Seconds for one attempt of a request; by default 300, for cheddar 1800.",
        "a number of seconds above 0, at most 86400",
    ),
    Setting(
        "lookback",
        {"type": "number", "minimum": 0, "maximum": 31_536_000},
        "Seconds below the bookmark that are read again, for rows that become visible late.",
        "0 to 31536000 seconds",
        default=300,
    ),
    Setting(
        "transaction_window",
        {"type": "number", "minimum": 0, "maximum": 36_525},
        "Days below the bookmark of which ChargeOver's transactions are read again: voids and"
        " re-applied payments have no time of their own.",
        "0 to 36525 days",
        default=30,
    ),
    Setting(
        "full_sweep_every",
        {"type": "number", "minimum": 0, "maximum": 36_525},
        "Days between complete reads of each stream, which see deletions and what no filter sees;"
        " 0 is never.",
        "0 to 36525 days",
        default=7,
    ),
    Setting(
        "max_deletions",
        {"type": "number", "minimum": 0, "maximum": 100},
        "Per cent of a stream's rows that may be gone since the last complete read; if there are"
        " more, the run fails and deletes nothing.",
        "0 to 100 per cent",
        default=20,
    ),
    Setting(
        "max_records",
        {"type": "integer", "minimum": 1},
        "Stop a run after about so many records, at a point from which the next run goes on.",
        "a whole number above 0",
    ),
    Setting(
        "max_runtime",
        {"type": "number", "exclusiveMinimum": 0},
        "Stop a run after about so many seconds, at a point from which the next run goes on.",
        "a number of seconds above 0",
    ),
    Setting(
        "decimals",
        {"type": "string", "enum": ["number", "string"]},
        "Money as JSON numbers, or as exact x-singer.decimal strings.",
        "number, string",
        default="number",
    ),
    Setting(
        "emit_activate_version_messages",
        {"type": "boolean"},
        "After a complete read tell the target, with ACTIVATE_VERSION, that rows which did not come"
        " are gone; by default true, but false with batch_config, whose files then hold the records"
        " alone: if it is set to true, their rows have _sdc_extracted_at and _sdc_table_version.",
        "true, false",
    ),
)
BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}


def config_jsonschema() -> dict[str, Any]:
    """Return the settings as the JSON schema that a Singer tap declares, new each time."""
    properties: dict[str, Any] = {}
    for setting in SETTINGS:
        declared = {**setting.schema, "description": setting.description}
        kind = declared["type"]
        declared["type"] = [kind] if setting.required == "always" else [kind, "null"]
        if "enum" in declared and setting.required != "always":
            declared["enum"] = [*declared["enum"], None]
        if setting.default is not None:
            declared["default"] = setting.default
        if setting.secret:
            declared |= {"secret": True, "writeOnly": True}
        properties[setting.name] = declared
    return {"type": "object", "properties": properties, "required": ["provider"]}


def site_url(site: str) -> str:
    """Return the API's base URL for what a user calls the account (see SITE)."""
    named = SITE.fullmatch(site)
    host = named[1] if named else site
    return f"https://{host if '.' in host or ':' in host else f'{host}.chargeover.com'}/api/v3"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings with their defaults filled in, as the rest of the tap uses them."""

    provider: str
    timezone: str
    request_timeout: float
    start: datetime | None
    page_size: int
    max_concurrency: int
    requests_per_second: float | None
    lookback: float
    transaction_window: timedelta
    full_sweep_every: timedelta
    max_deletions: float
    max_records: int | None
    max_runtime: float | None
    versions: bool
    decimals: str
    product_code: str
    api_url: str | None = None
    credentials: tuple[str, str] = field(default=("", ""), repr=False)
    sandbox: bool = False
    sandbox_now: datetime | None = None


def settings(config: Mapping[str, Any]) -> Settings:
    """Return valid configuration as settings; naive datetimes are in `timezone`."""

    def get(name: str) -> Any:
        value = config.get(name)
        return BY_NAME[name].default if value is None else value

    defaults = DEFAULTS[config["provider"]]
    zone = get("timezone") or defaults.timezone
    site, versions = get("site"), get("emit_activate_version_messages")
    return Settings(
        provider=config["provider"],
        timezone=zone,
        request_timeout=get("request_timeout") or defaults.request_timeout,
        start=_when(get("start_date"), zone),
        page_size=get("page_size"),
        max_concurrency=get("max_concurrency"),
        requests_per_second=get("requests_per_second"),
        lookback=get("lookback"),
        transaction_window=timedelta(days=get("transaction_window")),
        full_sweep_every=timedelta(days=get("full_sweep_every")),
        max_deletions=get("max_deletions"),
        max_records=get("max_records"),
        max_runtime=get("max_runtime"),
        versions=config.get("batch_config") is None if versions is None else versions,
        decimals=get("decimals"),
        product_code=get("product_code") or "",
        api_url=get("api_url") or (site_url(site) if site else defaults.api_url),
        credentials=(get("username") or "", get("password") or ""),
        sandbox=get("sandbox"),
        sandbox_now=_when(get("sandbox_now"), zone),
    )


def _when(text: str | None, zone: str) -> datetime | None:
    if text is None:
        return None
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
