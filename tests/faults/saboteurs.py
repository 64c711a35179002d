"""The saboteurs: a short run that brings about what each mechanism is for, to be done with it and without it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.acceptance.root_proxy import Call
from tests.faults import sabotage
from tests.faults.cases import FAULTS, Run
from tests.faults.cases.answers import answers
from tests.faults.cases.broker import BEFORE, broker
from tests.faults.cases.crowd import supervised
from tests.faults.history import read_lines
from tests.faults.people import driven
from tests.faults.root import Mood
from tests.faults.stand import TENANTS, Stand
from tests.support import until

_TIGHT = 15_000


@dataclass(frozen=True)
class Saboteur:
    """A mechanism, the run that needs it, and the rules that are broken without it.

    ``besides`` are mechanisms that would keep the promise as well, and are gone in the run with it, too.
    """

    rules: frozenset[str]
    run: Run
    without: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    database: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)

    def with_it(self) -> dict[str, Any]:
        """Return what `exercise` takes for the run with the mechanism."""
        return {"run": self.run, "without": self.besides, **self.environment}

    def without_it(self) -> dict[str, Any]:
        """Return what `exercise` takes for the run without it."""
        gone = {"without": (*self.without, *self.besides), "sabotage": self.database}
        return {**self.with_it(), **gone}


async def _missions(stand: Stand, count: int, **body: Any) -> dict[str, str]:
    made: dict[str, str] = {}
    for n in range(count):
        if mission_id := await stand.submit(TENANTS[n % 2], **body):
            made[mission_id] = TENANTS[n % 2]
    return made


async def lost_answers(stand: Stand, count: int, _seed: int) -> dict[str, Any]:
    """The root's first answer to every write is an error, and the write is done when the next one comes."""
    seen: set[tuple[str, bytes]] = set()

    def mood(call: Call) -> Mood:
        if not call.writes or (call.path, call.body) in seen:
            return Mood.WELL
        seen.add((call.path, call.body))
        return Mood.LATE

    stand.root.mood = mood
    await stand.serve()
    await stand.worker()
    await driven(stand, await _missions(stand, count))
    return {"lost": len(seen)}


async def approved(stand: Stand, count: int, _seed: int) -> dict[str, Any]:
    """Missions run, and their people approve."""
    await stand.serve()
    await stand.worker()
    await driven(stand, await _missions(stand, count))
    return {"missions": count}


async def unasked(stand: Stand, count: int, _seed: int) -> dict[str, Any]:
    """Missions run, and nobody answers anything."""
    await stand.serve()
    await stand.worker()
    await driven(stand, await _missions(stand, count), verdict=None)
    return {"missions": count}


async def other_payloads(stand: Stand, count: int, _seed: int) -> dict[str, Any]:
    """People approve something else than what is pending."""
    await stand.serve()
    await stand.worker()
    missions = await _missions(stand, count)
    await driven(stand, missions, verdict=None)
    for mission_id, tenant in missions.items():
        shown = await stand.pending(tenant, mission_id)
        assert shown is not None
        other = [{**p, "payload_sha256": "0" * 64} for p in shown["proposals"]]
        await stand.answer(tenant, mission_id, shown={**shown, "proposals": other})
    await driven(stand, missions, verdict=None)
    return {"answers": count}


async def two_jobs(stand: Stand, count: int, _seed: int) -> dict[str, Any]:
    """The queue hands every mission out more than once, while it is being run."""
    await stand.serve()
    for _ in range(2):
        await stand.worker()
    missions = await _missions(stand, count)
    for _ in range(3):
        for mission_id, tenant in missions.items():
            await stand.run(
                "set search_path = queue",
                "insert into procrastinate_jobs (queue_name, task_name, args) values "
                f"""('missions', 'colony.run', '{{"mission_id": "{mission_id}", "tenant_id": "{tenant}"}}')""",
            )
        await asyncio.sleep(0.1)
    await driven(stand, missions)
    return {"jobs": 4 * count}


async def tight_budgets(stand: Stand, count: int, _seed: int) -> dict[str, Any]:
    """Missions whose tokens suffice for either of their calls, and not for both."""
    await stand.serve()
    await stand.worker()
    missions = {}
    for _ in range(count):
        inputs = {"lead_id": stand.new_lead(TENANTS[0], filler=600)}
        if mission_id := await stand.submit(inputs=inputs, token_budget=_TIGHT):
            missions[mission_id] = TENANTS[0]
    await driven(stand, missions, verdict=None)
    return {"missions": count}


async def orphans(
    stand: Stand,
    count: int,
    _seed: int,
    *,
    kill: str = "commit[librarian:1].after",
    patience_s: float = 30,
    **body: Any,
) -> dict[str, Any]:
    """A worker dies with a mission, and another is there."""
    await stand.serve()
    missions = await _missions(stand, count, **body)
    worker = await stand.worker(kill=kill)
    # A worker too slow to keep its lease leaves its mission as well, and is not killed any more.
    with suppress(TimeoutError):
        await asyncio.wait_for(worker.ended.wait(), 15)
    await stand.worker()
    await driven(stand, missions, verdict=None, patience_s=patience_s)
    return {"missions": count}


