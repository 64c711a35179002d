"""A mission's past among many others: its list, a difference and the start of a replay, beside an empty database's.

``python -m benchmarks.pasts`` seeds 10,000 other missions and 200,000 checkpoints by SQL, each a copy of a real one.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from adapters.postgres.claims import LeaseTimes
from adapters.postgres.cluster import open_cluster, stop_cluster
from adapters.postgres.provision import migrate
from benchmarks.stored import store
from tests.adapters.postgres.backdoor import Backdoor
from tests.support import Service, serving

MISSIONS, CHECKPOINTS_EACH, TIMES = 10_000, 20, 60


async def measured(missions: int = MISSIONS, times: int = TIMES) -> dict[str, Any]:
    """Return the milliseconds of each call on an empty and on a full database, asked in turn, and their ratio."""
    with tempfile.TemporaryDirectory(prefix="colony-pasts-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - Postgres runs under an account of its own
        home = Path(folder)
        with open_cluster(home) as cluster:
            async with AsyncExitStack() as stack:
                sides = {}
                for name in ("empty", "full"):
                    with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
                        admin.execute(f"create database pasts_{name}")
                    dsn = cluster.dsn_for(f"pasts_{name}")
                    migrate(dsn)
                    settings = {"DATABASE_URL": dsn, "COLONY_HOME": f"{folder}/{name}"}
                    service = await stack.enter_async_context(serving(settings, LeaseTimes()))
                    sides[name] = Side(service, Backdoor(dsn), await _finished(service))
                seeded(sides["full"].db, sides["full"].mission_id, missions)
                found = await _both(sides, missions, times)
        stop_cluster(home)
    return found


@dataclass
class Side:
    """One of the two databases with its service, and the mission that is looked at."""

    service: Service
    db: Backdoor
    mission_id: str

    async def listed(self) -> None:
        await self._get("checkpoints")

    async def differed(self) -> None:
        items = await self._get("checkpoints")
        ends = {"from": items["items"][-3]["checkpoint_id"], "to": items["items"][0]["checkpoint_id"]}
        await self._get("diff", **ends)

    async def begun(self) -> str:
        answer = await self.service.client.post(f"/api/colony/missions/{self.mission_id}/replay", json={})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["mission_id"])

    async def _get(self, part: str, **params: str) -> Any:
        answer = await self.service.client.get(f"/api/colony/missions/{self.mission_id}/{part}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def _finished(service: Service) -> str:
    await service.seed_lead()
    mission_id = await service.submit()
    await service.settled(mission_id)
    await service.post(mission_id, "approve")
    await service.settled(mission_id)
    return mission_id


async def _both(sides: Mapping[str, Side], missions: int, times: int) -> dict[str, Any]:
    taken: dict[str, dict[str, list[float]]] = {call: {name: [] for name in sides} for call in CALLS}
    for n in range(times + 2):
        for call in CALLS:
            for name, side in sides.items():
                if call == "replay_start" and n % 3:
                    continue
                began = time.perf_counter()
                made = await getattr(side, CALLS[call])()
                if n >= 2:  # the first ones warm up
                    taken[call][name].append((time.perf_counter() - began) * 1000)
                if made is not None:
                    await side.service.settled(made)
    counted = sides["full"].db.rows("select count(*) as n from checkpoints")[0]["n"]
    figures: dict[str, Any] = {"other_missions": missions, "checkpoints": counted}
    for call, by in taken.items():
        told = {f"{name}_{q}_ms": value for name, ms in by.items() for q, value in _told(ms).items()}
        ratios = {f"{q}_times": round(told[f"full_{q}_ms"] / told[f"empty_{q}_ms"], 2) for q in ("p50", "p95")}
        figures[call] = told | ratios
    return figures


CALLS = {"list": "listed", "diff": "differed", "replay_start": "begun"}


def seeded(db: Backdoor, mission_id: str, missions: int) -> None:
    """Put copies of a mission beside it, each with twenty checkpoints and their channels."""
    with db.connect() as conn:
        conn.execute("set session_replication_role = replica")
        for table, key, changes in (
            ("colony_missions", "mission_id", {"status": "'awaiting_approval'", "updated_at": "now()"}),
            ("colony_budgets", "mission_id", {}),
            ("checkpoints", "thread_id", {}),
            ("checkpoint_blobs", "thread_id", {}),
        ):
            columns = [
                row["column_name"]
                for row in conn.execute(
                    "select column_name from information_schema.columns where table_schema = 'public' "
                    "and table_name = %s and is_generated = 'NEVER' and is_identity = 'NO'",
                    [table],
                ).fetchall()
            ]
            values = {name: f"o.{name}" for name in columns} | changes | {key: "'other_' || n"}
            source = f"{table} o where o.{key} = '{mission_id}'"
            if table == "checkpoints":
                values["checkpoint_id"] = "o.checkpoint_id || '-' || k"
                source = (
                    f"(select * from checkpoints where thread_id = '{mission_id}' order by checkpoint_id limit 10) o, "
                    f"generate_series(1, {CHECKPOINTS_EACH // 10}) as k"
                )
            names = ", ".join(columns)
            conn.execute(
                f"insert into {table} ({names}) select {', '.join(values[c] for c in columns)} "
                f"from generate_series(1, {missions}) as n, {source}"
            )
        conn.execute("set session_replication_role = origin")
        conn.execute("vacuum analyze")


def _told(taken: list[float]) -> dict[str, float]:
    return {"p50": round(statistics.median(taken), 1), "p95": round(statistics.quantiles(taken, n=20)[-1], 1)}


if __name__ == "__main__":
    store("pasts", asyncio.run(measured()), TIMES)
