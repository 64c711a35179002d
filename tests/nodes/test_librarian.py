"""Librarian: one pass per task, bound to the mission's own inputs; hints of past missions fade."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput
from contracts.ports import NodeLimits, SourceCard
from contracts.tasks import LibrarianPass, PheromoneSignal, TaskPlan
from graph.channels import ref_of
from nodes.librarian import CALLS, bound, librarian, promise
from tests.nodes.bench import NOW, Catalog, Shelf, crm, ports, task
from tests.policies.build import envelope

DAY_MS = 86_400_000
CARD = SourceCard("documents", "root.search", {"query": "question", "ids": "document_ids"}, "", frozenset({"ids"}))


async def passes(*tasks: Any, **changes: Any) -> dict[str, LibrarianPass]:
    shelf = Shelf()
    plan = TaskPlan(tasks=tasks, rationale="r")
    await shelf.put(1, plan)
    made = await librarian({"plan": ref_of(plan)}, ports(changes.pop("asked", crm()), artifacts=shelf, **changes))
    assert [e.payload["task_key"] for e in made.events] == [t.task_key for t in tasks]
    return {a.task_key: a for a in made.artifacts if isinstance(a, LibrarianPass)}


def signal(source: str = "chat", kind: str = "useful", strength: float = 1.0, **changes: Any) -> PheromoneSignal:
    values = {"mission_type": "crm_lead_intelligence", "half_life_ms": DAY_MS} | changes
    return PheromoneSignal(source=source, kind=kind, strength=strength, **values)


async def test_a_pass_grants_exactly_what_its_task_needs_with_exactly_these_arguments() -> None:
    made = await passes(task("a", needs=("lead", "chat")), task("b"), limits=NodeLimits(pass_ttl_ms=7))
    grants = {(g.tool, str(g.arguments), g.max_calls) for g in made["a"].grants}
    own = str({"lead_id": "lead-1"})
    assert grants == {("root.get_lead", own, CALLS), ("root.get_chat", own, CALLS)}
    assert made["a"].data_scope == ("lead", "chat")
    assert made["a"].ttl_ms == 7
    assert (made["b"].grants, made["b"].route_cards, made["b"].data_scope) == ((), (), ())


@pytest.mark.parametrize(
    ("inputs", "arguments"),
    [
        pytest.param({"question": "why?"}, {"query": "why?"}, id="optional-left-out"),
        pytest.param({"question": "why?", "document_ids": ["d"]}, {"query": "why?", "ids": ["d"]}, id="both"),
        pytest.param({"question": "why?", "ids": ["x"], "query": "x"}, {"query": "why?"}, id="bound-by-name-alone"),
    ],
)
def test_arguments_come_from_the_inputs_that_the_card_names(inputs: dict[str, Any], arguments: dict[str, Any]) -> None:
    assert bound(CARD, inputs) == arguments


def test_a_missing_input_is_refused() -> None:
    with pytest.raises(BadInput) as told:
        bound(CARD, {"document_ids": ["d"]})
    assert told.value.code == "missing_input"


async def test_a_source_that_is_not_in_the_catalog_is_refused() -> None:
    with pytest.raises(BadInput) as told:
        await passes(task("a", needs=("secrets",)))
    assert told.value.code == "unknown_source"


async def test_a_page_is_read_only_when_the_mission_names_one() -> None:
    asked = envelope(mission_type="oracle_advisory", inputs={"question": "why?"})
    with pytest.raises(BadInput):
        await passes(task("a", needs=("page",)), asked=asked)


async def test_the_most_promising_source_comes_first() -> None:
    hints = [(signal("board"), NOW), (signal("lead", "empty"), NOW)]
    made = await passes(task("a", needs=("chat", "lead", "board")), catalog=Catalog(signals=hints))
    assert [c.source for c in made["a"].route_cards] == ["board", "chat", "lead"]
    assert [c.priority for c in made["a"].route_cards] == [0.75, 0.5, 0.25]


async def test_another_classes_hints_are_not_heard() -> None:
    hints = [(signal("board", mission_type="oracle_advisory"), NOW)]
    made = await passes(task("a", needs=("board",)), catalog=Catalog(signals=hints))
    assert made["a"].route_cards[0].priority == 0.5


@pytest.mark.parametrize(
    ("age_days", "level"),
    [(0, 0.5 + 0.5 * 1 / 2), (1, 0.5 + 0.5 * 0.5 / 1.5), (2, 0.5 + 0.5 * 0.25 / 1.25), (-5, 0.75)],
    ids=["fresh", "one-half-life", "two-half-lives", "from-the-future-counts-as-fresh"],
)
def test_a_hint_fades_by_half_every_half_life(age_days: int, level: float) -> None:
    left_at = NOW - timedelta(days=age_days)
    assert promise("chat", [(signal(), left_at)], NOW)[0] == pytest.approx(level)


def test_useful_and_empty_of_the_same_age_cancel_out() -> None:
    level, why = promise("chat", [(signal(), NOW), (signal(kind="empty"), NOW)], NOW)
    assert level == 0.5
    assert "2 past missions" in why


HINTS = st.lists(
    st.tuples(
        st.builds(
            signal,
            kind=st.sampled_from(["useful", "stale", "empty"]),
            strength=st.floats(0, 10),
            half_life_ms=st.integers(1, 10**10),
        ),
        st.integers(0, 400).map(lambda days: NOW - timedelta(days=days)),
    ),
    max_size=20,
)


@given(HINTS)
def test_a_promise_is_between_nothing_and_certainty(hints: Any) -> None:
    level, _ = promise("chat", hints, NOW)
    assert 0 <= level <= 1


@given(HINTS, st.integers(0, 300))
def test_one_more_useful_mission_never_makes_a_source_less_promising(hints: Any, days: int) -> None:
    more = [*hints, (signal(), NOW - timedelta(days=days))]
    before = promise("chat", hints, NOW)[0]
    assert promise("chat", more, NOW)[0] >= before - 1e-9
