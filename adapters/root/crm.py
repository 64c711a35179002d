"""The CRM's border: leads, conversations and the board into Colony's values, proposals about leads into its writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.root.paths import lead_path
from adapters.root.reading import identified, listed, malformed, named_text, objects, text_of, unwrapped
from contracts.clock import rfc3339
from contracts.errors import RootRefused
from contracts.evidence import WritebackProposal

_LEAD = ("lead_id", "id", "leadId", "uuid")
_CONVERSATION = ("conversation_id", "id", "conversationId", "thread_id", "chat_id")
_AUTHOR = ("author", "sender", "role", "from", "direction", "author_type", "sender_type")
_TEXT = ("text", "body", "content", "message")
_AT = ("at", "created_at", "sent_at", "timestamp", "time", "createdAt")
_BY_LEAD = frozenset({"lead", "customer", "client", "user", "contact", "prospect", "buyer", "visitor", "inbound", "in"})
_BY_AGENT = frozenset({"agent", "assistant", "staff", "rep", "sales", "operator", "bot", "system", "outbound", "out"})
_EARLIEST, _LATEST, _MILLISECONDS = 5e8, 2e11, 1e11


def lead(data: Mapping[str, Any], lead_id: str) -> dict[str, Any]:
    """Return ``{lead_id, …}``: every field is kept, ``stage`` is a text."""
    record = identified(unwrapped(data, "lead", *_LEAD), "lead", *_LEAD, expected=lead_id)
    if isinstance(record.get("stage"), Mapping | int | float | list):
        record["stage"] = named_text(record, "lead", "stage")
    return record


def title(record: Mapping[str, Any]) -> str:
    """Return what people call a lead."""
    names = ("name", "full_name", "fullName", "display_name")
    return next((value for name in names if isinstance(value := record.get(name), str) and value), record["lead_id"])


def conversations(pages: Sequence[Mapping[str, Any]], lead_id: str) -> list[dict[str, Any]]:
    """Return ``{conversation_id, channel, messages: [{at?, author, text}]}`` for each, oldest message first.

    A root may also answer with messages alone: those of one thread are one conversation.
    """
    found = [one for page in pages for one in objects(_conversations(page), "chat")]
    flat = [one for one in found if not _holds_messages(one)]
    if flat and len(flat) < len(found):
        raise malformed("chat", "mixes conversations and messages")
    return _threads(flat, lead_id) if flat else [_conversation(one, n, lead_id) for n, one in enumerate(found)]


def board(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``{order: [stage…]}``."""
    stages = listed(data, "board", "order", "stages", "columns")
    names = [s if isinstance(s, str) else named_text({"stage": s}, "board", "stage") for s in map(_stage, stages)]
    if not all(names):
        raise malformed("board", "has a stage without a name")
    return {"order": names}


def call_of(proposal: WritebackProposal) -> tuple[str, str]:
    """Return method and path of the write that a proposal about a lead is; its ``after`` is the body, as approved.

    Raises:
        RootRefused: there is no such write.
    """
    match proposal.operation:
        case "patch":
            return "PATCH", lead_path(proposal.target.id)
        case "note" | "task" | "message":
            return "POST", lead_path(proposal.target.id, f"{proposal.operation}s")
        case _:
            raise RootRefused(f"the root has no {proposal.operation} on lead", code="unknown_write")


def _conversations(page: Mapping[str, Any]) -> list[Any]:
    return listed(page, "chat", "conversations", "threads", "chats", "messages")


def _holds_messages(one: Mapping[str, Any]) -> bool:
    return isinstance(one.get("messages"), list | Mapping) or ("messages" in one and one["messages"] is None)


def _conversation(one: Mapping[str, Any], n: int, lead_id: str) -> dict[str, Any]:
    inner = one["messages"]
    if isinstance(inner, Mapping) and inner.get("next_cursor"):
        raise malformed("chat", "has more messages than it gives")
    return {
        "conversation_id": text_of(one, "chat", *_CONVERSATION) or f"{lead_id}-{n + 1}",
        "channel": named_text(one, "chat", "channel", "source", "medium") or "chat",
        "messages": _messages(objects(listed(one, "chat", "messages"), "chat")),
    }


def _threads(flat: Sequence[Mapping[str, Any]], lead_id: str) -> list[dict[str, Any]]:
    threads: dict[str, list[Mapping[str, Any]]] = {}
    for one in flat:
        name = text_of(one, "chat", "conversation_id", "conversationId", "thread_id", "chat_id") or lead_id
        threads.setdefault(name, []).append(one)
    return [
        {
            "conversation_id": name,
            "channel": named_text(held[0], "chat", "channel", "medium") or "chat",
            "messages": _messages(held),
        }
        for name, held in threads.items()
    ]


def _messages(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    made = [_message(one) for one in given]
    moments = [one.get("at") for one in made]
    if all(moments) and moments != sorted(moments) and moments == sorted(moments, reverse=True):  # type: ignore[type-var]
        made.reverse()
    return made


def _message(one: Mapping[str, Any]) -> dict[str, Any]:
    if not any(name in one for name in _TEXT):
        raise malformed("message", "has no text")
    at = _moment(text_of(one, "message", *_AT))
    said = text_of(one, "message", *_TEXT) or ""
    return {**({"at": at} if at else {}), "author": _author(one), "text": said}


def _author(one: Mapping[str, Any]) -> str:
    given = [value for name in _AUTHOR if (value := one.get(name)) is not None]
    inner = [value.get(name) for value in given if isinstance(value, Mapping) for name in ("type", "role", "kind")]
    for word in (value.strip().casefold() for value in (*given, *inner) if isinstance(value, str)):
        if word in _BY_LEAD | _BY_AGENT:
            return "lead" if word in _BY_LEAD else "agent"
    raise malformed("message", "does not say whether the lead or an agent wrote it")


def _moment(given: str | None) -> str | None:
    """Return a moment as it was written; one that counts seconds or milliseconds since 1970 in RFC 3339."""
    if given is None or not given.replace(".", "", 1).isdecimal() or len(given) > 17:
        return given
    count = float(given)
    seconds = count / 1_000 if count > _MILLISECONDS else count
    return rfc3339(datetime.fromtimestamp(seconds, UTC)) if _EARLIEST < seconds < _LATEST else given


def _stage(value: Any) -> Any:
    """Return a stage as a text, or as the object that names it."""
    return value.get("stage") or value if isinstance(value, Mapping) else value
