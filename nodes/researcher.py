"""Researcher: gather what the passes allow, render it as quotable text, and label who wrote it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contracts.canonical import clean_text, digest
from contracts.errors import BadInput, NotFound, RootRefused, RootUnavailable
from contracts.events import EventType, NewEvent
from contracts.evidence import ResearchArtifact, Source, Trust
from contracts.mission import MissionClass
from contracts.ports import Ports, StepResult
from contracts.state import MissionState
from contracts.tasks import LibrarianPass, RouteCard
from nodes.ranking import best


async def researcher(state: MissionState, ports: Ports) -> StepResult:
    """Follow every route card once and return the evidence.

    Raises:
        PassRefused: a route card leads outside its own pass.
        NotFound: the lead, page or document does not exist for this tenant.
        RootUnavailable: the root does not answer.
    """
    envelope = ports.mission.envelope
    if envelope is None:
        raise BadInput("the mission was not admitted", code="not_admitted")
    passes = await ports.artifacts.all(LibrarianPass, state["passes"])
    optional = {card.source for card in ports.catalog.sources() if card.may_be_absent}
    absent: dict[str, str] = {}
    found: dict[str, ResearchArtifact] = {}
    for task_key, card in routes(passes):
        try:
            answer = await ports.tools.call(task_key, card.tool, card.arguments)
        except (NotFound, RootRefused, RootUnavailable) as exc:
            if card.source not in optional:
                raise
            absent[card.source] = exc.code
            continue
        found |= await asyncio.to_thread(_named, card.source, answer["items"])
    kept = list(found.values())
    if envelope.mission_type is MissionClass.ORACLE_ADVISORY:
        kept = _relevant(str(envelope.inputs["question"]), kept, ports.limits.documents)
    return StepResult(artifacts=tuple(kept), events=(_gathered(kept, len(found), absent),))


def routes(passes: Sequence[LibrarianPass]) -> list[tuple[str, RouteCard]]:
    """Return each way once, with a task that may go it: the most promising first, whichever task it is for."""
    ways = [(one.task_key, card) for one in passes for card in one.route_cards]
    ways.sort(key=lambda way: (-way[1].priority, way[1].source, way[0]))
    first: dict[str, tuple[str, RouteCard]] = {}
    for task_key, card in ways:
        first.setdefault(digest([card.tool, card.arguments]), (task_key, card))
    return list(first.values())


def _named(need: str, items: Iterable[Mapping[str, Any]]) -> dict[str, ResearchArtifact]:
    """Render and hash in one go; of a long conversation that takes too long to keep the process waiting."""
    return {artifact.artifact_id: artifact for artifact in rendered(need, items)}


def _gathered(kept: list[ResearchArtifact], found: int, absent: Mapping[str, str]) -> NewEvent:
    payload = {
        "artifacts": len(kept),
        "left_out": found - len(kept),
        "characters": sum(len(a.text) for a in kept),
        "by_trust": {t.value: n for t in Trust if (n := sum(a.trust is t for a in kept))},
        "cleaned": sum(a.cleaned for a in kept),
    }
    # A source that need not be there and was not is said, with the reason's code.
    return NewEvent(event_type=EventType.EVIDENCE_GATHERED, payload=payload | ({"absent": absent} if absent else {}))


def _relevant(question: str, artifacts: list[ResearchArtifact], most: int) -> list[ResearchArtifact]:
    documents = [a for a in artifacts if a.kind == "document"]
    ranked = best(question, [f"{a.source.title}\n{a.text}" for a in documents], most)
    chosen = {documents[i].artifact_id for i in ranked}
    return [a for a in artifacts if a.kind != "document" or a.artifact_id in chosen]


def rendered(need: str, items: Iterable[Mapping[str, Any]]) -> list[ResearchArtifact]:
    """Turn a tool's answer into artifacts whose text can be quoted; what has no text is left out."""
    made = []
    for item in items:
        raw = _TEXTS[item["entity"]](item["data"])
        text, cleaned = clean_text(raw)
        if text.strip():
            made.append(_artifact(need, item, text, cleaned))
    return made


def _artifact(need: str, item: Mapping[str, Any], text: str, cleaned: int) -> ResearchArtifact:
    entity = str(item["entity"])
    return ResearchArtifact(
        need=need,
        kind=_KINDS[entity],
        source=Source(
            system="root",
            entity=entity,
            id=str(item["id"]),
            title=clean_text(str(item.get("title") or ""))[0],
            etag=item.get("etag"),
        ),
        text=text,
        trust=_TRUST[entity],
        cleaned=cleaned,
        data={} if cleaned and entity == "document" else _values(entity, item["data"]),
    )


def _values(entity: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept beside the text: of a document where the passage stands in it, in characters."""
    if entity == "document":
        return {name: data[name] for name in ("start", "end", "characters") if isinstance(data.get(name), int)}
    return dict(_plain(data)) if entity in {"lead", "board", "page"} else {}


def _plain(value: Any) -> Any:
    """Return a plain JSON value without the characters that can't be stored."""
    match value:
        case str():
            return clean_text(value)[0]
        case Mapping():
            return {clean_text(str(key))[0]: _plain(held) for key, held in value.items()}
        case list() | tuple():
            return [_plain(held) for held in value]
        case _:
            return value


def _line(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return " ".join(text.split())


def _chat_text(data: Mapping[str, Any]) -> str:
    """Render a conversation, one message a line: a line feed inside a message can't fake a second author."""
    lines = []
    for message in data.get("messages") or []:
        at = f"[{_line(message['at'])}] " if message.get("at") else ""
        author = "agent" if message.get("author") == "agent" else "lead"
        lines.append(f"{at}{author}: {_line(str(message.get('text', '')))}")
    return "\n".join(lines)


def _record_text(data: Mapping[str, Any]) -> str:
    return "\n".join(f"{_line(key)}: {_line(value)}" for key, value in data.items() if value not in (None, ""))


def _signals_text(data: Mapping[str, Any]) -> str:
    """Render what was noticed, one signal a line."""
    return "\n".join("; ".join(_record_text(one).split("\n")) for one in data.get("items") or [])


def _document_text(data: Mapping[str, Any]) -> str:
    return str(data.get("text") or "")


def _table_text(data: Mapping[str, Any]) -> str:
    """Return a table's own text, or write its rows as CSV, always in the same way."""
    if "text" in data:
        return str(data["text"])
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    columns = [str(name) for name in data.get("columns", [])]
    lines.writerow(columns)
    lines.writerows([_cell(row.get(name)) for name in columns] for row in data.get("rows", []))
    return written.getvalue()


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_TEXTS = {
    "lead": _record_text,
    "board": _record_text,
    "page": _record_text,
    "chat": _chat_text,
    "signals": _signals_text,
    "document": _document_text,
    "table": _table_text,
    "lookup": _table_text,
}
_KINDS = {
    "lead": "record",
    "board": "board",
    "page": "record",
    "chat": "chat",
    "signals": "record",
    "document": "document",
    "table": "table",
    "lookup": "table",
}
_TRUST = {
    "lead": Trust.OPERATOR,
    "board": Trust.SYSTEM,
    "page": Trust.OPERATOR,
    "chat": Trust.CUSTOMER,
    # What another system noticed of what the lead did, and may hold the lead's own words.
    "signals": Trust.CUSTOMER,
    "document": Trust.OPERATOR,
    "table": Trust.OPERATOR,
    "lookup": Trust.OPERATOR,
}
