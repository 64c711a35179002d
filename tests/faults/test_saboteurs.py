"""Every guarantee with its mechanism taken away: the checker must turn red, and for the reason that was expected."""

import pytest

from tests.faults.conftest import Exercise
from tests.faults.saboteurs import SABOTEURS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1_200)]


@pytest.mark.parametrize("name", SABOTEURS)
async def test_the_checker_turns_red_without(name: str, exercised: Exercise) -> None:
    saboteur = SABOTEURS[name]
    result = await exercised(
        name.replace(" ", "-"),
        run=saboteur.run,
        without=saboteur.without,
        sabotage=saboteur.database,
        **saboteur.environment,
    )
    broken = {violation.rule for violation in result.violations}
    assert broken >= saboteur.rules, result.violations
    print(f"{name}: {len(result.violations)} violations in {result.seconds} s: {sorted(broken)}")  # noqa: T201


# The same runs with everything in place, where no fault of the slice is just that.
@pytest.mark.parametrize("name", ["lease", "approval's hash", "reservation"])
async def test_the_checker_stays_green_with(name: str, exercised: Exercise) -> None:
    saboteur = SABOTEURS[name]
    result = await exercised(name.replace(" ", "-"), run=saboteur.run, **saboteur.environment)
    assert result.violations == []