async def answered_late(stand: Stand, count: int, _seed: int) -> dict[str, Any]:
    """The deadline passes when the answer is there and its worker, which sleeps, has not begun to write."""
    await stand.serve()
    worker = await stand.worker(stop="commit[release_gate:1].after")
    missions = await _missions(stand, count)
    await driven(stand, missions, verdict=None)
    for mission_id, tenant in missions.items():
        await stand.answer(tenant, mission_id)

    async def asleep() -> bool:
        return any(line["what"] == "stopped" for line in read_lines(stand.note))

    await until(asleep, "the worker to stop", 30)
    for mission_id, tenant in missions.items():
        await stand.overdue(tenant, mission_id)
    await stand.worker()
    await driven(stand, missions, verdict=None)
    await worker.kill()
    return {"answers": count}


async def two_tenants(stand: Stand, count: int, _seed: int) -> dict[str, Any]:
    """Two tenants submit, and each looks at its list."""
    await stand.serve()
    for mission_id, tenant in (await _missions(stand, 2 * count)).items():
        path = f"/missions/{mission_id}/cancel"
        await stand.call("cancel", tenant, "POST", path, {"reason": "counted"}, mission_id=mission_id)
    for tenant in TENANTS:
        await stand.listed(tenant)
    return {"missions": 2 * count}


async def lost_relay(stand: Stand, count: int, seed: int) -> dict[str, Any]:
    """A relay dies when it has taken events and not published them."""
    return await broker(stand, count, seed, kill=BEFORE)


async def poison(stand: Stand, count: int, _seed: int) -> dict[str, Any]:
    """One mission kills every worker that reads its lead."""
    await stand.serve()
    lead = stand.new_lead(TENANTS[0])
    async with supervised(stand, workers=1, poison=lead) as supervisor:
        mission_id = await stand.submit(inputs={"lead_id": lead})
        assert mission_id is not None
        stand.history.note("poison", "fault", mission_id=mission_id)
        await driven(stand, {mission_id: TENANTS[0]}, verdict=None, patience_s=15)
    return {"poison": count, "workers killed": supervisor.restarted}


SABOTEURS: Mapping[str, Saboteur] = {
    "fence trigger": Saboteur(
        frozenset({"I4"}), FAULTS["pauses"].run, besides=("own-end",), database=(sabotage.FENCE_DROPPED,)
    ),
    "lease": Saboteur(frozenset({"H"}), two_jobs, without=("lease",)),
    "a row's seq": Saboteur(
        frozenset({"I3"}),
        partial(orphans, kill="commit[librarian:1].before"),
        without=("seq-of-the-row",),
        database=sabotage.SEQ_APART,
    ),
    "patience with deaths": Saboteur(frozenset({"L"}), orphans, without=("patience",)),
    "all that is granted": Saboteur(frozenset({"L"}), approved, without=("grants",)),
    "outcome": Saboteur(frozenset({"L"}), approved, without=("outcome",)),
    "stored results": Saboteur(
        frozenset({"T"}), partial(orphans, kill="commit[result:extract_facts].after"), without=("results",)
    ),
    "memo of a step": Saboteur(frozenset({"T"}), orphans, without=("memo",)),
    "sweeper": Saboteur(frozenset({"I1"}), partial(orphans, patience_s=10), without=("sweeper",)),
    "idempotency key": Saboteur(frozenset({"I2"}), lost_answers, without=("idempotency-key",)),
    "grant": Saboteur(frozenset({"I7"}), unasked, without=("gate",), database=(sabotage.GRANT_NOT_NEEDED,)),
    "approval's hash": Saboteur(frozenset({"I7"}), other_payloads, without=("approval-hash",)),
    "look before expiry": Saboteur(
        frozenset({"A"}),
        answered_late,
        without=("look-before-expiry",),
        database=sabotage.ANSWERED_IS_OVERDUE,
    ),
    "one answer": Saboteur(frozenset({"A"}), partial(answers, verdicts=("approve", "reject")), without=("one-answer",)),
    "submission's key": Saboteur(frozenset({"S"}), FAULTS["submissions"].run, without=("submission-key",)),
    "Last-Event-ID": Saboteur(frozenset({"E"}), FAULTS["streams"].run, without=("last-event-id",)),
    "reservation": Saboteur(
        frozenset({"I5"}), tight_budgets, without=("reservation",), environment={"MAX_WORKERS_PER_MISSION": 1}
    ),
    "kept reservation": Saboteur(
        frozenset({"I5"}),
        partial(orphans, kill="model[FactSheet].after", tight=True),
        without=("kept-reservation",),
    ),
    "mark after publishing": Saboteur(frozenset({"R"}), lost_relay, without=("mark-after-publishing",)),
    "quarantine": Saboteur(frozenset({"I1", "Q"}), poison, without=("quarantine",)),
    "row-level security": Saboteur(frozenset({"I6"}), two_tenants, database=sabotage.ROW_SECURITY_OFF),
}
