"""Whether who began a stream may still have it: a key that is revoked and a token that expires end what they opened."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import Request

from contracts.errors import StoreUnavailable, Unauthenticated
from server.principal import Gatekeeper

_LOOK_S = 1.0


class Standing:
    """Looks at a request's credentials again, at most once a second, before something more is sent."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._looked = time.monotonic()

    async def holds(self) -> bool:
        """Tell whether the credentials still hold. While the store is away no key can be looked up, nor revoked."""
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return True
        gatekeeper: Gatekeeper = self._request.app.state.gatekeeper
        try:
            await gatekeeper.principal(self._request)
        except Unauthenticated:
            return False
        except StoreUnavailable:
            return True
        self._looked = now
        return True


async def while_it_holds(content: Any, request: Request) -> AsyncIterator[bytes]:
    """Give a stream's chunks for as long as its caller's credentials hold."""
    standing = Standing(request)
    async with aclosing(content) as chunks:
        async for chunk in chunks:
            if not await standing.holds():
                return
            yield chunk
