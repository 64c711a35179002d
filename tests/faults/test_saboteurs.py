"""Every guarantee with its mechanism taken away: the checker must turn red, and for the reason that was expected."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.postgres.cluster import EmbeddedCluster
from tests.faults.conftest import SEED, cloned
from tests.faults.exercise import Result, exercise
from tests.faults.nursery import Nursery
from tests.faults.saboteurs import SABOTEURS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1_200)]

# Those whose run is not a fault of the slice are done with everything in place, too.
WITH = ("lease", "approval's hash", "reservation")
_AT_ONCE = 4
Results = dict[tuple[str, bool], Result | BaseException]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def results(
    cluster: EmbeddedCluster, template: str, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Results]:
    """All runs, some at a time: most of each is waiting for a lease to lapse."""
    folder: Path = tmp_path_factory.mktemp("saboteurs")
    some = asyncio.Semaphore(_AT_ONCE)

    async def one(stack: ExitStack, name: str, *, sabotaged: bool) -> Result:
        saboteur = SABOTEURS[name]
        gone = {"without": saboteur.without, "sabotage": saboteur.database} if sabotaged else {}
        async with some:
            dsn = await asyncio.to_thread(stack.enter_context, cloned(cluster, template))
            place = folder / f"{name.replace(' ', '-')}-{sabotaged}"
            return await exercise(
                name, place, dsn, nursery, count=1, seed=SEED, run=saboteur.run, **gone, **saboteur.environment
            )

    with ExitStack() as stack:
        wanted = [*((name, True) for name in SABOTEURS), *((name, False) for name in WITH)]
        ended = await asyncio.gather(
            *(one(stack, name, sabotaged=sabotaged) for name, sabotaged in wanted), return_exceptions=True
        )
        yield dict(zip(wanted, ended, strict=True))


@pytest.mark.parametrize("name", SABOTEURS)
async def test_the_checker_turns_red_without(name: str, results: Results) -> None:
    result = results[name, True]
    assert isinstance(result, Result), repr(result)
    broken = {violation.rule for violation in result.violations}
    assert broken >= SABOTEURS[name].rules, result
    print(f"{name}: {len(result.violations)} violations in {result.seconds} s: {sorted(broken)}")  # noqa: T201


@pytest.mark.parametrize("name", WITH)
async def test_the_checker_stays_green_with(name: str, results: Results) -> None:
    result = results[name, False]
    assert isinstance(result, Result), repr(result)
    assert result.violations == []
