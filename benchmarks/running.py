"""What evaluations share: a service that is thrown away afterwards, and work on many items, a few at a time."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.postgres.claims import LeaseTimes
from adapters.postgres.cluster import stop_cluster
from tests.support import Service, serving

AT_ONCE = 6
Figures = dict[str, dict[str, float]]


@asynccontextmanager
async def fresh_service() -> AsyncIterator[Service]:
    """Serve over an embedded Postgres that is thrown away afterwards."""
    with tempfile.TemporaryDirectory(prefix="colony-eval-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - Postgres runs under an account of its own
        environment = {"COLONY_HOME": folder, "COLONY_DEFAULT_TOKEN_BUDGET": "5000000"}
        async with serving(environment, LeaseTimes()) as service:
            yield service
        stop_cluster(Path(folder))


async def each(items: Sequence[Any], work: Callable[[Any], Awaitable[Any]], what: str) -> list[Any]:
    """Run work on every item, a few at a time, telling how far it is."""
    room = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(item: Any) -> Any:
        nonlocal done
        async with room:
            result = await work(item)
        done += 1
        if done % 50 == 0 or done == len(items):
            sys.stderr.write(f"{what}: {done}/{len(items)}\n")
        return result

    return list(await asyncio.gather(*(one(item) for item in items)))
