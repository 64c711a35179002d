"""Every guarantee with its mechanism taken away: the checker must turn red, and for the reason that was expected."""

import pytest
import pytest_asyncio

from tests.faults.conftest import Gym
from tests.faults.exercise import Result
from tests.faults.saboteurs import SABOTEURS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1_200)]

# Those whose run is not a fault of the slice are done with everything in place, too.
WITH = ("lease", "approval's hash", "reservation")
Results = dict[tuple[str, bool], Result | BaseException]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def results(gym: Gym) -> Results:
    wanted = {}
    for name, one in SABOTEURS.items():
        wanted[name, True] = {"name": name, **one.without_it()}
        if name in WITH:
            wanted[name, False] = {"name": name, **one.with_it()}
    return await gym.all(wanted)


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
