"""A mission's past on the command line: replays with their exit codes, checkpoints, differences, forks and the tree."""

from pathlib import Path

from tests.server.cli.conftest import Run
from tests.support import Service

HERE = {"PYTHONPATH": str(Path(__file__).parents[3])}


async def test_the_past_of_a_mission(colony: Run, service: Service) -> None:
    await service.seed_lead()
    mission_id = await service.submit()
    await service.settled(mission_id)
    await service.post(mission_id, "approve")
    await service.settled(mission_id)

    same = await colony("missions", "replay", mission_id, **HERE)
    assert same.code == 0, same.err
    assert f"is identical to {mission_id}" in same.out
    word = "template.extract_facts.instructions=Write {output}."
    other = await colony("missions", "replay", mission_id, "--override", word, **HERE)
    assert other.code == 1, other.err
    assert "first call that differs: model: fill FactSheet" in other.out
    assert "task extract_facts" in other.out
    every = await colony("missions", "replay", "--all", "--since", "1h", "--run", "tonight", **HERE)
    assert every.code == 0, every.err
    assert "1 of 1 identical" in every.out
    assert f"1 of 1: {mission_id} identical" in every.err
    again = await colony("missions", "replay", "--all", "--since", "1h", "--run", "tonight", "--json", **HERE)
    assert again.document["identical"], again.err
    assert [one["of"] for one in again.document["items"]] == [mission_id]

    listed = (await colony("missions", "checkpoints", mission_id, "--json", **HERE)).document["items"]
    assert [c["step"] for c in listed] == sorted((c["step"] for c in listed), reverse=True)
    assert listed[0]["next"] == []
    planned = next(c for c in listed if c["stage"] == "planner")
    assert planned["changed"] == ["constitution", "plan"] or planned["changed"] == ["plan"]
    first, last = listed[-2]["checkpoint_id"], listed[0]["checkpoint_id"]
    told = await colony("missions", "diff", mission_id, "--from", first, "--to", last, **HERE)
    assert "new aggregation_packet" in told.out
    made = await colony("missions", "fork", mission_id, "--from", last, "--reason", "again", "--json", **HERE)
    fork = made.document["mission_id"]
    assert (await service.settled(fork))["status"] == "awaiting_approval"
    tree = (await colony("missions", "tree", fork, "--json", **HERE)).document
    assert tree["mission_id"] == mission_id
    assert [child["kind"] for child in tree["children"]] == ["replay"] * 3 + ["fork"]
    head = (await colony("missions", "checkpoints", fork, "--json", **HERE)).document["items"][0]["checkpoint_id"]
    across = await colony(
        "missions", "diff", mission_id, "--from", last, "--to", head, "--other", fork, "--json", **HERE
    )
    assert set(across.document["channels"]) <= {"release", "constitution", "looks"}
    assert (await colony("missions", "replay", **HERE)).code == 2
