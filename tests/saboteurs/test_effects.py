"""Exactly once: what may have been sent is read back, and sent again only where it was not done, under its key."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from adapters.root.writer import RootWriter
from contracts.errors import ColonyError, OutcomeUnknown, PreconditionStale, RootRefused, RootUnavailable
from contracts.evidence import WritebackProposal
from contracts.ports import LedgerPort, Ports, ReadBack, Shown, WriterPort
from graph.context import Record
from graph.effects import GrantedEffects
from tests.graph.lab import Lab, Swaps

TWICE = "the root was written more than once"
Wrap = Callable[[WriterPort], WriterPort]


class Way:
    """The way to a real root; what is built on it spoils one part."""

    def __init__(self, inner: WriterPort) -> None:
        self._inner = inner

    async def send(
        self, tenant_id: str, proposal: WritebackProposal, precondition: str | None, idempotency_key: str
    ) -> Mapping[str, Any]:
        return await self._inner.send(tenant_id, proposal, precondition, idempotency_key)

    async def shown(self, tenant_id: str, proposal: WritebackProposal, precondition: str | None) -> ReadBack:
        return await self._inner.shown(tenant_id, proposal, precondition)


class LosesFirstAnswers(Way):
    """The first answer to each write gets lost, and ``then`` is what the root says to a second sending of it."""

    def __init__(self, inner: WriterPort, then: ColonyError | None = None) -> None:
        super().__init__(inner)
        self._then = then
        self.sent: Counter[str] = Counter()

    async def send(self, tenant_id: str, proposal: WritebackProposal, *args: Any) -> Mapping[str, Any]:
        self.sent[proposal.proposal_id] += 1
        if self.sent[proposal.proposal_id] > 1 and self._then is not None:
            raise self._then
        answer = await super().send(tenant_id, proposal, *args)
        if self.sent[proposal.proposal_id] > 1:
            return answer
        raise OutcomeUnknown("the answer was lost on its way")


class Overtaken(Way):
    """Each first sending is overtaken on its way by the second, and done just before it."""

    def __init__(self, inner: WriterPort) -> None:
        super().__init__(inner)
        self._late: dict[str, tuple[Any, ...]] = {}

    async def send(self, tenant_id: str, proposal: WritebackProposal, *args: Any) -> Mapping[str, Any]:
        if proposal.proposal_id in self._late:
            await super().send(*self._late[proposal.proposal_id])  # type: ignore[call-arg]
            return await super().send(tenant_id, proposal, *args)
        self._late[proposal.proposal_id] = (tenant_id, proposal, *args)
        raise OutcomeUnknown("it is still on its way")


class DiesBeforeTheOutcome(Way):
    """A process that ends when its first write has been sent, before the outcome is stored."""

    died = False

    async def send(self, tenant_id: str, proposal: WritebackProposal, *args: Any) -> Mapping[str, Any]:
        answer = await super().send(tenant_id, proposal, *args)
        if self.died:
            return answer
        self.died = True
        next(task for task in asyncio.all_tasks() if task.get_name().startswith("mission ")).cancel()
        return await asyncio.get_running_loop().create_future()


class NewKeyEachTime(Way):
    """The saboteur: every sending goes out under a key of its own."""

    async def send(
        self, tenant_id: str, proposal: WritebackProposal, precondition: str | None, _key: str
    ) -> Mapping[str, Any]:
        return await super().send(tenant_id, proposal, precondition, secrets.token_hex(16))


class Blind(Way):
    """The saboteur: nobody looks whether what may have been sent was done."""

    async def shown(self, *_: object) -> ReadBack:
        return ReadBack(Shown.UNDONE)


def over(lab: Lab, wrap: Wrap) -> Swaps:
    writer = wrap(RootWriter(lab.root))

    def rewire(ports: Ports, ledger: LedgerPort, record: Record) -> Ports:
        return replace(ports, effects=GrantedEffects(ports.mission, ledger, writer, lab.asking(ledger, record)))

    return Swaps(rewire=rewire)


async def each_write_happens_once(lab: Lab, wrap: Wrap) -> None:
    """The check: with every first answer lost, each granted write is there exactly once."""
    await lab.service.seed_lead()
    mission = await lab.mission()
    ended = await lab.approved(mission["mission_id"], over(lab, wrap))
    made = await lab.service.writes()
    assert (made["notes"], made["tasks"]) == (1, 1), f"{TWICE}: {made}"
    assert ended["status"] == "completed"
    assert {w["status"] for w in ended["packet"]["writebacks"]} == {"applied"}


async def test_a_write_whose_answer_was_lost_happens_once(lab: Lab) -> None:
    await each_write_happens_once(lab, LosesFirstAnswers)


async def test_a_write_that_is_overtaken_by_its_second_sending_happens_once(lab: Lab) -> None:
    await each_write_happens_once(lab, Overtaken)


async def test_without_its_key_a_write_that_is_overtaken_happens_twice(lab: Lab) -> None:
    with pytest.raises(AssertionError, match=TWICE):
        await each_write_happens_once(lab, lambda inner: Overtaken(NewKeyEachTime(inner)))


REFUSALS = [
    pytest.param(RootRefused("no", code="root_key_refused"), id="key"),
    pytest.param(PreconditionStale("no longer"), id="stale"),
    pytest.param(RootUnavailable("not now"), id="busy"),
]


@pytest.mark.parametrize("then", REFUSALS)
async def test_what_a_second_sending_is_told_is_not_believed_about_the_first(lab: Lab, then: ColonyError) -> None:
    await each_write_happens_once(lab, lambda inner: LosesFirstAnswers(inner, then))


@pytest.mark.parametrize("then", REFUSALS[:2])
async def test_without_the_read_back_nobody_knows_and_nobody_says_that_it_failed(lab: Lab, then: ColonyError) -> None:
    with pytest.raises(AssertionError, match=r"\{'unknown'\}"):
        await each_write_happens_once(lab, lambda inner: LosesFirstAnswers(Blind(inner), then))


async def a_process_that_dies_after_sending_writes_once(lab: Lab, wrap: Wrap) -> None:
    """The check: the process that goes on finds the write done, and it is there exactly once."""
    await lab.service.seed_lead()
    mission = await lab.mission()
    swaps = over(lab, wrap)
    died = await lab.approved(mission["mission_id"], swaps)
    assert died["status"] == "running"
    assert (await lab.service.writes())["notes"] == 1
    assert {w["status"] for w in lab.db.rows("select status from colony_writebacks")} == {"intended"}
    lab.forget_leases()
    ended = await lab.run(mission["mission_id"], swaps)
    made = await lab.service.writes()
    assert (made["notes"], made["tasks"]) == (1, 1), f"{TWICE}: {made}"
    assert ended["status"] == "completed"
    assert {w["status"] for w in ended["packet"]["writebacks"]} == {"applied"}


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(DiesBeforeTheOutcome, id="with-both"),
        pytest.param(lambda root: DiesBeforeTheOutcome(NewKeyEachTime(root)), id="by-reading-back"),
        pytest.param(lambda root: DiesBeforeTheOutcome(Blind(root)), id="by-its-key"),
    ],
)
async def test_a_process_that_dies_after_sending_writes_once(lab: Lab, wrap: Wrap) -> None:
    await a_process_that_dies_after_sending_writes_once(lab, wrap)


async def test_without_key_and_read_back_a_process_that_dies_after_sending_writes_twice(lab: Lab) -> None:
    with pytest.raises(AssertionError, match=TWICE):
        await a_process_that_dies_after_sending_writes_once(
            lab, lambda root: DiesBeforeTheOutcome(Blind(NewKeyEachTime(root)))
        )
