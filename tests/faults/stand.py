"""The stand: one database, one API process, workers, the root, and the clients that keep the history."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg.rows import dict_row

from tests.faults.history import History
from tests.faults.nursery import Nursery, Process, nursed
from tests.faults.observer import OBSERVE
from tests.faults.root import Root, rooted
from tests.server.tokens import Issuer
from tests.support import CHAT, GOAL, until

TENANTS = ("acme", "umbrella")
TIMES = {"heartbeat_ms": 300, "lease_ms": 1_500, "sweep_ms": 200}
PATIENCE = {"total_s": 1.0, "backoff_s": 0.02, "retry_after_s": 1.0}
_ASKED_AGAIN = 5
ENDED = {"completed", "blocked", "rejected", "cancelled", "expired", "failed"}
AT_REST = ENDED | {"awaiting_approval"}
PATIENCE_S = 90.0
# A budget that suffices for the model calls of a mission on a lead with that much to say, and for none of them again.
_TIGHT_BUDGET, _MUCH_TO_SAY = 6_000, 120
NOTHING: Mapping[str, Any] = {}
Row = dict[str, Any]
# Stamped with the mission's present epoch, as whoever moved a deadline in the product would be.
# Never put off: one that is over already is what the mission expired by.
_OVERDUE = """
with stamped as (
  select mission_id, set_config('colony.epoch', epoch::text, true) from colony_missions where mission_id = %s
)
update colony_approvals a set expires_at = least(expires_at, clock_timestamp())
from stamped s where a.mission_id = s.mission_id
"""


def _edited(proposal: Row) -> Row:
    """Return what a person would write instead."""
    return {k: "qualified" if k == "stage" else f"{v} (looked through)" for k, v in proposal["after"].items()}


@dataclass
class Stand:
    """What a fault is run against. Whatever is done through it is in the history."""

    folder: Path
    dsn: str
    nursery: Nursery
    root: Root
    history: History
    issuer: Issuer
    port: int
    api: Process | None = None
    workers: list[Process] = field(default_factory=list)
    home: Path | None = None
    without: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    _client: httpx.AsyncClient | None = None
    _tokens: dict[str, dict[str, str]] = field(default_factory=dict)
    _admin: psycopg.AsyncConnection[Row] | None = None
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _leads: int = 0
    _closed: bool = False

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def note(self) -> Path:
        """Where processes note the points at which they were killed or stopped."""
        return self.folder / "points.jsonl"

    @property
    def client(self) -> httpx.AsyncClient:
        """One client for all people; none of its connections outlives a call, as the API may be killed at any time."""
        if self._client is None:
            limits = httpx.Limits(max_connections=400, max_keepalive_connections=0)
            self._client = httpx.AsyncClient(base_url=self.base, timeout=20, limits=limits, trust_env=False)
        return self._client

    def token(self, tenant: str = TENANTS[0], subject: str = "ada") -> dict[str, str]:
        """Return the header of one person of a tenant."""
        name = f"{tenant}/{subject}"
        if name not in self._tokens:
            self._tokens[name] = self.issuer.bearer(tenant=tenant, sub=subject, exp=4_000_000_000)
        return self._tokens[name]

    def settings(self) -> dict[str, Any]:
        """Return what every process of the stand is set to."""
        trusted = {k: v for k, v in self.issuer.settings(self.folder).items() if k.startswith("JWT_")}
        return {
            "DATABASE_URL": self.dsn,
            "COLONY_HOME": str(self.folder),
            "COLONY_DEPLOYMENT_MODE": "developer-light",
            "ROOT_API_BASE_URL": self.root.base,
            "PORT": self.port,
            "LOG_LEVEL": "info",
            "MAX_CONCURRENT_MISSIONS": 3,
            **trusted,
            **self.environment,
        }

    async def serve(self) -> Process:
        """Start the API and wait until it is ready."""
        order = {"role": "serve", "settings": self.settings(), "without": self.without}
        self.api = await self.nursery.spawn("serve", self.folder / "serve.log", order)

        async def ready() -> bool:
            assert self.api is not None
            assert not self.api.ended.is_set(), self.api.output()
            try:
                return (await self.client.get("/api/colony/health/ready", timeout=5)).status_code == 200
            except httpx.TransportError:
                return False

        await until(ready, "the API to be ready")
        return self.api

    async def worker(
        self,
        *,
        without: Sequence[str] = (),
        times: Mapping[str, int] = TIMES,
        more: Mapping[str, Any] = NOTHING,
        **order: Any,
    ) -> Process:
        """Start a worker; ``kill`` and ``stop`` name the point at which that happens to it, ``more`` are settings."""
        name = f"worker-{len(self.workers) + 1}"
        full = {
            "role": "worker",
            "settings": {**self.settings(), **more},
            "note": str(self.note),
            "times": dict(times),
            "patience": PATIENCE,
            "without": [*self.without, *without],
            **order,
        }
        process = await self.nursery.spawn(name, self.folder / f"{name}.log", full)
        self.workers.append(process)
        return process

    def new_lead(self, tenant: str, filler: int = 0) -> str:
        """Put a lead of its own into the root for a mission, with as many more messages as are asked for."""
        self._leads += 1
        lead_id = f"L-{self._leads}"
        more = [("lead", f"And one more thing, number {n}: is there a shop nearby?") for n in range(filler)]
        chat = [{"author": author, "text": text} for author, text in [*CHAT, *more]]
        self.root.seed(tenant, lead_id, chat, name="Ada Marsh", stage="contacted")
        return lead_id

    async def rows(self, statement: str, *params: Any) -> list[Row]:
        """Ask Postgres as its administrator, whom row-level security does not bind."""
        async with self._asking:
            if self._closed:
                raise RuntimeError("the stand is closed")
            if self._admin is None or self._admin.closed:
                connect = psycopg.AsyncConnection[Row].connect
                self._admin = await connect(self.dsn, autocommit=True, row_factory=dict_row)
            return list(await (await self._admin.execute(statement, params or None)).fetchall())

    async def run(self, *statements: str) -> None:
        """Do something to the database as its administrator."""
        conn = await psycopg.AsyncConnection.connect(self.dsn, autocommit=True)
        async with conn:
            for statement in statements:
                await conn.execute(statement)

    async def submit(
        self, tenant: str = TENANTS[0], *, key: str | None = None, tight: bool = False, **body: Any
    ) -> str | None:
        """Submit a mission on a lead of its own; None when nobody knows whether it was accepted, or it was not.

        A ``tight`` one has just the tokens that it needs.
        """
        inputs = body.pop("inputs", None) or {"lead_id": self.new_lead(tenant, filler=_MUCH_TO_SAY if tight else 0)}
        body |= {"token_budget": _TIGHT_BUDGET} if tight else {}
        asked = {"mission_type": "crm_lead_intelligence", "user_goal": GOAL, "inputs": inputs, **body}
        headers = {"Idempotency-Key": key} if key else {}
        known = {"key": key, **{k: asked[k] for k in ("token_budget",) if k in asked}}
        answer = await self.call("submit", tenant, "POST", "/missions", asked, headers=headers, **known)
        return str(answer["mission_id"]) if answer else None

    async def accepted(self, tenant: str = TENANTS[0], **body: Any) -> str:
        """Submit a mission as somebody does who wants it: again under its key, until it is known to be accepted."""
        body["inputs"] = body.get("inputs") or {"lead_id": self.new_lead(tenant)}
        key = f"accepted-{uuid4().hex}"

        async def told() -> str | None:
            return await self.submit(tenant, key=key, **body)

        return str(await until(told, "a mission to be accepted"))

    async def call(
        self,
        op: str,
        tenant: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        subject: str = "ada",
        **known: Any,
    ) -> Row | None:
        """Make one call of the API; the history says how it ended. Returns the answer of one that was accepted."""
        with self.history.attempt(op, tenant_id=tenant, subject=subject, **known) as attempt:
            try:
                answer = await self.client.request(
                    method, f"/api/colony{path}", json=body, headers={**self.token(tenant, subject), **(headers or {})}
                )
            except httpx.TransportError as exc:
                attempt.ended("unknown", error=type(exc).__name__)
                return None
            if answer.status_code >= 500:
                attempt.ended("unknown", status=answer.status_code)
                return None
            if answer.status_code >= 400:
                attempt.ended("fail", status=answer.status_code, code=answer.json().get("code"))
                return None
            said = dict(answer.json())
            attempt.ended("ok", status=answer.status_code, **{k: said[k] for k in ("mission_id",) if k in said})
            return said

    async def listed(self, tenant: str) -> None:
        """Note which missions a tenant is shown."""
        with self.history.attempt("list", tenant_id=tenant) as attempt:
            headers = self.token(tenant)
            answer = await self.client.get("/api/colony/missions", params={"limit": 200}, headers=headers)
            attempt.ended("ok", missions=[item["mission_id"] for item in answer.json()["items"]])

    async def pending(self, tenant: str, mission_id: str) -> Row | None:
        """Return what a mission waits for, as its person sees it."""
        try:
            answer = await self.client.get(f"/api/colony/missions/{mission_id}", headers=self.token(tenant))
        except httpx.TransportError:
            return None
        found = answer.json().get("pending_approval") if answer.status_code == 200 else None
        return dict(found) if found else None

    async def answer(self, tenant: str, mission_id: str, verdict: str = "approve", **known: Any) -> Row | None:
        """Answer every proposal of a mission alike, bound to the hashes that were shown."""
        shown = known.pop("shown", None) or await self.pending(tenant, mission_id)
        if shown is None:
            return None
        named = [{k: p[k] for k in ("proposal_id", "payload_sha256")} for p in shown["proposals"]]
        edits = {p["proposal_id"]: _edited(p) for p in shown["proposals"]} if verdict == "edit" else {}
        decisions = [{**n, "verdict": verdict, "after": edits.get(n["proposal_id"])} for n in named]
        body = {"interrupt_id": shown["interrupt_id"], "decisions": decisions}
        hashes = sorted(p["payload_sha256"] for p in shown["proposals"])
        known |= {"interrupt_id": shown["interrupt_id"], "verdict": verdict, "hashes": hashes, "edits": edits}
        path = f"/missions/{mission_id}/approve"
        return await self.call("answer", tenant, "POST", path, body, mission_id=mission_id, **known)

    async def overdue(self, tenant: str, mission_id: str) -> None:
        """Let a question's deadline be now, whether or not somebody has answered it."""
        with self.history.attempt("overdue", tenant_id=tenant, mission_id=mission_id) as attempt:
            async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as conn:
                for _ in range(_ASKED_AGAIN):
                    try:
                        moved = await conn.execute(_OVERDUE, (mission_id,))
                    except psycopg.DatabaseError as exc:  # its epoch has just moved on
                        attempt.ended("fail", error=str(exc).splitlines()[0])
                    else:
                        attempt.ended("ok" if moved.rowcount else "fail")
                        return

    async def sabotaged(self, *statements: str) -> None:
        """Begin to observe the writes, then take mechanisms of the database away."""
        await self.run(OBSERVE, *statements)

    async def close(self) -> None:
        """Kill whatever still runs."""
        for process in [*self.workers, *([self.api] if self.api else [])]:
            if not process.ended.is_set():
                await process.kill()
        if self._client is not None:
            await self._client.aclose()
        async with self._asking:
            self._closed = True
            if self._admin is not None:
                await self._admin.close()
        self.history.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@asynccontextmanager
async def standing(
    folder: Path,
    dsn: str,
    nursery: Nursery | None = None,
    *,
    home: Path | None = None,
    without: Sequence[str] = (),
    **environment: Any,
) -> AsyncIterator[Stand]:
    """Open a stand without a process; whatever is started on it ends with the block."""
    async with AsyncExitStack() as stack:
        nursery = nursery or await stack.enter_async_context(nursed())
        root = await stack.enter_async_context(rooted())
        history = History(folder / "history.jsonl")
        stand = Stand(folder, dsn, nursery, root, history, Issuer(), free_port())
        stand.home, stand.without, stand.environment = home, tuple(without), environment
        stack.push_async_callback(stand.close)
        yield stand
