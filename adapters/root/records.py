"""What an import carries into a root: closed records, checked one by one so that one bad record stops no other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, Protocol, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from contracts.base import Value
from contracts.canonical import is_text

MAX_DEPTH = 32
MAX_ID = 200

Kind = Literal["leads", "chats", "documents", "campaigns", "pages", "signals", "board"]
ActivityKind = Literal["notes", "tasks", "messages"]


def storable(value: Any, depth: int = 0) -> Any:
    """Return the JSON value as it is if Postgres can keep it.

    Raises:
        ValueError: it holds a NUL, a lone surrogate or a number that isn't finite, or is nested too deep.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str) and not is_text(value):
        raise ValueError("a text holds a NUL or half of a surrogate pair")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is not finite")
    if isinstance(value, dict):
        for key, item in value.items():
            storable(key, depth)
            storable(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            storable(item, depth + 1)
    return value


def addressable(value: str) -> str:
    """Return the id if it can stand as one segment of a URL's path.

    Raises:
        ValueError: it is a dot segment or holds a slash, a backslash or a control character.
    """
    if value in {".", ".."} or any(c in "/\\" or not c.isprintable() for c in value):
        raise ValueError("an id can't be a dot segment or hold slashes or control characters")
    return value


Id = Annotated[str, Field(min_length=1, max_length=MAX_ID), AfterValidator(addressable)]
Text = Annotated[str, AfterValidator(storable)]
Name = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(storable)]
JsonObject = Annotated[dict[str, Any], AfterValidator(storable)]


class LeadRecord(Value):
    """A lead with everything known of it; ``attributes`` has no ``lead_id``."""

    lead_id: Id
    attributes: JsonObject


class Message(Value):
    """One message of a conversation; ``at`` is kept as it was written."""

    at: Name | None = None
    author: Literal["lead", "agent"]
    text: Text


class ChatRecord(Value):
    """One conversation with a lead, in the order it was held; one in which nobody has said anything yet is one, too."""

    lead_id: Id
    conversation_id: Id
    channel: Name
    messages: tuple[Message, ...]


class DocumentRecord(Value):
    """One document as text; ``source`` is the imported file's name."""

    document_id: Id
    title: Name
    source: Name
    media_type: Name
    text: Text


class CampaignRecord(Value):
    """A stretch of a campaign's rows: those from ``offset`` on, of ``total`` in all; later rows are cut off."""

    campaign_id: Id
    columns: tuple[Name, ...]
    offset: int = Field(default=0, ge=0)
    total: int = Field(ge=0)
    rows: tuple[JsonObject, ...]


class PageRecord(Value):
    """One page; ``attributes`` has no ``page_id``."""

    page_id: Id
    attributes: JsonObject


class SignalRecord(Value):
    """One thing that was noticed about a lead."""

    lead_id: Id
    signal_id: Id
    attributes: JsonObject


class BoardRecord(Value):
    """The stages of the board, in order."""

    stages: tuple[Name, ...] = Field(min_length=1, max_length=50)


Record = LeadRecord | ChatRecord | DocumentRecord | CampaignRecord | PageRecord | SignalRecord | BoardRecord

RECORDS: dict[Kind, type[Record]] = {
    "leads": LeadRecord,
    "chats": ChatRecord,
    "documents": DocumentRecord,
    "campaigns": CampaignRecord,
    "pages": PageRecord,
    "signals": SignalRecord,
    "board": BoardRecord,
}

R = TypeVar("R", bound=Value)


def of_type(records: Sequence[Value], kind: type[R]) -> list[R]:
    """Return the records, known to be of one kind.

    Raises:
        TypeError: one of them is not.
    """
    same = [r for r in records if isinstance(r, kind)]
    if len(same) < len(records):
        raise TypeError(f"expected {kind.__name__} and nothing else")
    return same


def reason_of(exc: ValidationError) -> str:
    """Say in one line what is wrong with a record, without repeating what it holds."""
    first = exc.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


class Rejected(Value):
    """One record of a batch that was not taken, by its place in the batch."""

    index: int
    reason: str


class BatchOutcome(Value):
    """What became of a batch's records (of a campaign's rows); ``unchanged`` were there already, exactly so."""

    created: int = 0
    replaced: int = 0
    unchanged: int = 0
    rejected: tuple[Rejected, ...] = ()


class Sink(Protocol):
    """Where imported records go: a root's own store, or a running root over HTTP."""

    async def put(self, tenant: str, kind: Kind, records: Sequence[Record]) -> BatchOutcome:
        """Take the batch; an imported record replaces the one with its id.

        Raises:
            BadInput, RootRefused: the batch can't be taken as a whole.
            Unavailable: the sink does not answer; the same batch may be put again.
        """
        ...


class Versioned(NamedTuple):
    """A stored object with its version, which its ETag is made of."""

    id: str
    data: dict[str, Any]
    version: int


class Once(NamedTuple):
    """What makes a write happen once: the caller's key, and what it was first used for."""

    key: str
    method: str
    path: str
    request_sha256: str


class Answer(NamedTuple):
    """An HTTP answer, kept byte for byte for the repeats of its call."""

    status: int
    headers: dict[str, str]
    body: bytes
