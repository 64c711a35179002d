"""Running one command against the service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from server.cli.api import Api

T = TypeVar("T")


def against(work: Callable[[Api], Awaitable[T]]) -> T:
    """Do something with a connection to the service.

    Raises:
        typer.Exit: it was interrupted; what the service does goes on.
    """
    from server.cli.api import connected
    from server.settings import load_settings

    settings = load_settings()

    async def whole() -> T:
        async with connected(settings) as api:
            return await work(api)

    try:
        return asyncio.run(whole())
    except KeyboardInterrupt as exc:
        raise typer.Exit(130) from exc
