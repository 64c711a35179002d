"""The embedded root's data on Postgres: reads, writes that happen once, and imports, each under one tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from adapters.postgres.pools import Pool
from adapters.postgres.queries import Queries
from adapters.postgres.root_imports import put_records
from adapters.postgres.root_writes import RootWrites
from adapters.root.records import Answer, BatchOutcome, Kind, Once, Record, Versioned
from contracts.errors import BadInput, NotFound, StoreUnavailable


class LeadFilter(NamedTuple):
    """Which leads are wanted; ``q`` is looked for in the id and every attribute."""

    stage: str | None = None
    owner: str | None = None
    source: str | None = None
    q: str | None = None


class RootStore:
    """The root's objects. Row-level security is what keeps tenants apart, so every call names its tenant.

    Raises (every method):
        StoreUnavailable: Postgres does not answer.
        BadInput: a value that Postgres can't hold.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = Queries.load("root")

    @asynccontextmanager
    async def _as(self, tenant: str) -> AsyncIterator[AsyncConnection[DictRow]]:
        try:
            async with self._pool.connection() as conn, conn.transaction():
                await self._pool.stamp(conn, tenant)
                yield conn
        except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as exc:
            raise BadInput("a value can't be stored as it is") from exc
        except psycopg.OperationalError as exc:
            raise StoreUnavailable("the root's database does not answer") from exc

    async def _rows(self, tenant: str, query: str, **values: Any) -> list[DictRow]:
        async with self._as(tenant) as conn:
            return await (await conn.execute(self._sql[query], values)).fetchall()

    async def _one(self, tenant: str, query: str, what: str, **values: Any) -> DictRow:
        rows = await self._rows(tenant, query, **values)
        if not rows:
            raise NotFound(f"no such {what}", code=f"{what}_not_found")
        return rows[0]

    async def lead(self, tenant: str, lead_id: str) -> Versioned:
        """Return a lead's attributes and version, or raise NotFound."""
        row = await self._one(tenant, "lead", "lead", lead_id=lead_id)
        return Versioned(row["lead_id"], row["attributes"], row["version"])

    async def leads(self, tenant: str, wanted: LeadFilter, after: str | None, limit: int) -> list[Versioned]:
        """Return up to ``limit`` leads by id, those after ``after``."""
        values = {**wanted._asdict(), "pattern": None if wanted.q is None else _containing(wanted.q)}
        rows = await self._rows(tenant, "leads", **values, after=after, limit=limit)
        return [Versioned(row["lead_id"], row["attributes"], row["version"]) for row in rows]

    async def chats(self, tenant: str, lead_id: str) -> list[DictRow]:
        """Return a lead's conversations in the order they were imported, or raise NotFound for the lead."""
        await self.lead(tenant, lead_id)
        return await self._rows(tenant, "chats", lead_id=lead_id)

    async def activities(self, tenant: str, lead_id: str, kind: str, after: int, limit: int) -> list[DictRow]:
        """Return a lead's notes, tasks or messages, oldest first, or raise NotFound for the lead."""
        await self.lead(tenant, lead_id)
        return await self._rows(tenant, "activities", lead_id=lead_id, kind=kind, after=after, limit=limit)

    async def write_counts(self, tenant: str, lead_id: str) -> DictRow:
        """Return the lead's version and how many notes, tasks and messages it has."""
        return await self._one(tenant, "write_counts", "lead", lead_id=lead_id)

    async def signals(self, tenant: str, lead_id: str) -> list[DictRow]:
        """Return a lead's signals in the order they were imported, or raise NotFound for the lead."""
        await self.lead(tenant, lead_id)
        return await self._rows(tenant, "signals", lead_id=lead_id)

    async def stages(self, tenant: str) -> tuple[list[tuple[str | None, int]], list[str] | None]:
        """Return each stage in use with its leads counted, first seen first, and the imported board, if any."""
        counts = await self._rows(tenant, "stages")
        board = await self._rows(tenant, "board")
        return [(row["stage"], row["leads"]) for row in counts], board[0]["stages"] if board else None

    async def demographics(self, tenant: str) -> list[DictRow]:
        """Return ``{trait, value, leads}`` for each source, stage and language."""
        return await self._rows(tenant, "demographics")

    async def documents(
        self, tenant: str, q: str | None, after: tuple[str, str] | None, limit: int, *, with_text: bool
    ) -> list[DictRow]:
        """Return documents that hold any of the words asked for, best first; without words, all of them by id.

        ``after`` is the last document's rank and id.
        """
        rank, last = after or ("0", None)
        return await self._rows(tenant, "documents", q=q, after=last, after_rank=rank, limit=limit, with_text=with_text)

    async def passages(self, tenant: str, q: str, document_ids: Sequence[str] | None, limit: int) -> list[DictRow]:
        """Return the passages that fit the words asked for best, of the named documents if any are named.

        A word counts by how rare it is among all of the tenant's passages, so that ranks of several calls compare.

        Raises:
            NotFound: one of the named documents does not exist.
        """
        named = None if document_ids is None else list(document_ids)
        async with self._as(tenant) as conn:
            if named and await (await conn.execute(self._sql["unknown_documents"], {"document_ids": named})).fetchone():
                raise NotFound("no such document", code="document_not_found")
            asked = {"q": q, "document_ids": named, "limit": limit}
            return await (await conn.execute(self._sql["passages"], asked)).fetchall()

    async def document(self, tenant: str, document_id: str) -> DictRow:
        """Return a document with its text, or raise NotFound."""
        return await self._one(tenant, "document", "document", document_id=document_id)

    async def page(self, tenant: str, page_id: str) -> Versioned:
        """Return a page, or raise NotFound."""
        row = await self._one(tenant, "page", "page", page_id=page_id)
        return Versioned(row["page_id"], row["attributes"], row["version"])

    async def pages(self, tenant: str, after: str | None, limit: int) -> list[Versioned]:
        """Return up to ``limit`` pages by id, those after ``after``."""
        rows = await self._rows(tenant, "pages", after=after, limit=limit)
        return [Versioned(row["page_id"], row["attributes"], row["version"]) for row in rows]

    async def campaign(self, tenant: str, campaign_id: str) -> DictRow:
        """Return ``{campaign_id, columns, version, total}``, or raise NotFound."""
        return await self._one(tenant, "campaign", "campaign", campaign_id=campaign_id)

    async def campaigns(self, tenant: str, after: str | None, limit: int) -> list[DictRow]:
        """Return up to ``limit`` campaigns by id, without their rows."""
        return await self._rows(tenant, "campaigns", after=after, limit=limit)

    async def campaign_rows(self, tenant: str, campaign_id: str, offset: int, limit: int) -> list[dict[str, Any]]:
        """Return a stretch of a campaign's rows."""
        rows = await self._rows(tenant, "campaign_rows", campaign_id=campaign_id, offset=offset, limit=limit)
        return [row["attributes"] for row in rows]

    async def write(self, tenant: str, once: Once | None, effect: Callable[[RootWrites], Awaitable[Answer]]) -> Answer:
        """Carry out the effect and return its answer; a repeat of the same call returns the first answer.

        The key, the effect and the answer commit together. A second call with the key waits for the first on the
        key's row. An effect that raises leaves nothing behind, its key included.

        Raises:
            BadInput: the key was used for another call (code ``idempotency_key_reused``).
        """
        async with self._as(tenant) as conn:
            if once is None:
                return await effect(RootWrites(conn, self._sql))
            claimed = await conn.execute(self._sql["claim_key"], once._asdict())
            if await claimed.fetchone() is None:
                return await self._first_answer(conn, once)
            answer = await effect(RootWrites(conn, self._sql))
            remembered = {"status": answer.status, "headers": Jsonb(answer.headers), "body": answer.body}
            await conn.execute(self._sql["remember"], {"key": once.key, **remembered})
            return answer

    async def _first_answer(self, conn: AsyncConnection[DictRow], once: Once) -> Answer:
        row = await (await conn.execute(self._sql["first_answer"], {"key": once.key})).fetchone()
        if row is None or Once(once.key, row["method"], row["path"], row["request_sha256"]) != once:
            raise BadInput("this Idempotency-Key was used for another call", code="idempotency_key_reused")
        return Answer(row["status"], row["headers"], row["body"])

    async def put(self, tenant: str, kind: Kind, records: Sequence[Record]) -> BatchOutcome:
        """Take a batch of imported records, all or none of them but for those said to be rejected."""
        async with self._as(tenant) as conn:
            return await put_records(conn, self._sql, kind, records)


def _containing(q: str) -> str:
    escaped = q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
