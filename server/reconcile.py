"""After a restore: hold every write that may have happened against the root, and only then let missions go on.

What the root shows as done is never sent again. A granted or begun write gets its outcome; a question that is still
open, but whose writes are done or can't be seen, ends its mission, for a person to look at.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from adapters.postgres.maintenance.hold import OpenWriteback, let_go, open_writebacks, unresolved_writebacks
from adapters.postgres.maintenance.restore import complete
from adapters.postgres.missions import Takeover
from adapters.root.client import RootClient
from adapters.root.readback import shown
from contracts.base import ActorId, TenantId
from contracts.effects import effect_event, intended_event, key_of
from contracts.ports import EffectOutcome, Shown
from contracts.stateflow import ENDED
from server.missions import MissionService
from server.principal import Principal

ACTOR = ActorId("colony:restore")


@dataclass(frozen=True)
class Finding:
    """One write, what the root shows of it and what was done about it."""

    mission_id: str
    proposal_id: str
    operation: str
    target: str
    state: str
    shown: str
    action: str


async def reconcile(dsn: str, root: RootClient, service: MissionService) -> list[Finding] | None:
    """Reconcile and end the hold; None when there is no hold. It can be run again after any failure.

    Raises:
        RootUnavailable: the root does not answer; the hold stays.
        StoreUnavailable: Postgres does not answer; the hold stays.
    """
    await asyncio.to_thread(complete, dsn)
    found = await asyncio.to_thread(open_writebacks, dsn, service.store.vault)
    if found is None:
        return None
    by_mission: dict[tuple[str, str], list[tuple[OpenWriteback, Shown]]] = defaultdict(list)
    for one in found:
        seen = await shown(root, one.tenant_id, one.proposal)
        by_mission[one.tenant_id, one.mission_id].append((one, seen.shown))
    findings = [f for (tenant, _), looked in by_mission.items() for f in await _settle(service, tenant, looked)]
    await asyncio.to_thread(let_go, dsn, {"findings": [asdict(f) for f in findings]})
    return findings


async def _settle(
    service: MissionService, tenant_id: str, looked: Sequence[tuple[OpenWriteback, Shown]]
) -> list[Finding]:
    mission_id = looked[0][0].mission_id
    pending = [(one, seen) for one, seen in looked if one.state == "pending"]
    ends = any(_may_have_happened(one, seen) for one, seen in pending)
    granted = [(one, seen) for one, seen in looked if one.state != "pending" and _may_have_happened(one, seen)]
    if granted:
        async with service.store.take(tenant_id, mission_id, ACTOR) as taken:
            for one, seen in granted:
                await _record(taken, one, "applied" if seen is Shown.DONE else "unknown")
            await service.store.end_again(taken)
    if ends:
        await _end(service, tenant_id, mission_id, pending)
    return [_finding(one, seen, ends=ends) for one, seen in looked]


def _may_have_happened(one: OpenWriteback, seen: Shown) -> bool:
    """Whether sending it could be a second time; a patch that nobody can see is refused by its precondition."""
    return seen is Shown.DONE or (seen is Shown.UNKNOWN and one.proposal.operation != "patch")


async def resolve(dsn: str, root: RootClient, service: MissionService) -> list[Finding]:
    """Read back what missions that have ended don't know the outcome of; it can be run as often as one likes.

    Raises:
        RootUnavailable: the root does not answer.
        StoreUnavailable: Postgres does not answer.
    """
    findings = []
    for one in await asyncio.to_thread(unresolved_writebacks, dsn, service.store.vault):
        seen = (await shown(root, one.tenant_id, one.proposal)).shown
        async with service.store.take(one.tenant_id, one.mission_id, ACTOR) as taken:
            if taken.mission.status in ENDED and await _record(taken, one, _found(one, seen)):
                await service.store.end_again(taken)
        findings.append(_resolved(one, seen))
    return findings


def _found(one: OpenWriteback, seen: Shown) -> str:
    if seen is Shown.DONE:
        return "applied"
    return "failed" if seen is Shown.UNDONE and one.over else "unknown"


_CODES = {"applied": "reconciled", "failed": "not_written", "unknown": "reconciled"}


async def _record(taken: Takeover, one: OpenWriteback, status: str) -> bool:
    """Give a write that has none its outcome, so that nothing sends it; returns whether that is news."""
    detail: dict[str, Any] = {"code": _CODES[status], "reason": "read back from the root"}
    key = key_of(one.mission_id, one.proposal)
    known = await taken.unit.intend(one.proposal, key)
    if known is None:
        taken.unit.record(intended_event(one.proposal, key))
    elif known.status == status or known.status not in {"intended", "unknown"}:
        return False
    outcome = EffectOutcome(status, detail)
    await taken.unit.settle(one.proposal, outcome)
    taken.unit.record(effect_event(one.proposal, outcome))
    return True


async def _end(
    service: MissionService, tenant_id: str, mission_id: str, pending: Sequence[tuple[OpenWriteback, Shown]]
) -> None:
    seen = ", ".join(f"{one.proposal.operation} on {one.proposal.target.id}: {what.value}" for one, what in pending)
    who = Principal(TenantId(tenant_id), ACTOR, frozenset({"mission:operate"}))
    await service.fail(who, mission_id, f"restored from a backup, and the root already shows its writes ({seen})")


def _finding(one: OpenWriteback, seen: Shown, *, ends: bool) -> Finding:
    if one.state == "pending":
        action = "mission ended" if ends else "asked again"
    else:
        action = "outcome recorded" if _may_have_happened(one, seen) else "goes on"
    return _named(one, seen, action)


def _resolved(one: OpenWriteback, seen: Shown) -> Finding:
    if _found(one, seen) != "unknown":
        return _named(one, seen, "outcome recorded")
    undone = "not written: `colony missions retry` sends it; if the mission can't be retried, ask again in a minute"
    return _named(one, seen, undone if seen is Shown.UNDONE else "for a person to look at in the root")


def _named(one: OpenWriteback, seen: Shown, action: str) -> Finding:
    p = one.proposal
    target = f"{p.target.system}/{p.target.entity}/{p.target.id}"
    return Finding(one.mission_id, p.proposal_id, p.operation, target, one.state, seen.value, action)
