"""What routes share: the process's parts, bodies, mission ids."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute

from contracts.errors import NotFound, Unavailable
from server.body import read_body
from server.compose import Colony

_LONGEST_ID = 200


class BoundedRoute(APIRoute):
    """A route that answers in time, even where the store neither answers nor refuses.

    A driver that waits for a frozen server can't be cancelled at once: the call is left behind, not waited for.
    """

    deadline_s = 15.0

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with a deadline for all that comes before the answer's first byte."""
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            call = asyncio.ensure_future(handle(request))
            try:
                await asyncio.wait({call}, timeout=self.deadline_s)
            except asyncio.CancelledError:
                call.cancel()
                raise
            if not call.done():
                call.cancel()
                raise Unavailable(f"there was no answer within {self.deadline_s:.0f} s", code="timed_out")
            return call.result()

        return bounded


async def colony_of(request: Request) -> Colony:
    """Return the process's parts."""
    colony = request.app.state.colony
    if not isinstance(colony, Colony):
        raise TypeError("the app was made without its parts")
    return colony


async def whole_id(mission_id: str) -> str:
    """Return a mission's id if it can be one.

    Raises:
        NotFound: no mission has such an id.
    """
    if len(mission_id) > _LONGEST_ID or not mission_id.isprintable():
        raise NotFound("there is no such mission", code="mission_not_found")
    return mission_id


Parts = Annotated[Colony, Depends(colony_of)]
Body = Annotated[dict[str, Any], Depends(read_body)]
MissionRef = Annotated[str, Depends(whole_id)]
# Not among the described parameters: whoever makes up requests from them would use one key for different bodies.
IdempotencyKey = Annotated[
    str | None, Header(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$", include_in_schema=False)
]
