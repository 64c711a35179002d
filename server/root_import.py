"""Import of a product's data into the root: leads, chats, documents and campaigns, whatever their blemishes.

Good records go in, the others are reported by file and line; running it again changes only what differs.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import Field, ValidationError

from adapters.documents import decode, extract
from adapters.root.records import (
    BoardRecord,
    CampaignRecord,
    ChatRecord,
    DocumentRecord,
    Kind,
    Name,
    Record,
    Sink,
    reason_of,
)
from contracts.base import Value
from contracts.canonical import clean_text, digest
from contracts.errors import BadInput
from server.import_report import ImportReport, Parsed, Placed, Remark, Tally, read_file
from server.import_tables import read_campaigns, read_leads

BATCH_RECORDS = 200
BATCH_BYTES = 2 * 1024 * 1024
MAX_RECORD_BYTES = 7 * 1024 * 1024

Progress = Callable[[str, int, int], None]
"""Told the kind, how many of its records have been put, and how many there are."""

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class ImportSources:
    """The files to import; ``mapping`` is the `--map` file."""

    leads: Path | None = None
    chats: Path | None = None
    documents: Path | None = None
    campaigns: Path | None = None
    mapping: Path | None = None


class ColumnMap(Value):
    """A `--map` file: their name to ours for each kind of file, and the board's stages in order if given."""

    leads: dict[str, Name] = Field(default_factory=dict)
    chats: dict[str, Name] = Field(default_factory=dict)
    campaigns: dict[str, Name] = Field(default_factory=dict)
    stages: tuple[Name, ...] = Field(default=(), max_length=50)


async def import_files(
    sink: Sink, tenant: str, sources: ImportSources, progress: Progress | None = None
) -> ImportReport:
    """Import the files, in batches, leads first.

    Raises:
        BadInput: a file can't be read at all, or the map is not one; nothing has gone in then.
        Unavailable: the sink went away; what is in stays, and a second run completes it.
    """
    renames = await asyncio.to_thread(read_map, sources.mapping)
    parsed = await asyncio.to_thread(lambda: list(_parse(sources, renames)))
    run = _Run(sink, tenant, progress or (lambda _kind, _done, _total: None))
    if renames.stages:
        await sink.put(tenant, "board", [BoardRecord(stages=renames.stages)])
    for kind, found in parsed:
        await run.put_all(kind, found)
    return run.report()


def read_map(path: Path | None) -> ColumnMap:
    """Return the column map, an empty one without a file.

    Raises:
        BadInput: the file can't be read or is not a map.
    """
    if path is None:
        return ColumnMap()
    try:
        return ColumnMap.model_validate(yaml.safe_load(decode(read_file(path)).text) or {})
    except ValidationError as exc:
        raise BadInput(f"{path}: {reason_of(exc)}", code="map_invalid") from exc
    except yaml.YAMLError as exc:
        raise BadInput(f"{path}: not YAML", code="map_invalid") from exc


def _parse(sources: ImportSources, renames: ColumnMap) -> Iterator[tuple[Kind, Parsed[Any]]]:
    if sources.leads:
        yield "leads", read_leads(sources.leads, renames.leads)
    if sources.chats:
        yield "chats", read_chats(sources.chats, renames.chats)
    if sources.documents:
        yield "documents", read_documents(sources.documents)
    if sources.campaigns:
        yield "campaigns", read_campaigns(sources.campaigns, renames.campaigns)


class _Run:
    """Puts batches and keeps the tally."""

    def __init__(self, sink: Sink, tenant: str, progress: Progress) -> None:
        self._sink = sink
        self._tenant = tenant
        self._progress = progress
        self._tallies: dict[str, Tally] = {}
        self._errors: list[Remark] = []
        self._skipped: list[Remark] = []
        self._warnings: list[Remark] = []

    async def put_all(self, kind: Kind, parsed: Parsed[R]) -> None:
        """Put every good record of one kind."""
        counts: Counter[str] = Counter(read=_size(parsed.records) + len(parsed.errors))
        errors, done, total = list(parsed.errors), 0, _size(parsed.records)
        for batch in _batches(parsed.records, errors):
            outcome = await self._sink.put(self._tenant, kind, [placed.record for placed in batch])
            counts.update(outcome.model_dump(include={"created", "replaced", "unchanged"}))
            errors += [
                Remark(file=batch[r.index].file, line=batch[r.index].line, reason=r.reason) for r in outcome.rejected
            ]
            done += _size(batch)
            self._progress(kind, done, total)
        self._tallies[kind] = Tally(**counts, rejected=len(errors))
        self._errors += sorted(errors, key=lambda e: (e.file, e.line or 0))
        self._skipped += parsed.skipped
        self._warnings += parsed.warnings

    def report(self) -> ImportReport:
        return ImportReport(
            tallies=self._tallies,
            errors=tuple(self._errors),
            skipped=tuple(self._skipped),
            warnings=tuple(self._warnings),
        )


