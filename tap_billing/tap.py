"""TapBilling: settings and discovery. The settings stop here."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import weakref
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click
from dotenv import find_dotenv
from singer_sdk import Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import StateMessage
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from tap_billing import batches, clock, closing, custom, filters, schemas
from tap_billing.batches import Batches
from tap_billing.cast import render
from tap_billing.checks import environment, floats, problems
from tap_billing.errors import BillingError, LocalError, SettingsError
from tap_billing.providers import chargeover_resources, cheddar_resources
from tap_billing.run import Run
from tap_billing.session import Session
from tap_billing.settings import (
    PROVIDERS,
    SETTINGS,
    Settings,
    config_jsonschema,
    settings,
)
from tap_billing.spec import Resource, Scope, StreamSpec
from tap_billing.streams import BillingStream, forced
from tap_billing.writer import OrjsonWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

# Seconds from a signal to the end: what calls for it waits no longer than ten.
GRACE = 4.0

CATALOGUE: dict[str, tuple[Resource, ...]] = {
    "chargeover": chargeover_resources.RESOURCES,
    "cheddar": cheddar_resources.RESOURCES,
}


def checked(config: Mapping[str, Any]) -> tuple[tuple[Resource, ...], dict[str, Any]]:
    """Return all resources, the user's own after ours, and the filters by resource name.

    Raises SettingsError for a custom stream or a filter that is not allowed.
    """
    provider = config["provider"]
    known = CATALOGUE[provider]
    taken = [spec.name for resource in known for spec in resource.streams]
    own, wanted = custom.resources(provider, config.get("custom_streams"), taken)
    wanted |= filters.checked(provider, known, config.get("filters"))
    return (*known, *own), wanted


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state, also out of its whole message. Raises SettingsError for what is none."""
    if state.get("type") == "STATE" and isinstance(state.get("value"), dict):
        state = state["value"]
    bookmarks = state.get("bookmarks", None if state else {})
    if not isinstance(bookmarks, dict):
        raise SettingsError("state: it has no bookmarks; allowed: a STATE of this tap, or {}")
    for name, told in bookmarks.items():
        if not isinstance(told, dict):
            raise SettingsError(f"state: that of {name} is no object; allowed: a STATE of this tap")
    return state


def _again(_: int, __: FrameType | None) -> None:
    """Take no further signal for anything."""


