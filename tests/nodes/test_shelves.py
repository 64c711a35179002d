"""The shelves that the roles' tests stand on do what the store does: one suite for both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from contracts.errors import IntegrityBroken
from contracts.evidence import ResearchArtifact, WorkerResult
from contracts.registry import Kind
from contracts.tasks import TaskPlan
from graph.artifacts import StoredArtifacts, StoredResults
from graph.channels import ref_of, set_ref
from graph.context import Record
from tests.adapters.postgres.stand import event, open_stand
from tests.nodes.bench import Results, Shelf, chat, task


class StoredShelf(StoredArtifacts):
    """The real thing, with a way to put something there."""

    def __init__(self, ledger: Any) -> None:
        super().__init__(ledger)
        self._store = ledger

    async def put(self, revision: int, *contracts: Any) -> None:
        async with self._store.unit() as unit:
            await unit.put(revision, contracts)


@asynccontextmanager
async def _session(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    async with open_stand(request.getfixturevalue("database")) as stand:
        mission_id = await stand.submit()
        async with stand.claimed(mission_id) as session:
            yield session


@pytest_asyncio.fixture(params=["memory", "stored"])
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield Shelf()
        return
    async with _session(request) as session:
        yield StoredShelf(session.ledger)


@pytest_asyncio.fixture(params=["memory", "stored"])
async def results(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield Results()
        return
    async with _session(request) as session:
        yield StoredResults(session.ledger, Record(), StoredArtifacts(session.ledger))


PLAN = TaskPlan(tasks=(task("a"), task("b", "a")), rationale="because")
CHATS = tuple(chat(f"lead: hello {n}", conversation=f"C-{n}") for n in range(4))


async def test_what_was_put_is_given_by_its_reference(shelf: Any) -> None:
    await shelf.put(1, PLAN)
    assert await shelf.one(TaskPlan, ref_of(PLAN)) == PLAN


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"id": "pl_nothing"}])
async def test_another_reference_is_broken(shelf: Any, change: dict[str, str]) -> None:
    await shelf.put(1, PLAN)
    with pytest.raises(IntegrityBroken):
        await shelf.one(TaskPlan, ref_of(PLAN) | change)


async def test_a_set_is_given_whole_and_in_the_order_of_its_ids(shelf: Any) -> None:
    await shelf.put(1, *CHATS)
    given = await shelf.all(ResearchArtifact, set_ref(Kind.RESEARCH_ARTIFACT, 1, CHATS))
    assert [a.artifact_id for a in given] == sorted(a.artifact_id for a in CHATS)


async def test_an_empty_set_is_given_empty(shelf: Any) -> None:
    assert await shelf.all(ResearchArtifact, set_ref(Kind.RESEARCH_ARTIFACT, 1, ())) == ()


@pytest.mark.parametrize("referred", [CHATS[:3], CHATS[:2]], ids=["one-added", "two-added"])
async def test_a_set_to_which_something_was_added_is_broken(shelf: Any, referred: Any) -> None:
    await shelf.put(1, *CHATS)
    with pytest.raises(IntegrityBroken):
        await shelf.all(ResearchArtifact, set_ref(Kind.RESEARCH_ARTIFACT, 1, referred))


async def test_a_set_of_which_something_is_gone_is_broken(shelf: Any) -> None:
    await shelf.put(1, *CHATS[:3])
    with pytest.raises(IntegrityBroken):
        await shelf.all(ResearchArtifact, set_ref(Kind.RESEARCH_ARTIFACT, 1, CHATS))


async def test_a_set_of_another_revision_is_another_set(shelf: Any) -> None:
    await shelf.put(1, *CHATS)
    with pytest.raises(IntegrityBroken):
        await shelf.all(ResearchArtifact, set_ref(Kind.RESEARCH_ARTIFACT, 2, CHATS))


async def test_putting_something_twice_is_putting_it_once(shelf: Any) -> None:
    await shelf.put(1, *CHATS)
    await shelf.put(1, *CHATS)
    assert len(await shelf.all(ResearchArtifact, set_ref(Kind.RESEARCH_ARTIFACT, 1, CHATS))) == 4


async def test_a_saved_result_is_done_in_its_revision_alone(results: Any) -> None:
    result = WorkerResult(task_key="a", findings=("seen",))
    await results.save(1, result, [event("a")])
    assert await results.done(1) == {"a": result}
    assert await results.done(2) == {}


async def test_the_first_result_of_a_task_stands(results: Any) -> None:
    first, second = (WorkerResult(task_key="a", findings=(said,)) for said in ("first", "second"))
    await results.save(1, first, [])
    await results.save(1, second, [])
    assert await results.done(1) == {"a": first}
