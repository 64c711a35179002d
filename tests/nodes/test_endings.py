"""The last roles: what a person is asked, what is applied, how a mission closes, and how it ends badly."""

from typing import Any

import pytest

from contracts.errors import BadInput
from contracts.evidence import WorkerResult, WritebackProposal
from contracts.packets import ReviewPacket
from contracts.ports import EffectOutcome
from contracts.registry import Kind
from contracts.tasks import LibrarianPass, RouteCard
from graph.channels import ref_of, set_ref
from graph.endings import blocked, failed
from nodes.aggregator import merged
from nodes.finalize import HALF_LIFE_MS, finalize
from nodes.release_gate import asked, release_gate
from nodes.work.context import claim
from nodes.writeback import writeback
from tests.nodes.bench import Shelf, chat, crm, ports, record, task
from tests.nodes.test_reviewer import CHAT, GOOD
from tests.policies.build import proposal

ROW = record(name="Ada")


async def shelved(verdict: str = "release", withheld: tuple[str, ...] = ()) -> tuple[Any, Shelf]:
    shelf = Shelf()
    proposals = (proposal(citations=GOOD.citations), proposal(proposal_id="p-2"))
    packet = merged([WorkerResult(task_key="a", claims=(GOOD,), proposals=proposals)])
    review = ReviewPacket(verdict=verdict, reasons=(), checks=(), covered=(), missing=(), withheld=withheld)
    cards = [RouteCard(source=s, tool="t", arguments={}, priority=0.5, why="") for s in ("chat", "lead", "board")]
    one = LibrarianPass(task_key="a", route_cards=tuple(cards), grants=(), data_scope=(), ttl_ms=1)
    await shelf.put(1, packet, review, CHAT, ROW, one)
    state = {
        "revision": 1,
        "packet": ref_of(packet),
        "review": ref_of(review),
        "evidence": set_ref(Kind.RESEARCH_ARTIFACT, 1, [CHAT, ROW]),
        "passes": set_ref(Kind.LIBRARIAN_PASS, 1, [one]),
        "release": {"verdict": "approved", "granted": 1, "effects": {"applied": 1}},
    }
    return state, shelf


async def test_a_person_is_asked_about_what_is_proven_and_nothing_else() -> None:
    state, shelf = await shelved()
    put_on = await release_gate(state, ports(crm(), artifacts=shelf))
    assert [p.proposal_id for p in put_on.writebacks] == ["p-1"]


async def test_a_person_is_not_asked_about_what_was_withheld() -> None:
    state, shelf = await shelved(withheld=(GOOD.claim_id,))
    assert (await release_gate(state, ports(crm(), artifacts=shelf))).writebacks == ()


@pytest.mark.parametrize("verdict", ["revise", "refuse"])
async def test_nobody_is_asked_about_what_the_review_did_not_release(verdict: str) -> None:
    state, shelf = await shelved(verdict)
    with pytest.raises(BadInput) as told:
        await release_gate(state, ports(crm(), artifacts=shelf))
    assert told.value.code == "not_released"


@pytest.mark.parametrize(
    ("allowed", "reasons", "looks", "expected"),
    [
        pytest.param((), (), (), None, id="nothing-to-write-and-nobody-has-to-look"),
        pytest.param((), ("r",), (), None, id="a-reason-without-a-proposal"),
        pytest.param((), (), ("look",), ((), ("look",), True), id="somebody-has-to-look"),
        pytest.param((1,), (), (), ((1,), ("a person approves every write",), False), id="a-write"),
        pytest.param((1,), ("r", "r"), ("look",), ((1,), ("r", "look"), False), id="a-write-and-reasons"),
    ],
)
def test_what_a_person_is_asked(allowed: Any, reasons: Any, looks: Any, expected: Any) -> None:
    made = asked(tuple(proposal() for _ in allowed), (), reasons, looks)
    if expected is None:
        assert made is None
        return
    assert made is not None
    assert (len(made.proposals), made.reasons, made.review_only) == (len(expected[0]), expected[1], expected[2])


