"""A process that serves and works until it is killed; without one of its mechanisms, if told so."""

import asyncio
import os
import sys

from adapters.postgres.graph_runs import WholeSaver
from adapters.postgres.saver import StepSaver
from tests.conftest import SHORT
from tests.support import serving

GIVEN = ("DATABASE_URL", "COLONY_HOME", "COLONY_EXTRA_GRAPHS")


async def main() -> None:
    """Serve and work."""
    if "first" in sys.argv:
        WholeSaver.aput = StepSaver.aput
    async with serving({name: os.environ[name] for name in GIVEN}, SHORT):
        await asyncio.Event().wait()


asyncio.run(main())
