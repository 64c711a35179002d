"""A real Postgres per session, a migrated template, a database of its own for every test, and the service over it."""

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
import structlog
from psycopg import sql

from adapters.postgres.claims import LeaseTimes
from adapters.postgres.cluster import EmbeddedCluster, open_cluster, stop_cluster
from adapters.postgres.provision import Dsns, dsns_for, migrate
from tests.support import Service, Spawned, serving

# Neither durability nor how long a guessed password takes is what these tests judge; those that kill Postgres bring
# their own cluster.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "scram_iterations": "1",
}
_ROOM = 2 * 1024**3
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
# The default shows every frame's locals, which takes half a minute where an error comes out of a graph's run.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=True),
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, colors=False),
    ]
)


def pytest_collection_finish() -> None:
    """Set apart what was collected: it stays, and going through it was a tenth of the tests' time."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let it go in order."""
    gc.unfreeze()


def _room() -> str:
    """Where databases come and go by the thousand: in memory, if there is room, since file systems are slow at that."""
    in_memory = Path("/dev/shm")
    return str(in_memory) if in_memory.is_dir() and shutil.disk_usage(in_memory).free > _ROOM else "/tmp"


@pytest.fixture(scope="session")
def cluster() -> Iterator[EmbeddedCluster]:
    with tempfile.TemporaryDirectory(prefix="colony-tests-", dir=_room()) as folder:
        home = Path(folder)
        home.chmod(0o755)
        with open_cluster(home, settings=FAST) as opened:
            with psycopg.connect(opened.dsn_for("postgres"), autocommit=True) as admin:
                password = sql.Literal(admin.info.password)  # hashed anew, as lightly as the roles'
                admin.execute(sql.SQL("alter role current_user password {}").format(password))
            yield opened
        stop_cluster(home)


@pytest.fixture(scope="session")
def template(cluster: EmbeddedCluster) -> str:
    """The name of a migrated database that tests are cloned from."""
    name = "colony_template"
    with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name}")
    migrate(cluster.dsn_for(name))
    return name


@pytest.fixture
def database(cluster: EmbeddedCluster, template: str) -> Iterator[str]:
    """The administrator's DSN of a database of this test's own."""
    name = f"t_{uuid4().hex[:12]}"
    with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template} strategy file_copy")
        yield cluster.dsn_for(name)
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture
def dsns(database: str) -> Dsns:
    """The DSNs of the roles on this test's database."""
    return dsns_for(database)


SHORT = LeaseTimes(heartbeat_ms=200, lease_ms=1_000, sweep_ms=200)


@pytest_asyncio.fixture
async def serve(database: str, tmp_path: Path) -> AsyncIterator[Callable[..., object]]:
    """Start services in this process over the test's database: ``await serve(**environment)``."""
    async with AsyncExitStack() as stack:

        async def start(**environment: str) -> Service:
            settings = {"DATABASE_URL": database, "COLONY_HOME": str(tmp_path), **environment}
            return await stack.enter_async_context(serving(settings, SHORT))

        yield start


@pytest_asyncio.fixture
async def service(serve: Callable[..., object]) -> Service:
    """One running service, API and worker, with the embedded root, in this process."""
    return await serve()  # type: ignore[no-any-return,misc]


@pytest.fixture
def spawn(database: str, tmp_path: Path) -> Iterator[Callable[..., Spawned]]:
    """Start real processes of the command: ``spawn("serve", "--port", "0", **environment)``; all are ended."""
    started: list[Spawned] = []

    def start(*arguments: str, **environment: str) -> Spawned:
        env = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database,
            "COLONY_HOME": str(tmp_path),
            "LOG_LEVEL": "info",
            **environment,
        }
        process = Spawned.start(arguments, env, tmp_path / f"process-{len(started)}.log")
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data beside the project; a test that needs it is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder ../shared/data is not here")
    return SHARED_DATA
