"""A mission's working time is charged by its leases, however a run ends: nothing that dies gets it back."""

from collections.abc import Awaitable, Callable

import pytest

from tests.adapters.postgres.stand import Stand

RAN_S = 40
SILENT_S = 10


def spent_ms(stand: Stand) -> int:
    return int(stand.db.rows("select time_spent_ms from colony_budgets")[0]["time_spent_ms"])


def ran_for_a_while(stand: Stand, changes: str = "renewed_at = renewed_at") -> None:
    """Let the lease look as if its holder had run for a while."""
    stand.db.run(
        "alter table colony_leases disable trigger charge",
        f"update colony_leases set began_at = began_at - interval '{RAN_S} seconds', {changes}",
        "alter table colony_leases enable trigger charge",
    )


async def given_up(stand: Stand, mission_id: str) -> None:
    async with stand.claimed(mission_id) as session, session.ledger.unit() as unit:
        ran_for_a_while(stand)
        await unit.release_lease()


async def evicted(stand: Stand, mission_id: str) -> None:
    async with stand.claimed(mission_id):
        ran_for_a_while(stand)
    async with stand.missions.take("demo", mission_id, "ann"):
        pass


async def killed(stand: Stand, mission_id: str) -> None:
    async with stand.claimed(mission_id):
        silent = f"interval '{SILENT_S} seconds'"
        ran_for_a_while(stand, f"renewed_at = renewed_at - {silent}, lease_until = clock_timestamp() - {silent}")
    async with stand.claimed(mission_id, "another"):
        pass


@pytest.mark.parametrize(
    ("end", "seconds"),
    [(given_up, RAN_S), (evicted, RAN_S), (killed, RAN_S - SILENT_S)],
    ids=["given-up", "evicted", "killed"],
)
async def test_the_time_of_a_run_is_charged_when_its_lease_ends(
    stand: Stand, end: Callable[[Stand, str], Awaitable[None]], seconds: int
) -> None:
    await end(stand, await stand.submit())
    assert seconds * 1_000 <= spent_ms(stand) < seconds * 1_000 + 5_000


async def test_a_lease_that_is_renewed_shows_life_and_charges_nothing(stand: Stand) -> None:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        ran_for_a_while(stand)
        before = stand.db.rows("select renewed_at from colony_leases")[0]["renewed_at"]
        assert await stand.claims("one").renew({mission_id: session.mission.epoch}) == {mission_id}
        assert stand.db.rows("select renewed_at from colony_leases")[0]["renewed_at"] > before
    assert spent_ms(stand) == 0


async def test_without_its_trigger_a_kill_gives_the_time_back(stand: Stand) -> None:
    mission_id = await stand.submit()
    stand.db.run(
        "create or replace function colony_charge_lease() returns trigger language plpgsql as "
        "'begin if tg_op = ''DELETE'' then return old; end if; return new; end'"
    )
    await killed(stand, mission_id)
    assert spent_ms(stand) == 0