class TapBilling(Tap):
    """The Singer tap for ChargeOver and Cheddar."""

    name = "tap-billing"
    package_name = "tap-billing"
    config_jsonschema = config_jsonschema()
    message_writer_class = OrjsonWriter
    manifest: ClassVar[Path | None] = None
    _is_broken = False
    capabilities = [  # noqa: RUF012 - the SDK declares a list
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - a property of the class
        """Return the settings in environment variables and `.env`; errors in ours name them."""
        sdk: dict[str, Any] = {"properties": {}}
        cls.append_builtin_config(sdk)
        # The SDK alone would look above its own package, not above the current directory.
        dotenv = find_dotenv(usecwd=True) or os.devnull
        found = parse_environment_config(sdk, cls._env_var_prefix, dotenv)
        return {**found, **environment(os.environ, cls._env_var_prefix)}

    def __init__(self, **options: Any) -> None:
        for name in ("catalog", "state"):
            if isinstance(options.get(name), (list, str, int)):
                raise SettingsError(f"{name}: not an object; allowed: a JSON object")
        state = options.get("state")
        if state:
            options["state"] = _plain(state)
        if isinstance(options.get("catalog"), dict):
            options["catalog"] = forced(options["catalog"])
        super().__init__(**options)

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings without ever quoting a secret, which a validator's messages do."""
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        own = {setting.name for setting in SETTINGS}
        further = {k: v for k, v in schema["properties"].items() if k not in own}
        for name, declared in further.items():
            if "default" in declared:
                self._config.setdefault(name, declared["default"])
        self._config.update(floats({k: v for k, v in self._config.items() if k in own}))
        # Checked on its own: it may name a place with credentials.
        errors = problems(self.config, {**further, "batch_config": {}})
        if not errors:
            try:
                checked(self.config)
                batches.checked(self.config)
            except SettingsError as error:
                errors = [str(error)]
        if errors and raise_errors:
            raise ConfigValidationError("; ".join(errors), errors=errors, schema=schema)
        return errors

    @cached_property
    def _selection(self) -> tuple[tuple[Resource, ...], dict[str, Any]]:
        return checked(self.config)

    @property
    def filters(self) -> dict[str, Any]:
        """The user's filters, checked, by the name of their resource."""
        return self._selection[1]

    @cached_property
    def settings(self) -> Settings:
        """The settings with defaults. Raises SettingsError if they are wrong."""
        errors = self._validate_config(raise_errors=False)
        if errors:
            raise SettingsError("; ".join(errors))
        return settings(self.config)

    @override
    def discover_streams(self) -> Sequence[BillingStream]:
        provider = self.config.get("provider")
        if provider not in PROVIDERS:
            self.logger.warning("provider is not set: these are ChargeOver's streams")
            provider = "chargeover"
        resources, _ = checked({**self.config, "provider": provider})
        return [
            BillingStream(self, spec, resource, self._shape(provider, resource, spec))
            for resource in resources
            for spec in resource.streams
        ]

    def _shape(self, provider: str, resource: Resource, spec: StreamSpec) -> schemas.Shape:
        decimals = self.config.get("decimals") or "number"
        flat = bool(
            self.config.get("flattening_enabled") and self.config.get("flattening_max_depth")
        )
        if spec.schema is None:
            return schemas.load(provider, spec.name, decimals=decimals, flat=flat)
        declared = custom.complete(spec, self._sample(resource, spec))
        return schemas.shape(declared, decimals=decimals, flat=flat)

    def _sample(self, resource: Resource, spec: StreamSpec) -> list[Any]:
        """Return the rows to infer columns from: a first page, unless columns are known."""
        entry = self.input_catalog.get_stream(spec.name) if self.input_catalog else None
        if entry is not None:
            return [dict.fromkeys(entry.schema.to_dict().get("properties", {}))]
        if (spec.schema or {}).get("properties") or self._validate_config(raise_errors=False):
            return []
        scope = Scope(filters=self.filters.get(resource.name))
        ahead = self.session.read(resource, scope)
        page = None
        try:
            page = next(iter(ahead), None)
            documents = page.documents if page else ()
            return list(itertools.islice(documents, custom.INFERRED_ROWS))
        except BillingError as error:
            # Only this stream is to fail, and only when it is read.
            self._unsampled[resource.name] = error
            return []
        finally:
            for left in (page, *ahead.cancel()):
                if left:
                    left.close()

    @cached_property
    def session(self) -> Session:
        """The connection to the provider, or to the sandbox that is started for it."""
        chosen = self.settings
        session = Session(chosen)
        self._closers.append(weakref.finalize(self, session.close))
        return session

    @cached_property
    def _closers(self) -> list[weakref.finalize[..., Any]]:
        return []

    def close(self) -> None:
        """End threads and connections; happens by itself after a run and at exit."""
        while self._closers:
            self._closers.pop()()
        for name in ("session", "run", "batches"):
            self.__dict__.pop(name, None)

    @cached_property
    def run(self) -> Run:
        """The run, from the first stream that is read to `close`.

        Raises SettingsError where the files of `batch_config` cannot be.
        """
        _ = self.batches
        resources, wanted = self._selection
        run = Run(self.settings, wanted, self.session, self.billing_streams, resources)
        for name, error in self._unsampled.items():
            run.fail_before(name, error)
        self._closers.append(weakref.finalize(self, run.close))
        return run

    @cached_property
    def _unsampled(self) -> dict[str, BillingError]:
        """What kept a resource from telling its columns."""
        return {}

    @cached_property
    def batches(self) -> Batches | None:
        """The files that take the records' place, if there are to be any."""
        config, writer = batches.checked(self.config), self.message_writer
        if config is None or not isinstance(writer, OrjsonWriter):
            return None
        files = Batches(config, self.name, writer)
        files.prepare()
        writer.before = files.finish
        self._closers.append(weakref.finalize(self, files.close))
        return files

    @property
    def billing_streams(self) -> list[BillingStream]:
        """The streams, as what they are."""
        return [each for each in self.streams.values() if isinstance(each, BillingStream)]

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        """Return the command, with an option for the run's manifest."""
        command = super().get_singer_command()
        command.params.append(
            click.Option(
                ["--manifest"],
                metavar="FILE",
                help="Write how each stream ended to a file, as JSON.",
                expose_value=False,
                callback=cls._accept_manifest,
            )
        )
        return command

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        if value != CliTestOptionValue.Schema.value:
            super().cb_test(ctx, param, value)
            return
        config = ctx.params.get("config")
        tap = cls(
            config=config.config if config else None,
            parse_env_config=config.parse_env if config else False,
            validate_config=True,
        )
        # Not by the SDK's `write_schemas`: in a run a stream writes its SCHEMA when its turn comes.
        for stream in tap.billing_streams:
            stream.selected = True
            stream.tell()
        ctx.exit()

    @classmethod
    def _accept_manifest(cls, _: click.Context, __: click.Parameter, value: str | None) -> None:
        if value is not None:
            try:
                Path(value).open("w", encoding="utf-8").close()
            except OSError as error:
                raise LocalError(f"--manifest: {value}: {error.strerror}") from None
            cls.manifest = Path(value)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Write STATE and exit as a process that the signal ended: 0 would pass for a good run."""
        for number in (signal.SIGINT, signal.SIGTERM):
            # One is enough: a supervisor may signal the whole group and the process itself. Not
            # SIG_IGN: Python complains of a signal that is pending when its handler goes.
            signal.signal(number, _again)
        # However long the target takes what is being written, and whatever else is in the way.
        for seconds, end in ((GRACE, self._give_up), (GRACE + 0.5, os._exit)):
            deadline = threading.Timer(seconds, end, (128 + signum,))
            deadline.daemon = True
            deadline.start()
        writer = self.message_writer
        if getattr(writer, "writing", False):
            writer.afterwards = partial(self._stop, signum)  # type: ignore[attr-defined]
        else:
            self._stop(signum)

    def _give_up(self, code: int) -> None:
        """Say how far the run came, from another thread, and end it where it stands."""
        try:
            self._close_with(f"stopped by signal {code - 128}, the last STATE could not be written")
        finally:
            os._exit(code)

    def _stop(self, signum: int) -> None:
        if not getattr(self.message_writer, "failed", False):
            self.write_message(StateMessage(value=self.state))
        stopped = f"stopped by signal {signum}"
        self.logger.warning("%s; the next run goes on from the last STATE", stopped.capitalize())
        self._close_with(stopped)
        sys.exit(128 + signum)

    def broken(self, error: BillingError) -> None:
        """Say once how far the run came, which cannot go on."""
        if not self._is_broken:
            self._is_broken = True
            self._close_with(str(error))

    def _close_with(self, stopped: str = "") -> None:
        """Log how the streams ended, and write the manifest if one is wanted."""
        closings = self.run.closings() if "run" in self.__dict__ else []
        closing.tell(closings)
        if self.manifest is not None:
            ends = render(clock.now())
            closing.write(self.manifest, closings, ended=ends, stopped=stopped)

    def ended(self, stream: BillingStream) -> None:
        """Finish the run after its last stream: the last message is STATE, failures are raised.

        `Tap.sync_all` is final and tells each stream its costs at the very end, which is the one
        place after everything else.
        """
        if stream is not self.billing_streams[-1]:
            return
        failed = more = changed = False
        if "run" in self.__dict__:
            changed = self.run.finish()
            failed, more = bool(self.run.failures), self.run.more
        if changed or not getattr(self.message_writer, "ended_with_state", False):
            self.write_message(StateMessage(value=self.state))
        self._close_with("more to do" if more else "")
        left = [each.name for each in self.billing_streams if each.selected and not each.complete]
        self.close()
        if more:
            self.logger.warning(
                "more to do: max_records or max_runtime has stopped the run; the next one goes on"
            )
        if failed:
            raise BillingError(
                f"incomplete: {', '.join(left)}; their bookmarks stay, the next run reads them"
                " again"
            )
