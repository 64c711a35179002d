"""Every guarantee with its mechanism taken away: the checker must turn red, and for the reason that was expected."""

from collections.abc import Iterable
from typing import Any

import pytest
import pytest_asyncio

from tests.faults.conftest import Gym, selected
from tests.faults.exercise import Result
from tests.faults.saboteurs import SABOTEURS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1_200)]

# Those whose run is not a fault of the slice are done with everything in place, too.
WITH = ("lease", "approval's hash", "reservation")
EVERY_BUILD = {"fence trigger", "lease", "one answer", "idempotency key"}
Results = dict[tuple[str, bool], Result | BaseException]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def results(gym: Gym, request: pytest.FixtureRequest) -> Results:
    wanted = {}
    for test, name in sorted(selected(request)):
        without, one = "without" in test, SABOTEURS[name]
        wanted[name, without] = {"name": name, **(one.without_it() if without else one.with_it())}
    return await gym.all(wanted)


def some(names: Iterable[str]) -> list[Any]:
    """Mark those that are not in every build."""
    return [pytest.param(name, marks=[pytest.mark.long] * (name not in EVERY_BUILD)) for name in names]


@pytest.mark.parametrize("name", some(SABOTEURS))
async def test_the_checker_turns_red_without(name: str, results: Results) -> None:
    result = results[name, True]
    assert isinstance(result, Result), repr(result)
    broken = {violation.rule for violation in result.violations}
    assert broken >= SABOTEURS[name].rules, result
    print(f"{name}: {len(result.violations)} violations in {result.seconds} s: {sorted(broken)}")  # noqa: T201


@pytest.mark.parametrize("name", some(WITH))
async def test_the_checker_stays_green_with(name: str, results: Results) -> None:
    result = results[name, False]
    assert isinstance(result, Result), repr(result)
    assert result.violations == []