class Effects:
    """Grants what it is given, and ends each write as it is told."""

    def __init__(self, **outcomes: str) -> None:
        self.outcomes = outcomes
        self.applied: list[str] = []

    async def granted(self) -> list[WritebackProposal]:
        return [proposal(proposal_id=name, operation=name.split("_")[0]) for name in self.outcomes]

    async def apply(self, one: WritebackProposal) -> EffectOutcome:
        self.applied.append(one.proposal_id)
        return EffectOutcome(self.outcomes[one.proposal_id])


async def test_everything_granted_is_applied_additions_before_changes() -> None:
    effects = Effects(patch_1="applied", message_1="applied", note_2="applied", task_1="applied", note_1="applied")
    state, shelf = await shelved()
    made = await writeback(state | {"release": {"granted": 5}}, ports(crm(), artifacts=shelf, effects=effects))
    assert effects.applied == ["note_1", "note_2", "task_1", "message_1", "patch_1"]
    assert made.channels["release"] == {"granted": 5, "effects": {"applied": 5}}


async def test_a_write_that_ends_badly_stops_none_of_the_others() -> None:
    effects = Effects(note_1="unknown", patch_1="conflicted", task_1="failed", patch_2="applied")
    state, shelf = await shelved()
    made = await writeback(state | {"release": {}}, ports(crm(), artifacts=shelf, effects=effects))
    assert made.channels["release"]["effects"] == {"unknown": 1, "conflicted": 1, "failed": 1, "applied": 1}


async def test_nothing_granted_is_nothing_applied() -> None:
    state, shelf = await shelved()
    made = await writeback(state | {"release": {}}, ports(crm(), artifacts=shelf, effects=Effects()))
    assert made.channels["release"]["effects"] == {}


async def test_a_mission_closes_with_a_hint_for_every_place_it_looked_at() -> None:
    state, shelf = await shelved()
    made = await finalize(state, ports(crm(), artifacts=shelf))
    assert {s.source: s.kind for s in made.signals} == {"chat": "useful", "lead": "empty", "board": "empty"}
    assert {s.half_life_ms for s in made.signals} == {HALF_LIFE_MS}
    assert made.events[0].event_type == "mission.completed"
    assert made.events[0].payload["claims"] == 1


async def test_what_was_withheld_makes_no_place_useful() -> None:
    state, shelf = await shelved(withheld=(GOOD.claim_id,))
    made = await finalize(state, ports(crm(), artifacts=shelf))
    assert {s.kind for s in made.signals} == {"empty"}


async def test_a_rejected_mission_closes_as_rejected() -> None:
    state, shelf = await shelved()
    state["release"] = {"verdict": "rejected", "granted": 0}
    made = await finalize(state, ports(crm(), artifacts=shelf))
    assert [e.event_type for e in made.events] == ["mission.rejected"]


@pytest.mark.parametrize(("role", "event"), [(blocked, "mission.blocked"), (failed, "mission.failed")])
async def test_a_bad_end_is_recorded_with_its_reason(role: Any, event: str) -> None:
    outcome = {"status": "s", "code": "c", "reason": "r", "stage": "x", "hint": "h"}
    made = await role({"outcome": outcome}, ports())
    assert (made.events[0].event_type, made.events[0].payload) == (event, outcome)
    assert made.channels == {"outcome": outcome}


def test_claims_are_named_after_what_they_say() -> None:
    one = claim(task("a"), "L-1", "area", "x", GOOD.citations, text="t")
    assert one.claim_id == claim(task("a"), "L-1", "area", "x", GOOD.citations, text="u").claim_id
    assert one.claim_id != claim(task("a"), "L-1", "area", "y", GOOD.citations, text="t").claim_id
    assert one.claim_id != claim(task("b"), "L-1", "area", "x", GOOD.citations, text="t").claim_id
    assert chat("x").artifact_id != chat("y").artifact_id
