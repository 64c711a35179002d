"""A recorded mission is run again, offline and for nothing, and comes to the same, artifact for artifact."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.prompts.registry import TemplateRegistry
from adapters.root.tools import RootTools
from contracts.clock import SystemClock
from contracts.packets import AggregationPacket
from contracts.ports import LedgerPort, Ports, StepResult, Template
from contracts.state import MissionState
from contracts.stateflow import Stage
from graph.context import Record
from graph.guarded import GuardedTools
from graph.inforce import Asking
from graph.steps import step
from nodes.aggregator import aggregator
from server.verify import render, verify_bytes
from tests.adapters.postgres.backdoor import outcome, stamp
from tests.graph.lab import Lab, Swaps
from tests.replay.again import Mute, artifacts_of, done, offline, replayed

NO_EFFECTS = "CO004"


async def test_a_replay_is_identical_with_models_and_root_away_and_costs_nothing(lab: Lab) -> None:
    mission_id = await done(lab)
    written = await lab.service.writes()
    await offline(lab)
    report = await replayed(lab, mission_id, Swaps(model=Mute()))
    assert report["identical"], report
    assert report["artifacts"] == report["artifacts_identical"] > 20
    again = await lab.service.mission(report["mission_id"])
    assert again["status"] == "completed", again["failure"]
    assert again["lineage"] == {"parent_mission_id": mission_id, "parent_checkpoint_id": None, "kind": "replay"}
    assert again["usage"]["cost_usd"] == 0
    assert artifacts_of(lab, report["mission_id"]) == artifacts_of(lab, mission_id)
    assert await lab.service.writes() == written
    events = [e["event_type"] for e in await lab.service.events(report["mission_id"])]
    assert events.count("replay.simulated") == len(again["packet"]["writebacks"])
    assert not {"approval.requested", "writeback.intended"} & set(events)


async def test_without_the_tape_a_replay_asks_the_root(lab: Lab) -> None:
    mission_id = await done(lab)

    def bare(ports: Ports, ledger: LedgerPort, record: Record) -> Ports:
        asking = Asking(lab.colony.governance, ledger, record, "demo")
        tools = RootTools(lab.root, "demo")
        return replace(ports, tools=GuardedTools(tools, ledger, record, SystemClock(), ports.mission, asking))

    await offline(lab)
    report = await replayed(lab, mission_id, Swaps(rewire=bare))
    assert not report["identical"]
    assert report["failure"]["code"] == "root_unavailable"


async def test_after_a_word_of_a_template_was_changed_the_first_call_that_differs_is_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    mission_id = await done(lab)
    real = TemplateRegistry.get

    def changed(self: TemplateRegistry, template_id: str) -> Template:
        found = real(self, template_id)
        if template_id != "assess_engagement":
            return found
        word, _, rest = found.instructions.partition(" ")
        return replace(found, instructions=f"{word}s {rest}")

    monkeypatch.setattr(TemplateRegistry, "get", changed)
    report = await replayed(lab, mission_id, Swaps(model=Mute()))
    first = report["first_divergence"]
    assert not report["identical"]
    assert (first["stage"], first["task_key"], first["channel"]) == ("prompt_master", "assess_engagement", "artifact")
    call = report["first_call"]
    assert (call["stage"], call["task_key"], call["channel"]) == ("workers", "assess_engagement", "model")
    assert len(call["diff"]) == 2, call
    assert report["failure"]["code"] == "recording_missing"


async def test_after_a_line_of_a_node_was_changed_what_it_made_is_named(lab: Lab) -> None:
    mission_id = await done(lab)

    async def changed(state: MissionState, ports: Ports) -> StepResult:
        made = await aggregator(state, ports)
        parts = [
            a.model_copy(update={"summary": a.summary + "!"}) if isinstance(a, AggregationPacket) else a
            for a in made.artifacts
        ]
        return replace(made, artifacts=tuple(parts))

    report = await replayed(lab, mission_id, Swaps(nodes={Stage.AGGREGATOR: step(Stage.AGGREGATOR, changed)}))
    first = report["first_divergence"]
    assert (first["stage"], first["call"]) == ("aggregator", "artifact: aggregation_packet")
    assert first["expected"] != first["found"]


async def test_the_database_refuses_every_effect_of_a_replay_and_its_bundle_verifies(lab: Lab) -> None:
    mission_id = await done(lab)
    replay = (await replayed(lab, mission_id))["mission_id"]
    bundle = await lab.service.client.get(f"/api/colony/missions/{replay}/bundle")
    verified = verify_bytes(bundle.content)
    assert verified.ok, render(verified)
    for table in ("colony_approvals", "colony_approval_grants", "colony_writebacks"):
        refused(lab, table, mission_id, replay)


def refused(lab: Lab, table: str, mission_id: str, replay: str) -> None:
    columns = ", ".join(
        row["column_name"]
        for row in lab.db.rows(
            "select column_name from information_schema.columns where table_name = %s order by ordinal_position", table
        )
    )
    names = {"mission_id": f"'{replay}'", "idempotency_key": "idempotency_key || 'x'", "epoch": "colony_epoch()"}
    values = ", ".join(names.get(column, column) for column in columns.split(", "))
    copied = f"insert into {table} ({columns}) select {values} from {table} where mission_id = '{mission_id}'"
    epoch = lab.db.rows("select epoch from colony_missions where mission_id = %s", replay)[0]["epoch"]
    with lab.db.undone() as conn:
        stamp(conn, "demo", epoch)
        conn.execute("set local role colony_app")
        assert outcome(conn, copied) == NO_EFFECTS
        conn.execute("reset role")
        # The saboteur: without its trigger the same statement gets further.
        conn.execute(f"drop trigger rehearsed on {table}")
        conn.execute("set local role colony_app")
        assert outcome(conn, copied) != NO_EFFECTS


async def test_a_recorded_text_that_was_changed_ends_the_replay(lab: Lab) -> None:
    mission_id = await done(lab)
    lab.db.run(
        "update colony_recorded set content = content || 'x' where sha256 in "
        "(select answer_sha256 from colony_recordings where channel = 'tool' limit 1)"
    )
    report: dict[str, Any] = {}
    with pytest.raises(Exception, match="a recorded text is not what it was"):
        report = await replayed(lab, mission_id)
    assert not report
