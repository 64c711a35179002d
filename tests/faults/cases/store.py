"""Postgres is stopped at once under load, and between times its sessions are ended, all of them, every two seconds."""

import asyncio
import os
import random
import signal
import time
from typing import Any

from adapters.postgres.cluster import open_cluster
from tests.faults.cases.crowd import Crowd, supervised
from tests.faults.stand import Stand

_CYCLE_S = 2.0
_END_SESSIONS = """
select count(pg_terminate_backend(pid)) as n from pg_stat_activity
where pid <> pg_backend_pid() and usename like 'colony%%' and backend_type = 'client backend'
"""


async def store(stand: Stand, count: int, seed: int) -> dict[str, Any]:
    """Stop Postgres ``count`` times; the stand must have a cluster of its own."""
    assert stand.home is not None, "Postgres can be stopped only where nobody else uses it"
    chance = random.Random(seed)  # noqa: S311
    await stand.serve()
    ended, away = 0, []
    async with supervised(stand, workers=2) as supervisor, Crowd(stand, at_once=4) as crowd:
        for _ in range(count):
            await asyncio.sleep(_CYCLE_S)
            ended += (await stand.rows(_END_SESSIONS))[0]["n"]
            stand.history.note("end-sessions", "fault")
            await asyncio.sleep(_CYCLE_S * chance.uniform(0.5, 1))
            away.append(await _stopped_and_started(stand))
    return {
        "stops": count,
        "sessions ended": ended,
        "away ms": [round(s * 1000) for s in away],
        "processes restarted": supervisor.restarted,
        "missions": len(crowd.missions),
    }


async def _stopped_and_started(stand: Stand) -> float:
    assert stand.home is not None
    (pid_file,) = await asyncio.to_thread(lambda: list(stand.home.rglob("postmaster.pid")))
    pid = int((await asyncio.to_thread(pid_file.read_text)).split()[0])
    stand.history.note("stop-postgres", "fault", pid=pid)
    began = time.monotonic()
    os.kill(pid, signal.SIGQUIT)
    # Opened again by the first who comes, as any process of a deployment would.
    cluster = await asyncio.to_thread(open_cluster, stand.home)
    cluster.close()
    return time.monotonic() - began
