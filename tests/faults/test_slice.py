"""The slice of `make chaos` that runs in every build: every fault at its short count, and not one promise broken."""

import pytest
import pytest_asyncio

from tests.faults.cases import FAULTS
from tests.faults.conftest import Gym, selected
from tests.faults.exercise import Result

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1_200)]
Results = dict[str, Result | BaseException]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def results(gym: Gym, request: pytest.FixtureRequest) -> Results:
    wanted = [fault for _, fault in selected(request)]
    return await gym.all({name: {"name": name, "count": FAULTS[name].slice} for name in FAULTS if name in wanted})


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_promise_is_broken_by(fault: str, results: Results) -> None:
    result = results[fault]
    assert isinstance(result, Result), repr(result)
    assert result.violations == [], result.did
    print(f"{fault}: {result.count} times, {result.seconds} s, {result.did}")  # noqa: T201
