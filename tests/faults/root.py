"""A root of its own that misbehaves on command and counts its effects itself: the CRM's REST over leads in memory.

It keeps the rules that Colony relies on (a key repeated gets the first answer, a stale ETag gets 412) and breaks the
way to them: answers that fail, never come, come after the effect, before it, twice, or that refuse what was done
before. What was really done is in ``effects``.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.acceptance.root_proxy import Call, read_call

STAGES = ["new", "contacted", "qualified", "viewing", "offer", "won", "lost"]
_PLURAL = {"notes": "note", "tasks": "task", "messages": "message"}
_HANG_S = 30.0


class Mood(StrEnum):
    """How one call is answered."""

    WELL = "well"
    ERROR = "500"
    HANG = "hang"
    COMMIT_THEN_ERROR = "commit-then-500"
    COMMIT_THEN_HANG = "commit-then-timeout"
    DROP = "dropped"
    BUSY = "429"
    TWICE = "duplicate"
    COMMIT_THEN_REFUSE = "commit-then-500-then-4xx"
    LATE_THEN_REFUSE = "late-commit-then-4xx"
    LATE = "late-commit"


MISBEHAVING = [mood for mood in Mood if mood is not Mood.WELL]
_COMMITS = {Mood.WELL, Mood.COMMIT_THEN_ERROR, Mood.COMMIT_THEN_HANG, Mood.TWICE, Mood.COMMIT_THEN_REFUSE}
_FAILS = {Mood.ERROR, Mood.COMMIT_THEN_ERROR, Mood.COMMIT_THEN_REFUSE, Mood.LATE, Mood.LATE_THEN_REFUSE}
_REFUSALS = (403, 409, 429, 401, 412)


@dataclass(frozen=True)
class Reply:
    """An answer before it is written to the wire."""

    status: int
    data: dict[str, Any]
    etag: str | None = None


@dataclass
class _Lead:
    data: dict[str, Any]
    chat: list[dict[str, str]]
    version: int = 1
    made: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def _well(_call: Call) -> Mood:
    return Mood.WELL


@dataclass
class Root:
    """The leads of every tenant, and what was done to them."""

    base: str = ""
    mood: Callable[[Call], Mood] = _well
    effects: list[dict[str, Any]] = field(default_factory=list)
    moods: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    _leads: dict[tuple[str, str], _Lead] = field(default_factory=dict)
    _answered: dict[tuple[str, str], Reply] = field(default_factory=dict)
    _refused: dict[str, int] = field(default_factory=dict)
    _late: list[Call] = field(default_factory=list)

    def seed(self, tenant: str, lead_id: str, chat: list[dict[str, str]], **data: Any) -> None:
        """Put a lead with one conversation."""
        self._leads[tenant, lead_id] = _Lead({"lead_id": lead_id, **data}, chat)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one call on a connection."""
        try:
            call = await read_call(reader)
            self.calls += 1
            mood = self.mood(call)
            if mood is not Mood.WELL:
                self.moods[mood.value] += 1
            reply = self._handled(call, mood)
            if mood in {Mood.HANG, Mood.COMMIT_THEN_HANG}:
                await asyncio.wait_for(reader.read(), _HANG_S)
            elif mood is not Mood.DROP:
                writer.write(_wire(reply))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass  # the caller has gone
        finally:
            writer.close()

    def _handled(self, call: Call, mood: Mood) -> Reply:
        """Answer as the mood has it; what is late is done when the next write comes, which overtook it."""
        key = call.headers.get("idempotency-key", "")
        if call.writes:
            while self._late:
                self._answer(self._late.pop())
            if key in self._refused:
                return Reply(self._refused[key], {"code": "refused"})
            if mood in {Mood.COMMIT_THEN_REFUSE, Mood.LATE_THEN_REFUSE}:
                self._refused[key] = _REFUSALS[len(self._refused) % len(_REFUSALS)]
            if mood in {Mood.LATE, Mood.LATE_THEN_REFUSE}:
                self._late.append(call)
        reply = Reply(503, {"code": "not_now"})
        for _ in range(2 if mood is Mood.TWICE else int(mood in _COMMITS)):
            reply = self._answer(call)
        if mood in _FAILS:
            return Reply(500, {"code": "broken"})
        return Reply(429, {"code": "busy"}) if mood is Mood.BUSY else reply

    def _answer(self, call: Call) -> Reply:
        tenant = call.headers.get("x-colony-tenant", "")
        if not call.writes:
            return self._read(tenant, call.path)
        key = call.headers.get("idempotency-key")
        if key is not None and (tenant, key) in self._answered:
            return self._answered[tenant, key]
        reply = self._write(tenant, call)
        if key is not None:
            self._answered[tenant, key] = reply
        return reply

    def _read(self, tenant: str, path: str) -> Reply:
        parts = path.partition("?")[0].strip("/").split("/")
        if parts == ["api", "crm", "kanban"]:
            return Reply(200, {"stages": [{"stage": s, "leads": 1} for s in STAGES], "order": STAGES}, '"board"')
        lead = self._leads.get((tenant, parts[3])) if parts[:3] == ["api", "crm", "leads"] and len(parts) > 3 else None
        if lead is None:
            return Reply(404, {"code": "not_found"})
        if len(parts) == 4:
            return Reply(200, lead.data, f'"{lead.version}"')
        if parts[4] == "chat":
            talk = {"conversation_id": f"C-{parts[3]}", "channel": "whatsapp", "messages": lead.chat}
            return Reply(200, {"items": [talk], "next_cursor": None})
        return Reply(200, {"items": lead.made.get(parts[4], []), "next_cursor": None})

    def _write(self, tenant: str, call: Call) -> Reply:
        parts = call.path.strip("/").split("/")
        lead = self._leads.get((tenant, parts[3])) if len(parts) > 3 else None
        if lead is None:
            return Reply(404, {"code": "not_found"})
        wanted = call.headers.get("if-match")
        if wanted not in {None, f'"{lead.version}"'}:
            return Reply(412, {"code": "stale"})
        body = json.loads(call.body)
        operation = "patch" if call.method == "PATCH" else _PLURAL[parts[4]]
        self.effects.append(
            {
                "n": len(self.effects) + 1,
                "tenant_id": tenant,
                "lead_id": parts[3],
                "operation": operation,
                "body": body,
                "idempotency_key": call.headers.get("idempotency-key"),
            }
        )
        if operation == "patch":
            lead.version += 1
            lead.data |= body
            return Reply(200, lead.data, f'"{lead.version}"')
        made = {**body, f"{operation}_id": f"{operation}-{len(self.effects)}"}
        lead.made.setdefault(parts[4], []).append(made)
        return Reply(201, made, f'"{len(self.effects)}"')


def _wire(reply: Reply) -> bytes:
    body = json.dumps(reply.data).encode()
    head = [f"HTTP/1.1 {reply.status} x", "content-type: application/json", f"content-length: {len(body)}"]
    head += [f"etag: {reply.etag}"] if reply.etag else []
    head += ["retry-after: 0"] if reply.status == 429 else []
    return "\r\n".join([*head, "connection: close", "", ""]).encode() + body


@asynccontextmanager
async def rooted() -> AsyncIterator[Root]:
    """Serve a root for the block."""
    root = Root()
    server = await asyncio.start_server(root.serve, "127.0.0.1", 0, backlog=512)
    root.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield root
    finally:
        server.close()
