"""Payloads at rest: nothing of a customer's is readable in the database, and what is sealed opens in its place only."""

from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple, empty_checkpoint
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from adapters.postgres import vault as vault_module
from adapters.postgres.saver import StepSaver
from adapters.postgres.sealed_checkpoints import TenantSerializer
from adapters.postgres.vault import Vault
from contracts.errors import IntegrityBroken, KeyMissing
from tests.adapters.postgres.stand import Stand, open_stand

CANARY = "Ms Amina Quill asked for 12 Harbour Lane"
ONE, OTHER = bytes(range(32)), bytes(range(1, 33))
TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


def thread(mission_id: str, checkpoint_id: str | None = None) -> dict[str, Any]:
    named = {"checkpoint_id": checkpoint_id} if checkpoint_id else {}
    return {"configurable": {"thread_id": mission_id, "checkpoint_ns": "", **named}}


def spoken() -> Checkpoint:
    """Return a checkpoint that says the canary in a scalar and in two others, the second of them otherwise."""
    values = {"goal": CANARY, "notes": {"said": CANARY}, "more": {"said": CANARY[::-1]}, "revision": 1}
    versions = {name: f"{n:032}.0" for n, name in enumerate(values, start=1)}
    return {**empty_checkpoint(), "v": 4, "channel_values": values, "channel_versions": versions}


async def say(saver: AsyncPostgresSaver, mission_id: str) -> str:
    """Store the canary wherever a checkpointer can, twice; return the first checkpoint's id."""
    first, second = spoken(), spoken()
    config = {**thread(mission_id), "metadata": {"asked_by": CANARY}}
    at = await saver.aput(config, first, {"source": "loop", "step": 1}, first["channel_versions"])
    await saver.aput_writes(at, [("__interrupt__", {"said": CANARY})], "task-1")
    await saver.aput(at, second, {"source": "loop", "step": 2}, {})
    return str(first["id"])


def dump(stand: Stand) -> str:
    """Return every row of the checkpointer's tables, bytes as text."""
    everything = [stand.db.rows(f"select * from {table}") for table in TABLES]
    assert all(everything)
    return "\n".join(_text(value) for rows in everything for row in rows for value in row.values())


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


@asynccontextmanager
async def told(stand: Stand) -> AsyncIterator[tuple[StepSaver, str, str]]:
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        assert isinstance(session.saver, StepSaver)
        yield session.saver, mission_id, await say(session.saver, mission_id)


async def nothing_is_readable(stand: Stand) -> None:
    """The check: what was stored is read back whole, and none of it is in the database."""
    async with told(stand) as (saver, mission_id, checkpoint_id):
        found = await saver.aget_tuple(thread(mission_id, checkpoint_id))
        assert found is not None
        assert found.checkpoint["channel_values"] == spoken()["channel_values"]
        assert found.metadata["asked_by"] == CANARY  # type: ignore[typeddict-item]
        assert found.pending_writes == [("task-1", "__interrupt__", {"said": CANARY})]
        assert [c.metadata["step"] async for c in saver.alist(thread(mission_id))] == [2, 1]
    assert CANARY not in dump(stand)


@pytest.fixture
def sealing() -> Vault:
    return Vault([ONE])


async def test_a_checkpoint_says_nothing_to_whoever_reads_the_database(database: str, sealing: Vault) -> None:
    async with open_stand(database, sealing) as stand:
        await nothing_is_readable(stand)


async def test_without_a_key_the_database_can_be_read(database: str) -> None:
    async with open_stand(database) as stand:
        with pytest.raises(AssertionError):
            await nothing_is_readable(stand)


