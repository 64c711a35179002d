"""Record missions of every class, then replay them where nothing can be reached: ``python -m benchmarks.replay_check``.

The replaying process is a fresh one: its sockets connect nowhere, its model must not be asked, its root is not there,
and the database hides from it whatever the recorded missions made. What both made is compared by an administrator.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg

from adapters.postgres.claims import LeaseTimes
from adapters.postgres.cluster import open_cluster, stop_cluster
from adapters.postgres.provision import migrate
from benchmarks.stored import store
from tests.adapters.postgres.backdoor import Backdoor
from tests.replay.fleet import asked, hidden, imported, made_by, recorded, replayed_alone
from tests.support import serving


async def _recorded(dsn: str, home: Path, most: int) -> list[str]:
    async with serving({"DATABASE_URL": dsn, "COLONY_HOME": str(home)}, LeaseTimes()) as service:
        await imported(service)
        return await recorded(service, asked(most))


def checked(dsn: str, home: Path, most: int) -> dict[str, Any]:
    """Return how many of so many missions were replayed identically, and what was run for it."""
    db = Backdoor(dsn)
    began = time.monotonic()
    missions = asyncio.run(_recorded(dsn, home, most))
    recorded_s = time.monotonic() - began
    hidden(db, missions)
    began = time.monotonic()
    told = replayed_alone(dsn, home / "alone", missions)
    replayed_s = time.monotonic() - began
    reports = told["reports"]
    for report in reports:
        if not report["identical"]:
            sys.stderr.write(f"{report['of']}: {report['first_divergence'] or report['failure']}\n")
    same = [r for r in reports if r["identical"] and made_by(db, r["mission_id"]) == made_by(db, r["of"])]
    statuses = Counter(r["status"]["original"] for r in reports)
    kinds = Counter(
        r["mission_type"] for r in db.rows("select mission_type from colony_missions where lineage_kind is null")
    )
    return {
        "missions": len(missions),
        "identical": len(same),
        "artifacts": sum(sum(made_by(db, r["of"]).values()) for r in reports),
        "originals_unreadable": told["unreadable"],
        "connections_refused": told["refused"],
        "classes": dict(kinds),
        "ended_as": dict(statuses),
        "roles_run": told["ran"],
        "recorded_s": round(recorded_s, 1),
        "replayed_s": round(replayed_s, 1),
    }


def main() -> None:
    """Run the check; exit 1 unless every mission was replayed identically."""
    parser = argparse.ArgumentParser(prog="replay_check", description=__doc__)
    parser.add_argument("--most", type=int, default=50, help="so many missions")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="colony-replay-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - Postgres runs under an account of its own
        home = Path(folder)
        with open_cluster(home) as cluster:
            with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
                admin.execute("create database replay_check")
            dsn = cluster.dsn_for("replay_check")
            migrate(dsn)
            figures = checked(dsn, home, given.most)
        stop_cluster(home)
    store("replay", figures, figures["missions"])
    if figures["identical"] < figures["missions"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
