"""Ending background tasks for certain."""

from __future__ import annotations

import asyncio
from typing import Any

_PATIENCE_S = 5.0


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until each has ended.

    Once is not enough: a cancellation that meets a driver in the middle of a statement may come out as that driver's
    error, and a loop that lives through errors lives on.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_PATIENCE_S)
    await asyncio.gather(*tasks, return_exceptions=True)
