"""Checkpoints, difference, replay and fork: documented, and not answered by this version yet."""

from __future__ import annotations

from typing import NoReturn

from fastapi import APIRouter

from contracts.errors import NotBuilt
from server.compose import Colony
from server.principal import Operator, Principal, Reader
from server.routes.parts import BoundedRoute, MissionRef, Parts

# The description tells what the service does; what it does not do yet is left out of it.
router = APIRouter(prefix="/api/colony", tags=["history"], route_class=BoundedRoute, include_in_schema=False)


async def _refused(colony: Colony, who: Principal, mission_id: str, what: str) -> NoReturn:
    await colony.reader.mission(who.tenant_id, mission_id)
    raise NotBuilt(f"{what} is not built yet", hint="The mission's events and artifacts are there.")


@router.get("/missions/{mission_id}/checkpoints")
async def checkpoints(mission_id: MissionRef, who: Reader, colony: Parts) -> None:
    """List the mission's checkpoints."""
    await _refused(colony, who, mission_id, "the list of checkpoints")


@router.get("/missions/{mission_id}/checkpoints/{checkpoint_id}")
async def checkpoint(mission_id: MissionRef, checkpoint_id: str, who: Reader, colony: Parts) -> None:  # noqa: ARG001
    """Return the state at a checkpoint."""
    await _refused(colony, who, mission_id, "the state at a checkpoint")


@router.get("/missions/{mission_id}/diff")
async def diff(mission_id: MissionRef, who: Reader, colony: Parts) -> None:
    """Return the difference of two checkpoints, channel by channel."""
    await _refused(colony, who, mission_id, "the difference of checkpoints")


@router.post("/missions/{mission_id}/replay", status_code=202)
async def replay(mission_id: MissionRef, who: Operator, colony: Parts) -> None:
    """Run a past mission again, as a new one without effects."""
    await _refused(colony, who, mission_id, "replay")


@router.post("/missions/{mission_id}/fork", status_code=202)
async def fork(mission_id: MissionRef, who: Operator, colony: Parts) -> None:
    """Go on from a past checkpoint, as a new mission."""
    await _refused(colony, who, mission_id, "fork")
