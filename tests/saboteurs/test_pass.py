"""The pass: no tool is reached but by what a live pass grants this task, argument by argument."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.root.tools import RootTools
from contracts.clock import SystemClock
from contracts.errors import PassRefused
from contracts.ports import Clock, LedgerPort, Ports, StepResult, ToolPort
from contracts.state import MissionState
from contracts.stateflow import Stage
from graph.calls import CallsMade
from graph.context import Record
from graph.guarded import GuardedTools
from graph.steps import step
from nodes.librarian import CALLS
from tests.graph.lab import Lab, Rewire, Swaps
from tests.support import sampled

Check = Callable[[ToolPort], Awaitable[None]]
THROUGH = "got through"
FACTS, ENGAGEMENT = "extract_facts", "assess_engagement"
OUTSIDE = {
    "another-tool": (FACTS, "root.get_kanban", {}),
    "one-character": (FACTS, "root.get_lead", {"lead_id": "L-2"}),
    "one-character-more": (FACTS, "root.get_lead", {"lead_id": "L-10"}),
    "an-argument-too-many": (FACTS, "root.get_lead", {"lead_id": "L-1", "fields": "all"}),
    "null-too-many": (FACTS, "root.get_lead", {"lead_id": "L-1", "cursor": None}),
    "another-tasks-pass": (ENGAGEMENT, "root.get_lead", {"lead_id": "L-1"}),
    "no-such-task": ("no_such_task", "root.get_lead", {"lead_id": "L-1"}),
    "no-task": ("", "root.get_lead", {"lead_id": "L-1"}),
}


class Later:
    """A clock that is an hour ahead as soon as it has been looked at once, when the run began."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        ahead, self._ahead = self._ahead, timedelta(hours=1)
        return datetime.now(UTC) + ahead


async def at_work(lab: Lab, check: Check, rewire: Rewire | None = None) -> None:
    """Run a mission up to its researcher, and the check in its place, with the ports that a role is given."""
    found: list[AssertionError] = []

    async def probe(state: MissionState, ports: Ports) -> StepResult:
        try:
            await check(ports.tools)
        except AssertionError as exc:
            found.append(exc)
        return StepResult()

    await lab.service.seed_lead()
    for lead_id in ("L-2", "L-10"):
        await lab.service.seed_lead(lead_id)
    await lab.mission(Swaps(nodes={Stage.RESEARCHER: step(Stage.RESEARCHER, probe)}, rewire=rewire))
    if found:
        raise found[0]


def bare(lab: Lab) -> Rewire:
    """The saboteur: the root's tools as they are, without the pass in front."""

    def rewire(ports: Ports, ledger: LedgerPort, record: Record) -> Ports:
        return replace(ports, tools=RootTools(lab.root, "demo"))

    return rewire


def guarded(lab: Lab, ports: Ports, ledger: LedgerPort, record: Record, clock: Clock) -> GuardedTools:
    asking = lab.asking(ledger, record)
    return GuardedTools(RootTools(lab.root, "demo"), ledger, record, clock, ports.mission, asking)


def an_hour_later(lab: Lab) -> Rewire:
    def rewire(ports: Ports, ledger: LedgerPort, record: Record) -> Ports:
        return replace(ports, tools=guarded(lab, ports, ledger, record, Later()))

    return rewire


def refuses(task_key: str, tool: str, arguments: dict[str, object]) -> Check:
    """The check: this call is refused."""

    async def check(tools: ToolPort) -> None:
        try:
            answer = await tools.call(task_key, tool, arguments)
        except PassRefused:
            return
        raise AssertionError(f"{tool} {arguments} for {task_key!r} {THROUGH}: {answer}")

    return check


async def one_call_too_many_is_refused(tools: ToolPort) -> None:
    """The check: a grant is used up by the calls it counts."""
    for _ in range(CALLS):
        assert (await tools.call(FACTS, "root.get_lead", {"lead_id": "L-1"}))["items"]
    await refuses(FACTS, "root.get_lead", {"lead_id": "L-1"})(tools)


async def test_what_the_pass_grants_gets_through(lab: Lab) -> None:
    with pytest.raises(AssertionError, match=THROUGH):
        await at_work(lab, refuses(FACTS, "root.get_lead", {"lead_id": "L-1"}))


@pytest.mark.parametrize("call", sampled({name: (call,) for name, call in OUTSIDE.items()}, 2))
async def test_a_call_outside_the_pass_is_refused(lab: Lab, call: tuple[str, str, dict]) -> None:
    await at_work(lab, refuses(*call))
    refused = [e for e in await events(lab) if e["event_type"] == "tool.denied"]
    assert [e["payload"]["arguments"] for e in refused] == [call[2]]


