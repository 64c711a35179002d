"""The store on a test stand: real pools, queue, submissions, claims and sessions, without service or graph."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from adapters.postgres.claims import Claims, LeaseTimes
from adapters.postgres.missions import MissionStore
from adapters.postgres.pools import Pool, open_pool
from adapters.postgres.provision import dsns_for
from adapters.postgres.queue import MissionQueue
from adapters.postgres.secrets import read_secrets
from adapters.postgres.sessions import RunSession, Sessions
from adapters.postgres.submissions import Submission
from adapters.postgres.vault import Vault
from contracts.base import InterruptId, ProposalId
from contracts.clock import SystemClock
from contracts.decisions import ApprovalDecision, ApprovalRequest
from contracts.events import EventType, NewEvent
from contracts.evidence import Citation, Target, WritebackProposal, payload_sha256
from contracts.mission import Level, MissionClass, MissionRequest
from contracts.stateflow import Status
from tests.adapters.postgres.backdoor import Backdoor

TIMES = LeaseTimes()
VERSION = "1"
CITATION = Citation(artifact_id="ra_1", quote="350k", start=0, end=4)


@dataclass
class Stand:
    db: Backdoor
    pool: Pool
    queue: MissionQueue
    missions: MissionStore
    clock: SystemClock

    def claims(self, worker_id: str = "one", times: LeaseTimes = TIMES, version: str = VERSION) -> Claims:
        return Claims(self.pool, worker_id, times, self.clock, version)

    def session(
        self,
        mission_id: str,
        worker_id: str = "one",
        tenant_id: str = "demo",
        times: LeaseTimes = TIMES,
        *,
        alone: bool = False,
    ):
        return Sessions(self.pool, self.claims(worker_id, times), self.clock).open(mission_id, tenant_id, alone=alone)

    @asynccontextmanager
    async def claimed(self, mission_id: str, worker_id: str = "one") -> AsyncIterator[RunSession]:
        async with self.session(mission_id, worker_id) as session:
            assert session is not None
            yield session

    async def submit(self, tenant_id: str = "demo", *, key: str | None = None, sha: str = "s") -> str:
        request = MissionRequest(
            mission_type=MissionClass.CRM_LEAD_INTELLIGENCE, user_goal="Look", inputs={"lead_id": "L-1"}
        )
        mission_id = f"msn_{uuid4().hex}"
        submitted = await self.missions.submit(
            Submission(
                mission_id=mission_id,
                tenant_id=tenant_id,
                actor_id="ann",
                request=request,
                request_sha256=sha,
                trace_id="t" * 32,
                graph_version=VERSION,
                token_budget=1_000,
                time_budget_ms=60_000,
                approval_timeout_ms=60_000,
                idempotency_key=key,
            )
        )
        return submitted.mission_id

    def status(self, mission_id: str) -> str:
        return str(self.db.rows("select status from colony_missions where mission_id = %s", mission_id)[0]["status"])

    def let_leases_lapse(self) -> None:
        self.db.run("update colony_leases set lease_until = clock_timestamp() - interval '1 second'")

    async def granted(self, mission_id: str, *proposals: WritebackProposal) -> None:
        """Bring a mission to where a person has approved the proposals."""
        async with self.claimed(mission_id) as session, session.ledger.unit() as unit:
            await unit.ask_person(
                InterruptId("i-1"), ApprovalRequest(proposals=proposals, reasons=("r",)), 60_000, None
            )
            await unit.move(Status.AWAITING_APPROVAL)
            await unit.release_lease()
        async with self.missions.take("demo", mission_id, "ann") as taken:
            await taken.unit.decide(decision(mission_id, proposals))
            await taken.unit.move(Status.RUNNING)


def decision(mission_id: str, proposals: Sequence[WritebackProposal], interrupt_id: str = "i-1") -> ApprovalDecision:
    return ApprovalDecision(
        mission_id=mission_id,
        interrupt_id=interrupt_id,
        actor_id="ann",
        verdict="approved",
        answers=(),
        granted=tuple(proposals),
    )


def proposal(text: str = "350k", lead_id: str = "L-1", operation: str = "note") -> WritebackProposal:
    target = Target(system="root", entity="lead", id=lead_id)
    after = {"text": text}
    return WritebackProposal(
        proposal_id=ProposalId("wp_" + text.replace(" ", "_")),
        target=target,
        operation=operation,
        precondition=None,
        before={},
        after=after,
        rationale="because",
        citations=(CITATION,),
        taint=(),
        risk_level=Level.LOW,
        payload_sha256=payload_sha256(target, operation, None, {}, after),
    )


def event(text: str = "") -> NewEvent:
    return NewEvent(event_type=EventType.TASK_STARTED, payload={"task_key": text})


@asynccontextmanager
async def open_stand(database: str, vault: Vault | None = None) -> AsyncIterator[Stand]:
    dsns, key = dsns_for(database), read_secrets(database).tenants
    async with AsyncExitStack() as stack:
        pool = await open_pool(dsns.app, name="stand", tenants=key, vault=vault, most=16, least=0)
        stack.push_async_callback(pool.close)
        queue = MissionQueue(dsns.queue, VERSION)
        await queue.open()
        stack.push_async_callback(queue.close)
        clock = SystemClock()
        yield Stand(Backdoor(database), pool, queue, MissionStore(pool, queue, clock), clock)
