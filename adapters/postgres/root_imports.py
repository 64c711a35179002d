"""Batches of imported records into the root's tables: one statement a batch, versions move only on a real change.

What may be long goes in as one JSON value: an array of texts would have each of its quotes escaped on the event loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar, assert_never

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from adapters.passages import Passage, cut
from adapters.postgres.queries import Queries
from adapters.root.records import (
    BatchOutcome,
    BoardRecord,
    CampaignRecord,
    ChatRecord,
    DocumentRecord,
    Kind,
    LeadRecord,
    PageRecord,
    Record,
    Rejected,
    SignalRecord,
    of_type,
)

R = TypeVar("R", ChatRecord, SignalRecord)


async def put_records(
    conn: AsyncConnection[DictRow], sql: Queries, kind: Kind, records: Sequence[Record]
) -> BatchOutcome:
    """Put the batch; of two records with one id in it the later one counts."""
    batch = _Batch(conn, sql)
    match kind:
        case "leads":
            return await batch.leads(of_type(records, LeadRecord))
        case "chats":
            return await batch.chats(of_type(records, ChatRecord))
        case "documents":
            return await batch.documents(of_type(records, DocumentRecord))
        case "campaigns":
            return await batch.campaigns(of_type(records, CampaignRecord))
        case "pages":
            return await batch.pages(of_type(records, PageRecord))
        case "signals":
            return await batch.signals(of_type(records, SignalRecord))
        case "board":
            return await batch.board(of_type(records, BoardRecord))
        case _:
            assert_never(kind)


class _Batch:
    def __init__(self, conn: AsyncConnection[DictRow], sql: Queries) -> None:
        self._conn = conn
        self._sql = sql

    async def _rows(self, query: str, **values: Any) -> list[DictRow]:
        return await (await self._conn.execute(self._sql[query], values)).fetchall()

    async def _put(self, query: str, count: int, rejected: Sequence[Rejected] = (), **columns: Any) -> BatchOutcome:
        changed = await self._rows(query, **columns)
        created = sum(row["created"] for row in changed)
        return BatchOutcome(
            created=created,
            replaced=len(changed) - created,
            unchanged=count - len(changed),
            rejected=tuple(rejected),
        )

    async def leads(self, records: list[LeadRecord]) -> BatchOutcome:
        unique = list({r.lead_id: r for r in records}.values())
        return await self._put(
            "put_leads",
            len(unique),
            lead_id=[r.lead_id for r in unique],
            attributes=Jsonb([r.attributes for r in unique]),
        )

    async def chats(self, records: list[ChatRecord]) -> BatchOutcome:
        known, rejected = await self._of_known_leads(records)
        unique = list({(r.lead_id, r.conversation_id): r for r in known}.values())
        return await self._put(
            "put_chats",
            len(unique),
            rejected,
            lead_id=[r.lead_id for r in unique],
            conversation_id=[r.conversation_id for r in unique],
            channel=[r.channel for r in unique],
            messages=Jsonb(await asyncio.to_thread(_messages, unique)),
        )

    async def signals(self, records: list[SignalRecord]) -> BatchOutcome:
        known, rejected = await self._of_known_leads(records)
        unique = list({(r.lead_id, r.signal_id): r for r in known}.values())
        return await self._put(
            "put_signals",
            len(unique),
            rejected,
            lead_id=[r.lead_id for r in unique],
            signal_id=[r.signal_id for r in unique],
            attributes=Jsonb([r.attributes for r in unique]),
        )

    async def _of_known_leads(self, records: Sequence[R]) -> tuple[list[R], list[Rejected]]:
        rows = await self._rows("known_leads", lead_id=list({r.lead_id for r in records}))
        known = {row["lead_id"] for row in rows}
        rejected = [Rejected(index=i, reason="no such lead") for i, r in enumerate(records) if r.lead_id not in known]
        return [r for r in records if r.lead_id in known], rejected

    async def documents(self, records: list[DocumentRecord]) -> BatchOutcome:
        unique = list({r.document_id: r for r in records}.values())
        names = ("document_id", "title", "source", "media_type", "text")
        columns: dict[str, Any] = {name: [getattr(r, name) for r in unique] for name in names}
        columns |= {name: Jsonb(columns[name]) for name in ("title", "source", "text")}
        changed = await self._rows("put_documents", **columns)
        await self._cut({row["document_id"] for row in changed}, unique)
        created = sum(row["created"] for row in changed)
        return BatchOutcome(created=created, replaced=len(changed) - created, unchanged=len(unique) - len(changed))

    async def _cut(self, changed: set[str], records: list[DocumentRecord]) -> None:
        """Cut the documents that are new or other than before into passages, in place of those they had."""
        found = await asyncio.to_thread(_parts, [r for r in records if r.document_id in changed])
        await self._conn.execute(self._sql["drop_passages"], {"document_id": sorted(changed)})
        columns = {
            "document_id": [record.document_id for record, _ in found],
            "start": [part.start for _, part in found],
            "end": [part.end for _, part in found],
            "heading": Jsonb([part.heading for _, part in found]),
            "text": Jsonb([record.text[part.start : part.end] for record, part in found]),
        }
        await self._conn.execute(self._sql["put_passages"], columns)

    async def pages(self, records: list[PageRecord]) -> BatchOutcome:
        unique = list({r.page_id: r for r in records}.values())
        return await self._put(
            "put_pages",
            len(unique),
            page_id=[r.page_id for r in unique],
            attributes=Jsonb([r.attributes for r in unique]),
        )

    async def board(self, records: list[BoardRecord]) -> BatchOutcome:
        if not records:
            return BatchOutcome()
        return await self._put("put_board", 1, stages=Jsonb(list(records[-1].stages)))

    async def campaigns(self, records: list[CampaignRecord]) -> BatchOutcome:
        counts: Counter[str] = Counter()
        for record in records:
            counts.update(await self._campaign_rows(record))
        return BatchOutcome(**counts)

    async def _campaign_rows(self, record: CampaignRecord) -> dict[str, int]:
        columns = Jsonb(list(record.columns))
        put = await self._rows("put_campaign", campaign_id=record.campaign_id, columns=columns)
        [rows] = await self._rows(
            "put_campaign_rows",
            campaign_id=record.campaign_id,
            total=record.total,
            offset=record.offset,
            rows=Jsonb(list(record.rows)),
        )
        changed = rows["created"] + rows["replaced"]
        if changed + rows["cut"] and not put[0]["created"]:
            await self._conn.execute(self._sql["touch_campaign"], {"campaign_id": record.campaign_id})
        return {
            "created": rows["created"],
            "replaced": rows["replaced"],
            "unchanged": len(record.rows) - changed,
        }


def _messages(records: Sequence[ChatRecord]) -> list[list[dict[str, Any]]]:
    return [[message.model_dump(exclude_none=True) for message in record.messages] for record in records]


def _parts(records: Sequence[DocumentRecord]) -> list[tuple[DocumentRecord, Passage]]:
    return [(record, part) for record in records for part in cut(record.text)]
