"""The slice of `make chaos` that runs in every build: every fault at its short count, and not one promise broken."""

import pytest

from tests.faults.cases import FAULTS
from tests.faults.conftest import Exercise

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1_200)]


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_promise_is_broken_by(fault: str, exercised: Exercise) -> None:
    result = await exercised(fault, count=FAULTS[fault].slice)
    assert result.violations == [], result.did
    print(f"{fault}: {result.count} times, {result.seconds} s, {result.did}")  # noqa: T201
