"""A database per exercise, and one nursery for a file of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from adapters.postgres.cluster import EmbeddedCluster
from tests.faults.exercise import Result, exercise
from tests.faults.nursery import Nursery, nursed

SEED = 20261121
Exercise = Callable[..., Awaitable[Result]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nursery() -> AsyncIterator[Nursery]:
    async with nursed() as opened:
        yield opened


@contextmanager
def cloned(cluster: EmbeddedCluster, template: str) -> Iterator[str]:
    """The administrator's DSN of a database of its own."""
    name = f"f_{uuid4().hex[:12]}"
    with psycopg.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template}")
        yield cluster.dsn_for(name)
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture
def exercised(cluster: EmbeddedCluster, template: str, nursery: Nursery, tmp_path: Path) -> Iterator[Exercise]:
    """Bring a fault about on a database of its own."""
    with ExitStack() as stack:

        async def once(name: str, **more: Any) -> Result:
            dsn = stack.enter_context(cloned(cluster, template))
            folder = tmp_path / f"{name}-{uuid4().hex[:6]}"
            return await exercise(name, folder, dsn, nursery, **{"seed": SEED, "count": 1, **more})

        yield once
