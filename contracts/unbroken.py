"""Work that a cancellation waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

DoneT = TypeVar("DoneT")


async def unbroken(work: Coroutine[Any, Any, DoneT]) -> DoneT:
    """Let work that was begun come to its end; a cancellation is raised when it has."""
    running = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as exc:
            cancelled = exc
    if cancelled is not None:
        running.exception()
        raise cancelled
    return running.result()
