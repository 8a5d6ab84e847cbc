"""Changes of what every run reads whole, made alike in all of the sample company's lists."""

from __future__ import annotations

from dataclasses import replace

from tap_billing.sandbox.chargeover import RESOURCES
from tap_billing.sandbox.markup import identity
from tests.behavior import Made

# What is edited: a field of the sample company's row, and the column that tells it.
EDITS = {
    "contacts": ("title", "title"),
    "promotions": ("description", "description"),
    "quotes": ("status", "quote_status_str"),
    "notes": ("text", "note"),
    "usage": ("code", "external_key"),
    "tokenized": ("kind", "type"),
    "admins": ("last_name", "last_name"),
    "brands": ("name", "brand"),
    "campaigns": ("name", "campaign"),
    "currencies": ("name", "currency"),
    "languages": ("name", "language"),
}
# Cheddar's lists: where the sample company keeps them, and the kind of their identities.
CHEDDAR = {"plans/get": ("products", "product"), "promotions/get": ("promotions", "promotion")}


def places(resource):
    """Return a stream, where the company keeps its rows, and how their identifiers are told."""
    stream = resource.streams[0].name
    if resource.path in CHEDDAR:
        books, kind = CHEDDAR[resource.path]
        return stream, books, lambda number: identity(kind, number)
    return stream, RESOURCES[resource.path].books, lambda number: number


def shelved(company, books):
    """Return the company's rows of a kind by id."""
    held = getattr(company, books)
    return held if isinstance(held, dict) else {row.id: row for row in held}


def put(company, books, rows):
    """Let the company have these rows of a kind."""
    held = getattr(company, books)
    setattr(company, books, rows if isinstance(held, dict) else tuple(rows.values()))


def added(company, books):
    """Add a row that nothing refers to, like one that is there."""
    rows = shelved(company, books)
    like = next(each for each in rows.values() if getattr(each, "kind", "plan") != "item")
    row = replace(like, id=max(rows) + 1)
    put(company, books, {**rows, row.id: row})
    return row


def new(resource):
    """Add a row."""
    stream, books, told = places(resource)

    def make(company):
        yield
        yield Made(stream, (told(added(company, books).id),))

    return make


def edited(resource):
    """Edit what is told of a row."""
    stream, books, told = places(resource)
    field, column = EDITS.get(resource.name, ("name", "name"))

    def make(company):
        row = added(company, books)
        yield
        row = replace(row, **{field: "renamed"})
        put(company, books, {**shelved(company, books), row.id: row})
        yield Made(stream, (told(row.id),), (column,))

    return make


def deleted(resource):
    """Delete a row that nothing refers to."""
    stream, books, told = places(resource)

    def make(company):
        row = added(company, books)
        yield
        rows = shelved(company, books)
        put(company, books, {key: each for key, each in rows.items() if key != row.id})
        yield Made(stream, (told(row.id),), gone=True)

    return make


CHANGES = {"new": new, "edited": edited, "deleted": deleted}
