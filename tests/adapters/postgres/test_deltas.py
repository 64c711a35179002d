"""Deltas are pruned by the clock, however much is being said."""

import asyncio

from adapters.postgres.deltas import DeltaWriter
from server.ending import ended
from tests.adapters.postgres.stand import Stand
from tests.support import until


async def test_what_is_old_is_pruned_while_models_speak_without_a_pause(stand: Stand) -> None:
    writer = DeltaWriter(stand.pool, prune_ms=200)
    async with stand.claimed(await stand.submit()) as session:
        mission = session.mission
        stand.db.run(
            "alter table colony_deltas disable trigger user",
            "insert into colony_deltas (mission_id, tenant_id, task_key, call_id, text, created_at) "
            f"values ('{mission.mission_id}', 'demo', 't', 'c', 'old', now() - interval '1 hour')",
            "alter table colony_deltas enable trigger user",
        )
        writer.watched(mission.mission_id)
        say = writer.of(mission)
        running = asyncio.create_task(writer.run())

        async def pruned() -> bool:
            say("t", "c", "new")
            texts = [row["text"] for row in stand.db.rows("select text from colony_deltas")]
            return bool(texts) and "old" not in texts

        await until(pruned, "the old one to be gone", 5.0)
        await ended(running)
