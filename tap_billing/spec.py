"""The vocabulary as frozen data: what is requested, what is cut from it, what providers offer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Document = dict[str, Any]
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream: which records of a document it consists of.

    `path` are the keys to walk from the document to the records, every list on the way flattened.
    `lift` names the columns that a record takes from its ancestors: column -> (level, key), level 0
    being the document. A `partial` stream shows some of a document's keys; the others are its
    siblings' and no news.
    """

    name: str
    keys: tuple[str, ...]
    path: tuple[str, ...] = ()
    replication_key: str | None = None
    lift: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    selected: bool = True
    partial: bool = False
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Related:
    """Where another resource's documents name rows of this one: along which keys."""

    resource: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pass:
    """A filtered read of a resource, why it exists, and the changes that it brings at once.

    It asks for rows whose `since` is at or after the bookmark (a `windowed` pass: less the
    transaction window), for those `where` a key has a value, or for those that other resources'
    documents, read in the same run, are `of`. Rows that left a `where` since the last run are asked
    for by their identifier.
    """

    name: str
    why: str
    sees: tuple[str, ...]
    since: str | None = None
    windowed: bool = False
    where: tuple[str, str] | None = None
    of: tuple[Related, ...] = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """What is requested: an endpoint, its streams, and how it is filtered, paged and bookmarked.

    `cursors` are the keys of a document whose largest value becomes the bookmark; `created` is the
    field that `start_date` bounds; `expand` are the nested lists that are sent only on request. A
    resource without passes is always read whole. A read that is `provable` can be shown to be
    complete. `blind` are the changes that no pass brings, and why.
    """

    name: str
    path: str
    streams: tuple[StreamSpec, ...]
    id: str
    passes: tuple[Pass, ...] = ()
    cursors: tuple[tuple[str, ...], ...] = ()
    created: str | None = None
    filterable: frozenset[str] = frozenset()
    keyset: bool = False
    expand: tuple[str, ...] = ()
    records_path: tuple[str, ...] = ()
    provable: bool = True
    blind: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run wants of a resource; datetimes are aware.

    With `since` the passes read what changed, those that are windowed from `window` before it. A
    `whole` read brings every document; one that goes on `after` a position brings those beyond it,
    and what changed of those up to it: by its passes, or where there are none by reading them
    again. `filters` are the user's, as checked. `expand` are the nested lists that a selected
    stream or property needs. A whole read can be asked to be `counted`; what is known not to be
    `large` is not worth dividing.
    """

    since: datetime | None = None
    start: datetime | None = None
    filters: Any = None
    expand: tuple[str, ...] = ()
    whole: bool = True
    after: Any = None
    window: timedelta = timedelta()
    counted: bool = False
    large: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """One GET: a path below the API's URL, decoded parameters, and the position in its paging.

    A `trial` may fail: then the request is asked that is simpler.
    """

    resource: Resource
    path: str
    params: tuple[tuple[str, str], ...] = ()
    position: Any = None
    trial: bool = False

    def __str__(self) -> str:
        """Return the path, for messages: parameters may hold personal data."""
        return f"GET {self.path}"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP response; `received` and `server_time` (its Date header) are aware."""

    status: int
    headers: Mapping[str, str]
    body: bytes | BinaryIO
    received: datetime
    server_time: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that is not decoded yet."""

    request: Request
    reply: Reply

    def close(self) -> None:
        """Give back what the body is read from."""
        if not isinstance(self.reply.body, bytes):
            self.reply.body.close()


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a whole read reaches: the highest identifier, and about how many rows there are."""

    highest: int
    rows: int


@dataclass(frozen=True, slots=True)
class Census:
    """How many documents a server counts up to its `highest` identifier (None: at all).

    `before` and `after` the read; `earlier` are those up to the position that it goes on from. If
    it has begun before that, `most` are those that there were at its very begin. `unknown` says why
    there is no number.
    """

    before: int = 0
    after: int = 0
    highest: int | None = None
    unknown: str = ""
    earlier: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """What a reply says: documents in order, and the request that follows it.

    A page of a `whole` read whose documents are known to come in order says which position is
    `reached` with one of them: a later read can go on after it. `place` tells where a document
    itself stands: those beyond the position come again (without it: none). What comes with an
    `overlapping` page may have come with another one of the same read. Behind a `full` page
    much may follow, which can be read in parts. The last page of a counted read tells its `census`.
    `body` is the file that documents are read from, to be closed by whoever ends with them.
    """

    documents: Iterable[Document]
    received: datetime
    server_time: datetime | None
    following: Request | None = None
    body: BinaryIO | None = None
    whole: bool = False
    reached: Callable[[Document], Any] | None = None
    place: Callable[[Document], Any] | None = None
    full: bool = False
    overlapping: bool = False
    census: Census | None = None

    def close(self) -> None:
        """Give back what the documents are read from."""
        end = getattr(self.documents, "close", None)
        if end is not None:
            end()
        if self.body is not None:
            self.body.close()


class Provider(Protocol):
    """Bytes in, values out: everything that differs between the two APIs."""

    @property
    def spooled(self) -> bool:
        """Whether bodies may be too large for memory and travel as files."""

    def plan(self, resource: Resource, scope: Scope) -> Sequence[Request]:
        """Return the first request of each pass that the scope needs."""

    def url(self, request: Request) -> str:
        """Return path and query, encoded, relative to the API's URL."""

    def decode(self, request: Request, reply: Reply) -> Page:
        """Return what the reply says.

        Raises Refused or Retry for what is not an answer, Stalled where paging leads nowhere.
        """

    def among(self, resource: Resource, scope: Scope, ids: Iterable[Any]) -> Sequence[Request]:
        """Return few requests that bring all documents with these identifiers, among others."""

    def highest(self, resource: Resource, scope: Scope) -> Request | None:
        """Return the request for the document with the highest identifier, if that can be known."""

    def count(self, resource: Resource, scope: Scope, highest: int | None) -> Request | None:
        """Return the request for the number of documents, the only one's `count`, if there is one.

        Without it a whole read that ended well is complete.
        """

    def details(self, request: Request, documents: Sequence[Document]) -> Sequence[Request]:
        """Return requests for what a list left out of its documents, usually none."""

    def simplify(self, request: Request) -> Request | None:
        """Return a request for the same rows that leaves out what the server may not know."""

    def late(self, request: Request) -> bool:
        """Whether an answer's decoding can wait: nothing is to be asked after it, as a rule."""

    def parts(self, request: Request, extent: Extent | None) -> Iterable[Request]:
        """Return disjoint requests, in order, for what a whole read has yet to bring."""

    def halve(self, request: Request) -> Sequence[Request]:
        """Return smaller requests for the same documents, or nothing if it cannot be divided."""
