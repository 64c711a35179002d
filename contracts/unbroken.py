"""Work that a cancellation waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

DoneT = TypeVar("DoneT")


async def unbroken(work: Awaitable[DoneT]) -> DoneT:
    """Let work that was begun come to its end, however often the caller is cancelled; the last one is raised then."""
    running = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as exc:
            cancelled = exc
    if cancelled is not None:
        if not running.cancelled():
            running.exception()
        raise cancelled
    return running.result()