UNSTORABLE: list[tuple[str, dict]] = [
    ("root.get_lead\x00", {"lead_id": "L-1"}),
    ("root.get_lead\ud800", {"lead_id": "L-1"}),
    ("root.get_lead", {"lead_id": "L-1\x00"}),
    ("root.get_lead", {"lead_id": "L-1\ud800"}),
    ("root.get_lead", {"lead_id": float("nan")}),
    ("root.get_lead", {"lead_id": {"L-1"}}),
]


async def test_what_nobody_could_store_is_refused_and_recorded_like_any_other_call(lab: Lab) -> None:
    async def check(tools: ToolPort) -> None:
        for call in UNSTORABLE:
            await refuses(FACTS, *call)(tools)

    await at_work(lab, check)
    refused = [e["payload"] for e in await events(lab) if e["event_type"] == "tool.denied"]
    assert [(p["tool"], p["reason"]) for p in refused] == [("root.get_lead", "call_not_granted")] * len(UNSTORABLE)
    assert [p["arguments"] for p in refused] == [{"lead_id": "L-1"}] * 2 + [{"unreadable": True}] * 4


@pytest.mark.parametrize("call", sampled({name: (call,) for name, call in OUTSIDE.items()}, 3))
async def test_with_bare_tools_a_call_outside_the_pass_gets_through(lab: Lab, call: tuple[str, str, dict]) -> None:
    with pytest.raises(AssertionError, match=THROUGH):
        await at_work(lab, refuses(*call), bare(lab))


async def test_a_call_under_an_expired_pass_is_refused(lab: Lab) -> None:
    await at_work(lab, refuses(FACTS, "root.get_lead", {"lead_id": "L-1"}), an_hour_later(lab))


async def test_with_bare_tools_a_call_under_an_expired_pass_gets_through(lab: Lab) -> None:
    with pytest.raises(AssertionError, match=THROUGH):
        await at_work(lab, refuses(FACTS, "root.get_lead", {"lead_id": "L-1"}), bare(lab))


async def test_a_grant_is_used_up(lab: Lab) -> None:
    await at_work(lab, one_call_too_many_is_refused)


async def test_with_bare_tools_a_grant_is_never_used_up(lab: Lab) -> None:
    with pytest.raises(AssertionError, match=THROUGH):
        await at_work(lab, one_call_too_many_is_refused, bare(lab))


async def a_new_process_goes_on_counting(lab: Lab, rewire: Rewire | None = None) -> None:
    """The check: a worker that died after it used a grant up comes back, and has not forgotten."""
    told: list[str] = []
    used_up = asyncio.Event()

    async def probe(state: MissionState, ports: Ports) -> StepResult:
        for _ in range(CALLS if not told else 1):
            try:
                await ports.tools.call(FACTS, "root.get_lead", {"lead_id": "L-1"})
                told.append("ok")
            except PassRefused:
                told.append("refused")
        if len(told) == CALLS:
            used_up.set()
            await asyncio.Event().wait()
        return StepResult()

    swaps = Swaps(nodes={Stage.WORKERS: step(Stage.WORKERS, probe)}, rewire=rewire)
    await lab.service.seed_lead()
    mission_id = await lab.service.submit()
    dying = asyncio.create_task(lab.run(mission_id, swaps))
    await asyncio.wait_for(used_up.wait(), 60)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    lab.forget_leases()
    await lab.run(mission_id, swaps)
    assert told[:-1] == ["ok"] * CALLS
    assert told[-1] == "refused", THROUGH


async def test_a_worker_that_comes_back_goes_on_counting(lab: Lab) -> None:
    await a_new_process_goes_on_counting(lab)


async def test_without_the_stored_calls_a_worker_that_comes_back_counts_anew(lab: Lab) -> None:
    def forgetful(ports: Ports, ledger: LedgerPort, record: Record) -> Ports:
        tools = guarded(lab, ports, ledger, record, SystemClock())
        tools._made = CallsMade([])
        return replace(ports, tools=tools)

    with pytest.raises(AssertionError, match=THROUGH):
        await a_new_process_goes_on_counting(lab, forgetful)


async def test_a_pass_that_was_changed_in_the_database_grants_nothing(lab: Lab) -> None:
    mission_id = await lab.service.submit()
    assert (await lab.run(mission_id))["failure"]["code"] == "lead_not_found"
    await lab.service.seed_lead("L-1")
    lab.db.run(
        "alter table colony_librarian_passes disable trigger fence",
        "update colony_librarian_passes set content = convert_to(replace(convert_from(content, 'utf8'), 'L-1', 'L-2'), "
        "'utf8')",
    )
    assert (await lab.service.post(mission_id, "retry")).status_code == 202
    assert (await lab.run(mission_id))["failure"]["code"] == "integrity_broken"


async def events(lab: Lab) -> list[dict]:
    missions = (await lab.service.client.get("/api/colony/missions")).json()["items"]
    return await lab.service.events(missions[0]["mission_id"])
