"""One service for all notebooks, on a database of its own in the session's embedded Postgres."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.cluster import EmbeddedCluster
from tests.support import Spawned


@pytest.fixture(scope="module")
def address(cluster: EmbeddedCluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running service."""
    home: Path = tmp_path_factory.mktemp("notebooks")
    with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(f"create database notebooks template {template} strategy file_copy")
    env = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": cluster.dsn_for("notebooks"),
        "COLONY_HOME": str(home),
        "LOG_LEVEL": "info",
    }
    process = Spawned.start(("serve", "--port", "0"), env, home / "serve.log")
    try:
        yield asyncio.run(process.ready())
    finally:
        process.kill()


@pytest.fixture(scope="module", autouse=True)
def jupyter() -> Iterator[None]:
    """Jupyter keeps nothing in the home of whoever runs the tests; its sockets' paths must be short."""
    with tempfile.TemporaryDirectory(prefix="nb-", dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            patch.setenv(name, folder)
        yield
