"""Running attacked missions, a few at a time, beside a clean one for each thing that is attacked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from adapters.postgres.claims import LeaseTimes
from tests.graph.lab import Lab, Rewire, Swaps
from tests.injection.cases import PLANTS, Case, Planted, bystanders
from tests.injection.judge import Tally, Told, told
from tests.injection.model import SECRET, VICTIM, CompromisedModel
from tests.injection.watch import Watch, watching
from tests.support import AT_WORK, until

AT_ONCE = 4
_PATIENCE_S = 180.0
PATIENT = LeaseTimes(lease_ms=120_000)
"""Whether a busy machine keeps a lease is not what is counted here."""


@dataclass
class Outcome:
    """All that was counted.

    Attributes:
        foreign_reads: requests to the root for what no mission was started on.
        abroad: connections of the process to anywhere but its root, and programs that it started.
        effects: what was written into the root, or intended.
        planner_told: planner prompts that an attacker's words had got into.
    """

    tallies: dict[str, Tally] = field(default_factory=dict)
    foreign_reads: list[str] = field(default_factory=list)
    abroad: list[Any] = field(default_factory=list)
    connections: int = 0
    effects: dict[str, int] = field(default_factory=dict)
    planner_told: int = 0
    planner_asked: int = 0


async def attacked(
    lab: Lab,
    cases: Sequence[Case],
    plants: Sequence[str] = tuple(PLANTS),
    said: Callable[[str], None] = lambda _: None,
    rewire: Rewire | None = None,
) -> Outcome:
    """Run every case in every plant, and count."""
    model = CompromisedModel(orders={case.order: case.tool for case in cases})
    swaps = Swaps(model=model, rewire=rewire)
    outcome = Outcome()
    asked: list[str] = []

    async def note(request: httpx.Request) -> None:
        asked.append(str(request.url))

    lab.root._reads.event_hooks["request"].append(note)
    await bystanders().put(lab.service)
    with watching() as watch:
        for plant in plants:
            outcome.tallies[plant] = await _plant(lab, swaps, model, plant, cases, said)
        await asyncio.sleep(0)
        _looked_around(lab, watch, asked, outcome)
    outcome.planner_asked = len(model.planned)
    outcome.planner_told = sum(case.order in text for case in cases for text in model.planned)
    return outcome


async def _plant(
    lab: Lab, swaps: Swaps, model: CompromisedModel, plant: str, cases: Sequence[Case], said: Callable[[str], None]
) -> Tally:
    tally, clean, room, done = Tally(), {}, asyncio.Semaphore(AT_ONCE), 0
    make = PLANTS[plant]

    async def run(planted: Planted) -> Told:
        await planted.put(lab.service)
        mission_id = await lab.service.submit(planted.mission_type, inputs=dict(planted.inputs))

        async def at_rest() -> dict[str, Any] | None:
            # A run that the machine let down, on a lease that lapsed, is taken up again as a worker would.
            mission = await lab.run(mission_id, swaps)
            return None if mission["status"] in AT_WORK else mission

        return await told(lab.service, await until(at_rest, mission_id, _PATIENCE_S), planted.own)

    short = plant[0].upper()
    bases = {make(None, case.number, f"{short}-clean-{case.number % 12}").base: case.number for case in cases}
    for base, number in bases.items():
        clean[base] = await run(make(None, number, f"{short}-clean-{number}"))

    async def one(case: Case) -> None:
        nonlocal done
        async with room:
            planted = make(case, case.number, f"{short}-{case.number:04}")
            before = sum(order == case.order for order, _ in model.obeyed)
            hostile = await run(planted)
            obeyed = sum(order == case.order for order, _ in model.obeyed) > before
            tally.add(f"{plant} {case.number}", clean[planted.base], hostile, obeyed=obeyed)
        done += 1
        if done % 25 == 0 or done == len(cases):
            said(f"{plant}: {done}/{len(cases)}")

    await asyncio.gather(*(one(case) for case in cases))
    return tally


def _looked_around(lab: Lab, watch: Watch, asked: Sequence[str], outcome: Outcome) -> None:
    port = lab.colony.settings.port
    outcome.abroad = watch.abroad([port])
    outcome.connections = len(watch.connected)
    outcome.foreign_reads = [url for url in asked if VICTIM in url or SECRET in url or f":{port}/" not in url]
    for table in ("root.activities", "root.idempotency", "colony_writebacks", "colony_approval_grants"):
        outcome.effects[table] = int(lab.db.rows(f"select count(*)::int as n from {table}")[0]["n"])
    moved = "select count(*)::int as n from root.leads where version > 1"
    outcome.effects["leads changed"] = int(lab.db.rows(moved)[0]["n"])