def _size(placed: list[Placed[R]]) -> int:
    return sum(len(p.record.rows) if isinstance(p.record, CampaignRecord) else 1 for p in placed)


def _batches(records: list[Placed[R]], errors: list[Remark]) -> Iterator[list[Placed[R]]]:
    """Yield batches within the limits; a record that fits none goes to the errors."""
    batch: list[Placed[R]] = []
    size = 0
    for placed in records:
        weight = len(placed.record.model_dump_json().encode())
        if weight > MAX_RECORD_BYTES:
            errors.append(Remark(file=placed.file, line=placed.line, reason=f"over {MAX_RECORD_BYTES} bytes"))
            continue
        if batch and (len(batch) == BATCH_RECORDS or size + weight > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(placed)
        size += weight
    if batch:
        yield batch


def read_chats(path: Path, renames: Mapping[str, str]) -> Parsed[ChatRecord]:
    """Read conversations, one JSON object a line.

    A conversation without an id gets one from its lead, channel and first message, so that a later export of the same
    conversation, grown longer, replaces it.

    Raises:
        BadInput: the file can't be read.
    """
    parsed: Parsed[ChatRecord] = Parsed()
    text, notes = decode(read_file(path))
    for note in notes:
        parsed.warn(path.name, note)
    seen: Counter[tuple[str, str]] = Counter()
    for line, raw in enumerate(text.split("\n"), start=1):
        if not raw.strip():
            continue
        try:
            record, dropped = _chat(raw, renames)
        except RecursionError:
            parsed.error(path.name, line, "nested too deep")
            continue
        except json.JSONDecodeError as exc:
            parsed.error(path.name, line, f"not JSON: {exc.msg} at character {exc.pos}")
            continue
        except (ValueError, TypeError) as exc:
            parsed.error(path.name, line, exc)
            continue
        if dropped:
            parsed.warn(path.name, f"{dropped} characters that can't be kept were dropped", line)
        seen[record.lead_id, record.conversation_id] += 1
        if (nth := seen[record.lead_id, record.conversation_id]) > 1:
            # Two conversations may well begin alike, word for word.
            record = record.model_copy(update={"conversation_id": f"{record.conversation_id}-{nth}"})
        parsed.records.append(Placed(path.name, line, record))
    return parsed


def _chat(raw: str, renames: Mapping[str, str]) -> tuple[ChatRecord, int]:
    line = _renamed(json.loads(raw), renames)
    dropped = 0
    messages = []
    given = line.get("messages")
    if not isinstance(given, list):
        raise TypeError("messages: not a list")
    for message in given:
        fields = {name: value for name, value in _renamed(message, renames).items() if name in {"at", "author", "text"}}
        if isinstance(fields.get("author"), str):
            fields["author"] = fields["author"].strip().lower()
        if isinstance(fields.get("text"), str):
            fields["text"], lost = clean_text(fields["text"])
            dropped += lost
        messages.append(fields)
    lead_id = line.get("lead_id")
    named = str(lead_id) if isinstance(lead_id, int) else lead_id
    first = [named, line.get("channel"), *messages[:1]]
    fields = {
        "lead_id": named.strip() if isinstance(named, str) else named,
        "conversation_id": line.get("conversation_id") or f"chat_{digest(first)[:24]}",
        "channel": line.get("channel"),
        "messages": messages,
    }
    return ChatRecord.model_validate(fields), dropped


def _renamed(value: Any, renames: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("not a JSON object")
    return {renames.get(name, name): item for name, item in value.items()}


def read_documents(folder: Path) -> Parsed[DocumentRecord]:
    """Read every document below a folder; what can't be read yet is listed as skipped.

    Raises:
        BadInput: it is not a folder.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: not a directory", code="file_unreadable")
    parsed: Parsed[DocumentRecord] = Parsed()
    base = folder.resolve()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix().encode("utf-8", "replace").decode()
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if not path.resolve().is_relative_to(base):
            parsed.error(name, None, "a link that leads out of the directory")
            continue
        try:
            parsed.records.append(Placed(name, None, _document(name, read_file(path), parsed)))
        except BadInput as exc:
            skipped = exc.code in {"not_supported_yet", "unknown_file_kind"}
            (parsed.skipped if skipped else parsed.errors).append(Remark(file=name, reason=exc.message))
        except ValueError as exc:
            parsed.error(name, None, exc)
    return parsed


def _document(name: str, data: bytes, parsed: Parsed[DocumentRecord]) -> DocumentRecord:
    found = extract(name, data)
    if not found.text.strip():
        raise BadInput("there is no text in it", code="document_empty")
    for note in found.notes:
        parsed.warn(name, note)
    flat = name.replace("/", "__")
    document_id = flat if len(flat) <= 150 else f"{flat[:120]}-{digest(name)[:16]}"
    return DocumentRecord(
        document_id=document_id, title=found.title, source=name, media_type=found.media_type, text=found.text
    )
