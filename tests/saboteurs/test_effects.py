"""Exactly once: a write whose answer was lost is sent again under its key, and the root does it once."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from adapters.root.writer import RootWriter
from contracts.errors import OutcomeUnknown
from contracts.evidence import WritebackProposal
from contracts.ports import LedgerPort, Ports, WriterPort
from graph.context import Record
from graph.effects import GrantedEffects
from tests.graph.lab import Lab, Swaps

TWICE = "the root was written more than once"
Wrap = Callable[[WriterPort], WriterPort]


class LosesFirstAnswers:
    """The way to a real root, on which the first answer to each write gets lost."""

    def __init__(self, inner: WriterPort) -> None:
        self._inner = inner
        self._lost: set[str] = set()

    async def send(
        self, tenant_id: str, proposal: WritebackProposal, precondition: str | None, idempotency_key: str
    ) -> Mapping[str, Any]:
        answer = await self._inner.send(tenant_id, proposal, precondition, idempotency_key)
        if proposal.proposal_id in self._lost:
            return answer
        self._lost.add(proposal.proposal_id)
        raise OutcomeUnknown("the answer was lost on its way")


class DiesBeforeTheOutcome:
    """A process that ends when its first write has been sent, before the outcome is stored."""

    def __init__(self, inner: WriterPort) -> None:
        self._inner = inner
        self._died = False

    async def send(
        self, tenant_id: str, proposal: WritebackProposal, precondition: str | None, idempotency_key: str
    ) -> Mapping[str, Any]:
        answer = await self._inner.send(tenant_id, proposal, precondition, idempotency_key)
        if self._died:
            return answer
        self._died = True
        next(task for task in asyncio.all_tasks() if task.get_name().startswith("mission ")).cancel()
        return await asyncio.get_running_loop().create_future()


class NewKeyEachTime:
    """The saboteur: every sending goes out under a key of its own."""

    def __init__(self, inner: WriterPort) -> None:
        self._inner = inner

    async def send(
        self, tenant_id: str, proposal: WritebackProposal, precondition: str | None, idempotency_key: str
    ) -> Mapping[str, Any]:
        return await self._inner.send(tenant_id, proposal, precondition, secrets.token_hex(16))


def over(lab: Lab, wrap: Wrap) -> Swaps:
    writer = wrap(RootWriter(lab.root))

    def rewire(ports: Ports, ledger: LedgerPort, record: Record) -> Ports:
        return replace(ports, effects=GrantedEffects(ports.mission, ledger, writer))

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


async def test_without_its_key_a_write_whose_answer_was_lost_happens_twice(lab: Lab) -> None:
    with pytest.raises(AssertionError, match=TWICE):
        await each_write_happens_once(lab, lambda inner: LosesFirstAnswers(NewKeyEachTime(inner)))


async def a_process_that_dies_after_sending_writes_once(lab: Lab, wrap: Wrap) -> None:
    """The check: the process that goes on sends the write again, and it is there exactly once."""
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


async def test_a_process_that_dies_after_sending_writes_once(lab: Lab) -> None:
    await a_process_that_dies_after_sending_writes_once(lab, DiesBeforeTheOutcome)


async def test_without_its_key_a_process_that_dies_after_sending_writes_twice(lab: Lab) -> None:
    with pytest.raises(AssertionError, match=TWICE):
        await a_process_that_dies_after_sending_writes_once(
            lab, lambda root: DiesBeforeTheOutcome(NewKeyEachTime(root))
        )