SWAPPED = (
    "update checkpoint_blobs a set blob = b.blob from checkpoint_blobs b "
    "where a.thread_id = b.thread_id and a.channel = 'notes' and b.channel = 'more'"
)
FROM_NEXT = "from checkpoints b where a.thread_id = b.thread_id and b.checkpoint_id > a.checkpoint_id"
TAMPERED = {
    "a byte of a channel": "update checkpoint_blobs set blob = set_byte(blob, 40, get_byte(blob, 40) # 1) "
    "where channel = 'notes'",
    "a channel cut short": "update checkpoint_blobs set blob = substring(blob from 1 for 20) where channel = 'notes'",
    "two channels swapped": SWAPPED,
    "a channel removed": "delete from checkpoint_blobs where channel = 'more'",
    "a channel emptied": "update checkpoint_blobs set type = 'empty', blob = null where channel = 'more'",
    "another type": "update checkpoint_blobs set type = 'json' where channel = 'more'",
    "a byte of the scalars": "update checkpoints set checkpoint = jsonb_set(checkpoint, '{channel_values,sealed}', "
    "to_jsonb(reverse(checkpoint #>> '{channel_values,sealed}')))",
    "the scalars of another step": "update checkpoints a set checkpoint = jsonb_set(a.checkpoint, '{channel_values}', "
    f"b.checkpoint -> 'channel_values') {FROM_NEXT}",
    "a plaintext scalar": "update checkpoints set checkpoint = jsonb_set(checkpoint, '{channel_values}', "
    "'{\"revision\": 2}')",
    "the versions": "update checkpoints set checkpoint = jsonb_set(checkpoint, '{versions_seen}', "
    '\'{"x": {"y": "1"}}\')',
    "the metadata": f"update checkpoints a set metadata = b.metadata {FROM_NEXT}",
    "a pending write": "update checkpoint_writes set blob = set_byte(blob, 40, get_byte(blob, 40) # 1)",
    "a pending write of another channel": "update checkpoint_writes set channel = '__resume__'",
    "another key named": "update checkpoint_blobs set blob = set_byte(blob, 5, get_byte(blob, 5) # 1)",
}
REFUSED = {"payload_tampered", "payload_not_encrypted", "encryption_key_missing"}


async def what_was_changed_does_not_open(stand: Stand, changes: Mapping[str, str]) -> None:
    """The check: after a change the checkpoint is not read, and the error says why."""
    stand.db.run(*(f"alter table {table} disable trigger fence" for table in TABLES))
    codes = {}
    for name, change in changes.items():
        async with told(stand) as (saver, mission_id, checkpoint_id):
            config = thread(mission_id, checkpoint_id)
            assert await saver.aget_tuple(config) is not None
            stand.db.run(change)
            codes[name] = await refusal(saver.aget_tuple(config))
    assert {name for name, code in codes.items() if code not in REFUSED} == set()


async def refusal(reading: Awaitable[CheckpointTuple | None]) -> str:
    try:
        await reading
    except (IntegrityBroken, KeyMissing) as exc:
        return exc.code
    return "read"


async def test_a_changed_checkpoint_does_not_open(database: str, sealing: Vault) -> None:
    async with open_stand(database, sealing) as stand:
        await what_was_changed_does_not_open(stand, TAMPERED)


async def test_without_the_associated_data_two_channels_can_be_swapped(
    database: str, sealing: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_module, "_bound", lambda *_: b"")
    async with open_stand(database, sealing) as stand:
        with pytest.raises(AssertionError):
            await what_was_changed_does_not_open(stand, {"two channels swapped": SWAPPED})


async def plaintext_is_refused(database: str, vault: Vault) -> None:
    """The check: a checkpoint that somebody wrote in plaintext is not read by a process that encrypts."""
    async with open_stand(database, vault) as stand:
        mission_id = await stand.submit()
        async with stand.claimed(mission_id) as session:
            forger = StepSaver(session.saver.conn, serde=TenantSerializer(Vault(), "demo"))
            await say(forger, mission_id)
            assert await refusal(session.saver.aget_tuple(thread(mission_id))) == "payload_not_encrypted"


async def test_a_plaintext_checkpoint_is_refused(database: str, sealing: Vault) -> None:
    await plaintext_is_refused(database, sealing)


async def test_a_tolerant_vault_would_read_a_plaintext_checkpoint(database: str) -> None:
    with pytest.raises(AssertionError):
        await plaintext_is_refused(database, Vault([ONE], tolerant=True))


async def test_only_who_has_the_key_reads_and_only_as_its_tenant(database: str, sealing: Vault) -> None:
    readers = {
        "encryption_key_missing": [(Vault([OTHER]), "demo"), (Vault(), "demo")],
        "payload_tampered": [(sealing, "other")],
        "read": [(Vault([OTHER, ONE]), "demo")],
    }
    async with open_stand(database, sealing) as stand, told(stand) as (saver, mission_id, checkpoint_id):
        for code, given in readers.items():
            for vault, tenant_id in given:
                other = StepSaver(saver.conn, serde=TenantSerializer(vault, tenant_id))
                other.lock = saver.lock
                assert await refusal(other.aget_tuple(thread(mission_id, checkpoint_id))) == code
