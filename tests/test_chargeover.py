"""ChargeOver: recorded bodies, the envelope, requests, and what follows a page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_billing.errors import (
    Forbidden,
    Garbled,
    NotFound,
    RateLimited,
    Refused,
    ServerFailed,
    Unauthorized,
)
from tap_billing.providers.chargeover import rows_of
from tap_billing.spec import Scope
from tests.bodies import (
    CATALOGUE,
    RECORDED,
    chargeover,
    documents,
    first,
    recorded,
    records,
    reply,
    resource_of,
    rows,
    samples,
)

BY_PATH = {resource.path: resource for resource in CATALOGUE["chargeover"]}
READ = RECORDED["chargeover"]


@pytest.mark.parametrize("path", READ, ids=lambda path: path.name)
def test_recorded_rows_are_all_delivered(path):
    told = json.loads(path.read_bytes())["response"]
    assert recorded(path)[1] == (told if isinstance(told, list) else [told])


def test_recorded_line_items_become_as_many_records():
    paths = [path for path in READ if path.name.startswith("package__")]
    told = [recorded(path)[1] for path in paths]
    lines = [line for each in told for row in each for line in row.get("line_items", [])]
    children = [
        record
        for each in told
        for record, _ in records("chargeover", BY_PATH["package"].streams[1], each)
    ]
    assert [each["line_item_id"] for each in children] == [each["line_item_id"] for each in lines]
    assert lines


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("error_unauthorized__devdocs__1.json", 401, Unauthorized),
        ("error_bad_request__devdocs__1.json", 400, Refused),
        ("error_customer__vcr-fail-to-create-customer__1.json", 400, Refused),
        ("error_user__vcr-destroy-contact__1.json", 404, NotFound),
    ],
)
@pytest.mark.parametrize("as_status", [True, False])
def test_recorded_error_is_told_with_the_vendors_words(name, status, kind, as_status):
    [path] = samples("chargeover", name)
    with pytest.raises(kind, match="GET /customer: ") as caught:
        documents(
            chargeover(),
            first(chargeover(), "customers"),
            reply(path.read_bytes(), status if as_status else 200),
        )
    assert type(caught.value) is kind
    assert json.loads(path.read_bytes())["message"] in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (403, Forbidden),
        (404, Refused),
        (429, RateLimited),
        (500, ServerFailed),
        (502, ServerFailed),
        (503, ServerFailed),
        (504, ServerFailed),
    ],
)
@pytest.mark.parametrize(
    "body", ["", "<!DOCTYPE html><html><h1>Sorry</h1></html>", "[]", "{}", '"x"', b"\xff\x00"]
)
def test_status_decides_whatever_the_body(status, kind, body):
    with pytest.raises(kind):
        documents(chargeover(), first(chargeover(), "customers"), reply(body, status))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>Please log in</html>",
        '{"code":200,"status":"OK","response":[{"customer_id":1}',
        "[]",
        "null",
        "{}",
        '{"response": []}',
        '{"status":"OK"}',
        '{"status":"OK","response":null}',
        '{"status":"OK","response":false}',
        '{"status":"OK","response":7}',
        '{"status":"OK","response":[1]}',
        '{"status":"OK","response":[null]}',
        '{"status":"OK","response":[{"company":"no identifier"}]}',
        '{"status":"OK","response":[{"customer_id":null}]}',
        '{"status":"OK","response":[{"customer_id":Infinity}]}',
        b"\xff\xfe\x00",
        "[" * 100_000,
    ],
)
def test_answer_that_is_no_list_of_rows_is_garbled_never_empty(body):
    with pytest.raises(Garbled):
        documents(chargeover(), first(chargeover(), "customers"), reply(body))


@pytest.mark.parametrize("code", [400, "400", 0, None, "x", 200], ids=repr)
def test_status_error_with_http_200_is_refused(code):
    answer = {"code": code, "status": "Error", "message": "Malformed WHERE clause.", "response": []}
    with pytest.raises(Refused, match="Malformed WHERE clause"):
        documents(chargeover(), first(chargeover(), "customers"), reply(answer))


def test_error_is_one_line_whatever_the_vendor_says():
    answer = {"code": 400, "status": "Error", "message": "first\r\nsecond\n\nthird"}
    with pytest.raises(Refused) as caught:
        documents(chargeover(), first(chargeover(), "customers"), reply(answer, 400))
    assert len(str(caught.value).splitlines()) == 1


def test_empty_list_is_no_row_and_no_further_request():
    page = chargeover().decode(first(chargeover(), "customers"), rows())
    assert (list(page.documents), page.following) == ([], None)


def test_envelope_with_further_keys_is_read():
    answer = rows({"customer_id": 1}, details={}, _meta={"x": 1})
    assert documents(chargeover(), first(chargeover(), "customers"), answer) == [{"customer_id": 1}]


@pytest.mark.parametrize(
    ("text", "value"),
    [('"\\ud800"', "\ud800"), ("123456789012345678901234", 123456789012345678901234)],
)
def test_values_that_strict_json_readers_refuse_are_read(text, value):
    body = f'{{"status":"OK","response":[{{"customer_id":1,"custom_1":{text}}}]}}'
    found = rows_of(first(chargeover(), "customers"), reply(body))
    assert found[0]["custom_1"] == value


def test_byte_order_mark_is_skipped():
    body = b"\xef\xbb\xbf" + json.dumps({"status": "OK", "response": []}).encode()
    assert rows_of(first(chargeover(), "customers"), reply(body)) == []


def query_of(request):
    return dict(parse_qsl(urlsplit(chargeover().url(request)).query, keep_blank_values=True))


def test_full_read_asks_for_no_filter():
    for resource in CATALOGUE["chargeover"]:
        [request] = chargeover().plan(resource, Scope())
        assert "where" not in query_of(request)
        assert query_of(request)["order"] == f"{resource.id}:ASC"
        assert query_of(request)["limit"] == "500"


def wheres(name, **scope):
    """Return the filter of each request of a read, in order, empty where there is none."""
    requests = chargeover().plan(resource_of("chargeover", name), Scope(**scope))
    return [query_of(request).get("where", "") for request in requests]


LOCAL = r"2026-01-31T12\:00\:05-06\:00"


def test_incremental_read_asks_each_pass_from_the_bookmark_on():
    since = datetime(2026, 1, 31, 18, 0, 5, tzinfo=UTC)
    assert wheres("subscriptions", since=since, whole=False) == [
        f"mod_datetime:GTE:{LOCAL}",
        f"write_datetime:GTE:{LOCAL}",
        f"cancel_datetime:GTE:{LOCAL}",
        "package_status_state:EQUALS:a",
        "package_status_state:EQUALS:s",
    ]


def test_windowed_pass_asks_from_before_the_bookmark_on():
    since = datetime(2026, 3, 2, 18, 0, 5, tzinfo=UTC)
    assert wheres("transactions", since=since, whole=False, window=timedelta(days=30)) == [
        f"transaction_datetime:GTE:{LOCAL}"
    ]


def test_pass_that_others_name_rows_for_asks_nothing_by_itself():
    since = datetime(2026, 1, 31, 18, 0, 5, tzinfo=UTC)
    named = [each.name for each in resource_of("chargeover", "customers").passes if each.of]
    assert named == ["moved"]
    assert wheres("customers", since=since, whole=False) == [
        f"mod_datetime:GTE:{LOCAL}",
        f"write_datetime:GTE:{LOCAL}",
    ]


def test_resumed_read_asks_its_passes_up_to_the_position_and_the_rest_after_it():
    since = datetime(2026, 1, 31, 18, 0, 5, tzinfo=UTC)
    assert wheres("invoices", since=since, after=700) == [
        f"mod_datetime:GTE:{LOCAL},invoice_id:LTE:700",
        f"write_datetime:GTE:{LOCAL},invoice_id:LTE:700",
        "invoice_status_state:EQUALS:o,invoice_id:LTE:700",
        "invoice_id:GT:700",
    ]


def test_only_the_last_request_of_a_read_is_whole():
    since = datetime(2026, 1, 31, 18, 0, 5, tzinfo=UTC)
    requests = chargeover().plan(resource_of("chargeover", "invoices"), Scope(since, after=7))
    assert [each.position.whole for each in requests] == [False, False, False, True]
    pages = [chargeover().decode(each, rows({"invoice_id": 9})) for each in requests]
    assert [page.whole for page in pages] == [False, False, False, True]


def test_position_of_a_row_is_its_number_and_only_a_keyset_has_one():
    page = chargeover().decode(first(chargeover(), "invoices"), rows({"invoice_id": "12"}))
    assert [page.reached(row) for row in page.documents] == [12]
    page = chargeover().decode(first(chargeover(), "promotions"), rows({"coupon_id": 12}))
    assert page.reached is None


def test_time_of_day_and_offset_are_escaped_and_encoded_once():
    # Recorded against a live account: a colon that is only percent-encoded truncates the filter
    # to the hour without a word.
    since = datetime(2026, 10, 5, 15, 18, 49, tzinfo=UTC)
    url = chargeover().url(first(chargeover(), "customers", since=since))
    assert "mod_datetime%3AGTE%3A2026-10-05T10%5C%3A18%5C%3A49-05%5C%3A00" in url


def test_fraction_of_a_second_is_read_again_rather_than_lost():
    since = datetime(2026, 1, 31, 18, 0, 5, 999_999, tzinfo=UTC)
    where = query_of(first(chargeover(), "customers", since=since))["where"]
    assert where.endswith(r"12\:00\:05-06\:00")


def test_start_date_bounds_the_creation_of_every_pass():
    start, since = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    begin, mark = r"2023-12-31T18\:00\:00-06\:00", r"2025-12-31T18\:00\:00-06\:00"
    assert wheres("invoices", start=start, since=since) == [
        f"write_datetime:GTE:{begin},mod_datetime:GTE:{mark}",
        f"write_datetime:GTE:{mark}",
        f"write_datetime:GTE:{begin},invoice_status_state:EQUALS:o",
        f"write_datetime:GTE:{begin}",
    ]
    assert wheres("invoices", start=since, since=start, whole=False)[1] == (
        f"write_datetime:GTE:{mark}"
    )


def test_nested_list_is_asked_for_only_when_needed():
    assert "expand" not in query_of(first(chargeover(), "invoices"))
    assert query_of(first(chargeover(), "invoices", expand=("line_items",)))["expand"] == (
        "line_items"
    )


def test_list_that_left_out_its_expansion_is_completed_row_by_row():
    request = first(chargeover(), "transactions", expand=("applied_to",))
    told = [{"transaction_id": 7}, {"transaction_id": 9}]
    assert [chargeover().url(each) for each in chargeover().details(request, told)] == [
        "/transaction/7",
        "/transaction/9",
    ]


@pytest.mark.parametrize(
    "told", [[], [{"transaction_id": 7}, {"transaction_id": 9, "applied_to": []}]]
)
def test_list_with_its_expansion_needs_no_further_request(told):
    request = first(chargeover(), "transactions", expand=("applied_to",))
    assert not chargeover().details(request, told)


def test_rows_against_the_filter_are_noticed_and_kept(caplog):
    request = first(chargeover(), "customers", filters=(("customer_status_state", "EQUALS", "a"),))
    told = [
        {"customer_id": 1, "customer_status_state": "a"},
        {"customer_id": 2, "customer_status_state": "i"},
    ]
    assert documents(chargeover(), request, rows(*told)) == told
    assert "1 of 2 rows do not match where=customer_status_state:EQUALS" in caplog.text


@pytest.mark.parametrize(
    "found",
    ["2026-01-31T12:00:05-06:00", "2026-01-31 12:00:05", "", None, "soon", "9999-12-31 23:59:59"],
)
def test_rows_that_match_or_cannot_be_told_raise_no_alarm(found, caplog):
    request = first(chargeover(), "customers", since=datetime(2026, 1, 31, 18, 0, 5, tzinfo=UTC))
    told = [{"customer_id": 1, "mod_datetime": found}]
    assert documents(chargeover(), request, rows(*told)) == told
    assert caplog.text == ""


ZONES = st.sampled_from(["America/Chicago", "Europe/Berlin", "Australia/Lord_Howe", "UTC"])
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@given(since=INSTANTS, later=st.timedeltas(timedelta(0), timedelta(hours=5)), zone=ZONES)
@example(datetime(2026, 11, 1, 6, 45, tzinfo=UTC), timedelta(minutes=25), "America/Chicago")
def test_server_that_drops_the_offset_still_tells_every_later_row(since, later, zone):
    provider = chargeover(zone=zone)
    sent = provider.plan(resource_of("chargeover", "customers"), Scope(since=since))
    [_, _, text] = sent[0].position.where[-1]
    stored = (since + later).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert stored >= datetime.fromisoformat(text).replace(tzinfo=None)
    assert datetime.fromisoformat(text) <= since


@pytest.mark.parametrize("resource", CATALOGUE["chargeover"], ids=lambda each: each.name)
def test_row_without_its_identifier_is_garbled_never_dropped(resource):
    with pytest.raises(Garbled, match=resource.id):
        documents(chargeover(), first(chargeover(), resource.name), rows({"x": 1}))


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (r"a\u0000b", "ab"),
        (r"\u0000", ""),
        (r"a\\u0000b", r"a\u0000b"),
        (r"a\\\u0000b", "a\\b"),
        ("plain", "plain"),
    ],
)
def test_nul_characters_are_left_out_and_told(told, text, caplog):
    """PostgreSQL refuses them, and with them the whole load."""
    body = f'{{"status":"OK","response":[{{"customer_id":1,"company":"{told}"}}]}}'
    found = rows_of(first(chargeover(), "customers"), reply(body))
    assert found[0]["company"] == text
    assert ("NUL characters left out" in caplog.text) == (len(text) < len(told) - 4)


def test_order_that_the_server_refuses_is_done_without():
    request = first(chargeover(), "promotions")
    simpler = chargeover().simplify(request)
    assert "order" in query_of(request)
    assert "order" not in query_of(simpler)
    assert chargeover().simplify(simpler) is None


def test_keyset_is_never_read_without_its_order():
    assert chargeover().simplify(first(chargeover(), "customers")) is None
