"""A checkpoint that was changed: the mission stops where it would go on from it, and nothing is written."""

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg.rows import dict_row

from adapters.postgres.saver import StepSaver
from adapters.postgres.sealed_checkpoints import TenantSerializer
from adapters.postgres.steady import SteadyConnection
from adapters.postgres.vault import Vault
from contracts.errors import IntegrityBroken
from tests.graph.lab import Lab

BLOB = "set_byte(blob, length(blob) - 2, get_byte(blob, length(blob) - 2) # 1)"
NEWEST = "(select max(checkpoint_id) from checkpoints)"
CHANGES = {
    "a-byte-of-a-channel": f"update checkpoint_blobs set blob = {BLOB} where channel = 'plan'",
    "a-channel-gone": "delete from checkpoint_blobs where channel = 'review'",
    "its-metadata": f"update checkpoints set metadata = metadata || '{{\"step\": 99}}' where checkpoint_id = {NEWEST}",
    "its-state": (
        "update checkpoints set checkpoint = jsonb_set(checkpoint, '{channel_values,revision}', '2') "
        f"where checkpoint_id = {NEWEST}"
    ),
    "a-pending-write": f"update checkpoint_writes set blob = {BLOB} where checkpoint_id = {NEWEST}",
    "an-older-channel-in-its-place": (
        "update checkpoint_blobs b set blob = o.blob, row_sha256 = o.row_sha256 from checkpoint_blobs o "
        "where b.channel = 'review' and o.channel = 'plan'"
    ),
}


async def a_changed_checkpoint_stops_the_mission(lab: Lab) -> None:
    """The check: what an administrator changes past every trigger ends the mission before it writes."""
    await lab.service.seed_lead()
    waiting = await lab.mission()
    assert waiting["status"] == "awaiting_approval"
    with lab.db.connect() as conn:
        conn.execute("set session_replication_role = replica")
        assert conn.execute(CHANGES["its-metadata"]).rowcount == 1
    ended = await lab.approved(waiting["mission_id"])
    assert ended["status"] == "failed", ended
    assert ended["failure"]["code"] == "integrity_broken"
    assert "a checkpoint of the mission was changed" in ended["failure"]["reason"]
    writes = await lab.service.writes()
    assert (writes["notes"], writes["tasks"], writes["messages"]) == (0, 0, 0)


async def test_a_changed_checkpoint_stops_the_mission(lab: Lab) -> None:
    await a_changed_checkpoint_stops_the_mission(lab)


async def test_without_looking_at_the_hashes_a_changed_checkpoint_goes_unseen(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StepSaver, "_load_checkpoint_tuple", AsyncPostgresSaver._load_checkpoint_tuple)
    with pytest.raises(AssertionError):
        await a_changed_checkpoint_stops_the_mission(lab)


async def test_whatever_of_a_checkpoint_is_changed_it_is_not_read(lab: Lab) -> None:
    await lab.service.seed_lead()
    config: RunnableConfig = {"configurable": {"thread_id": (await lab.mission())["mission_id"]}}
    async with await SteadyConnection.connect(lab.db.dsn, row_factory=dict_row, autocommit=True) as conn:
        await conn.execute("set session_replication_role = replica")
        saver = StepSaver(conn, serde=TenantSerializer(Vault(), "demo"))
        assert await saver.aget_tuple(config) is not None
        for what, change in CHANGES.items():
            async with conn.transaction(force_rollback=True):
                assert (await conn.execute(change)).rowcount > 0, what
                with pytest.raises(IntegrityBroken, match="a checkpoint of the mission was changed"):
                    await saver.aget_tuple(config)


async def test_a_checkpoint_is_written_over_by_nobody_who_runs_missions(lab: Lab) -> None:
    found = lab.db.rows(
        "select table_name as t, array_agg(privilege_type::text) as may from information_schema.table_privileges "
        "where grantee = 'colony_app' and table_name in ('checkpoints', 'checkpoint_blobs', 'checkpoint_writes') "
        "group by 1"
    )
    assert {row["t"]: set(row["may"]) for row in found} == {
        "checkpoints": {"INSERT", "SELECT"},
        "checkpoint_blobs": {"INSERT", "SELECT"},
        "checkpoint_writes": {"INSERT", "SELECT", "UPDATE"},
    }
