"""A database per exercise, one nursery for a file of them, and several exercises at a time."""

import asyncio
from collections.abc import AsyncIterator, Hashable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from adapters.postgres.cluster import EmbeddedCluster
from tests.faults.exercise import Result, exercise
from tests.faults.nursery import Nursery, nursed

SEED = 20261121
# Most of an exercise is waiting for a lease to lapse.
_AT_ONCE = 4
Key = TypeVar("Key", bound=Hashable)


def selected(request: pytest.FixtureRequest) -> set[tuple[str, Any]]:
    """The tests of the asking file that will be run: each one's name and what it is about."""
    items = (i for i in request.session.items if isinstance(i, pytest.Function) and i.path == request.path)
    return {(i.originalname, *i.callspec.params.values()) for i in items}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nursery() -> AsyncIterator[Nursery]:
    async with nursed() as opened:
        yield opened


@asynccontextmanager
async def cloned(cluster: EmbeddedCluster, template: str) -> AsyncIterator[str]:
    """The administrator's DSN of a database of its own.

    A database is dropped when every connection of the server has let go of its files, one that is just being opened
    by this very loop among them: to block the loop meanwhile is to wait for oneself.
    """
    name = f"f_{uuid4().hex[:12]}"
    async with await psycopg.AsyncConnection.connect(cluster.dsn_for("postgres"), autocommit=True) as admin:
        await admin.execute(f"create database {name} template {template} strategy file_copy")
        yield cluster.dsn_for(name)
        await admin.execute(f"drop database {name} with (force)")


class Gym:
    """Where exercises are done; what each needs is its name and what `exercise` takes."""

    def __init__(self, cluster: EmbeddedCluster, template: str, nursery: Nursery, folder: Path) -> None:
        self._cluster = cluster
        self._template = template
        self._nursery = nursery
        self._folder = folder

    async def one(self, name: str, **more: Any) -> tuple[Path, Result]:
        """Do one; returns where its evidence is, too."""
        folder = self._folder / f"{name.replace(' ', '-')}-{uuid4().hex[:6]}"
        async with cloned(self._cluster, self._template) as dsn:
            return folder, await exercise(name, folder, dsn, self._nursery, **{"count": 1, "seed": SEED, **more})

    async def all(self, wanted: Mapping[Key, Mapping[str, Any]]) -> dict[Key, Result | BaseException]:
        """Do several at a time; what one raised is its result."""
        some = asyncio.Semaphore(_AT_ONCE)

        async def each(more: Mapping[str, Any]) -> Result:
            async with some:
                return (await self.one(**more))[1]

        ended = await asyncio.gather(*(each(more) for more in wanted.values()), return_exceptions=True)
        return dict(zip(wanted, ended, strict=True))


@pytest.fixture(scope="module")
def gym(cluster: EmbeddedCluster, template: str, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Gym:
    return Gym(cluster, template, nursery, tmp_path_factory.mktemp("faults"))
