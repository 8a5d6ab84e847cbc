"""What must hold when the server fails: it shows, and it ends."""

from __future__ import annotations

from typing import Any

from tests.mutants.apis import Deaf, Pausing, Spoiled, refusal
from tests.mutants.books import HOUR, Books, loaded, opened


def _fails_alone(books: Books, **weather: Any) -> None:
    """Let invoices fail: it shows, others go on, and the next run makes up for it."""
    books.change("edit", 1, 0)
    books.change("edit", 1, 2)
    books.change("new_invoice", 3)
    books.wait(HOUR)
    before = books.bookmarks
    done = books.run(**weather)
    books.deliver(done.lines)
    assert done.error is not None, "ended: as if all was well"
    assert books.messages, "ended: without a word"
    assert books.messages[-1]["type"] == "STATE", "ended: without a STATE"
    after = books.bookmarks
    assert after["invoices"] == before["invoices"], "claimed: invoices that were not read"
    for stream in ("customers", "subscriptions", "transactions"):
        assert after[stream] != before[stream], f"missing: the STATE of {stream}, which can be read"
    books.api = None
    books.again()
    books.check()


def broken_endpoint() -> None:
    """One endpoint answers every request with 500."""
    _fails_alone(loaded("package", "invoice"), dead="/invoice")


def _refused(status: int) -> None:
    books = loaded("package", "invoice")

    def how(path: str, envelope: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return refusal(status) if path == "/invoice" else (envelope["code"], envelope)

    books.api = Spoiled(books.honest, how)
    _fails_alone(books)


def missing_endpoint() -> None:
    """One endpoint answers 404."""
    _refused(404)


def forbidden_endpoint() -> None:
    """One endpoint answers 403."""
    _refused(403)


def broken_details() -> None:
    """Lists leave out what they were asked to expand, and single objects answer 403."""
    books = opened("package")

    def how(path: str, envelope: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path.startswith("/package/") and not path.endswith("_count"):
            return refusal(403)
        if path == "/package":
            for row in envelope["response"]:
                row.pop("line_items", None)
        return envelope["code"], envelope

    books.api = Spoiled(books.honest, how)
    done = books.run()
    books.deliver(done.lines)
    if done.error is None:
        books.check()
    books.api = None
    books.again()
    books.check()


def long_pause() -> None:
    """The server asks for a pause of a day: nobody asks it again and again meanwhile."""
    books = opened()
    books.network = Pausing
    done = books.run(faults=dict.fromkeys(range(1000), "busy"))
    assert done.error is not None, "ended: as if all was well"
    assert len(books.requests) <= len(books.resources), "repeated: requests into the pause"


def same_page_again() -> None:
    """The server does not hear from which row on to go."""
    books = opened()

    def hears(params: dict[str, str]) -> dict[str, str]:
        clauses = params.pop("where", "").split(",")
        where = ",".join(each for each in clauses if ":GT:" not in each)
        return {**params, "where": where} if where else params

    books.api = Deaf(books.honest, hears)
    done = books.run()
    assert done.error is not None, "ended: as if all was well"
