"""Make a database of missions at every kind of rest: ``python -m tests.corpus.make FILE``.

Run it at a version that is about to be left behind; the file, with the list of its missions beside it, stays in this
folder for good. Missions: waiting for a person, killed in the middle, not begun, failed, ended.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from adapters.postgres.cluster import open_cluster, stop_cluster
from adapters.postgres.cluster_server import program
from graph.version import GRAPH_VERSION
from tests.support import Service, Spawned, until

_DOCUMENT = "The show flat of Harbour View opens on Monday. The service charge is 4.20 per square metre and year."


async def fill(service: Service, env: dict[str, str], home: Path) -> dict[str, str]:
    """Bring one mission to each kind of rest and return their ids by what they are."""
    found: dict[str, str] = {}
    for n in range(4):
        await service.seed_lead(f"L-{n}")
    document = {"document_id": "D-1", "title": "Harbour View", "source": "harbour.md", "media_type": "text/markdown"}
    await service._put("documents", [{**document, "text": _DOCUMENT}])
    worker = Spawned.start(("worker",), env, home / "worker.log")
    found["waiting"] = await service.submit(inputs={"lead_id": "L-0"})
    found["completed"] = await service.submit(inputs={"lead_id": "L-1"})
    found["failed"] = await service.submit(inputs={"lead_id": "L-none"})
    question = {"question": "What is the service charge?"}
    found["answered"] = await service.submit("oracle_advisory", inputs=question)
    for mission_id in list(found.values()):
        await service.settled(mission_id)
    await service.post(found["completed"], "approve")
    await service.settled(found["completed"])
    found["killed"] = await service.submit(inputs={"lead_id": "L-2"})

    async def midway() -> bool:
        return (await service.mission(found["killed"]))["stage"] in {"researcher", "workers", "aggregator"}

    await until(midway, "the mission to be under way")
    worker.kill()
    found["received"] = await service.submit(inputs={"lead_id": "L-3"})
    states = {name: await service.mission(mission_id) for name, mission_id in found.items()}
    for name, state in states.items():
        sys.stdout.write(f"{name:10} {state['status']:18} {state['stage']}\n")
    return found


async def make(file: Path) -> None:
    """Run the service over a cluster of its own and dump its database."""
    with tempfile.TemporaryDirectory(prefix="colony-corpus-", dir="/tmp") as folder:
        home = Path(folder)
        os.chmod(folder, 0o755)  # noqa: S103 - Postgres runs under an account of its own
        with open_cluster(home) as cluster:
            env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd(), "DATABASE_URL": cluster.dsn}
            env |= {"COLONY_HOME": folder, "LOG_LEVEL": "info"}
            api = Spawned.start(("serve", "--no-worker", "--port", "0"), env, home / "api.log")
            try:
                base = await api.ready()
                async with httpx.AsyncClient(base_url=base, timeout=60) as client:
                    missions = await fill(Service(client), env | {"COLONY_SERVICE_BASE_URL": base}, home)
            finally:
                api.kill()
            dump = [str(program("pg_dump")), "--format=custom", "--compress=gzip:9", "--no-unlogged-table-data"]
            subprocess.run(  # noqa: ASYNC221 - nothing else is going on
                [*dump, "--exclude-table-data=queue.*", f"--file={file}", cluster.dsn], check=True
            )
        stop_cluster(home)
    about = {"graph_version": GRAPH_VERSION, "missions": missions}
    file.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1]).resolve()))
