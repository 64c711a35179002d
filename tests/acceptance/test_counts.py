"""What a mission costs: commits a superstep, policy evaluations, open connections."""

from collections import Counter

from tests.acceptance.checks import outcomes, rows, waiting_mission
from tests.acceptance.commits import supersteps, watch
from tests.support import Service, pretty

_ORDINARY = 3
_TASKS = 6
_MODEL_CALLS = 2


async def test_commits_of_every_superstep_are_bounded(service: Service, database: str) -> None:
    watch(database)
    waiting = await waiting_mission(service, budget_max=400_000)
    assert (await service.post(waiting["mission_id"], "approve")).status_code == 202
    ended = await service.settled(waiting["mission_id"])
    effects = outcomes(ended)["applied"]

    found = list(supersteps(database))

    cost = [(step.step_key or "input", step.commits) for step in found]
    print(f"{sum(s.commits for s in found)} commits in {len(found)} supersteps: {cost}")  # noqa: T201
    allowed = {"workers:1": 2 + _TASKS + 1 + 2 * _MODEL_CALLS, "writeback:1": 2 + 2 * effects}
    assert effects == 4
    assert [c for c in cost if c[1] > allowed.get(c[0], _ORDINARY)] == [], pretty([s.tables for s in found])
    assert {stage.split(":")[0] for stage, _ in cost} >= {"workers", "release_gate", "writeback", "finalize"}


async def test_every_question_is_evaluated_once_and_stored(service: Service, database: str) -> None:
    assert service.colony is not None
    engine = service.colony.governance.engine
    before = engine.evaluations
    waiting = await waiting_mission(service, budget_max=400_000)
    asked = engine.evaluations - before
    events = await service.events(waiting["mission_id"])
    gates = Counter(e["payload"]["decision_id"] for e in events if e["event_type"].startswith("gate."))
    stored = rows(database, "select artifact_id, payload from colony_policy_decisions")
    assert asked == len(stored), "a question was evaluated twice, or not stored"
    assert len({row["payload"]["question_sha256"] for row in stored}) == len(stored)
    silent = {row["artifact_id"] for row in stored} - set(gates)
    assert {row["payload"]["question"]["action"] for row in stored if row["artifact_id"] in silent} == {
        "approve_alone",
        "call",
    }

    assert (await service.post(waiting["mission_id"], "approve")).status_code == 202

    assert (await service.settled(waiting["mission_id"]))["status"] == "completed"
    answered = engine.evaluations - before - asked
    assert answered == len(waiting["pending_approval"]["proposals"]), "a question was asked again on resume"
    all_stored = rows(database, "select artifact_id from colony_policy_decisions")
    assert len(all_stored) == len(stored) + answered
    print(f"{asked + answered} evaluations, {len(all_stored)} stored decisions")  # noqa: T201
