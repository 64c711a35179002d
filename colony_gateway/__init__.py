"""Colony in another product's backend: a typed client and a router to mount. Needs only httpx, fastapi and pydantic."""

from colony_gateway.client import ColonyGateway
from colony_gateway.router import colony_router
from colony_gateway.settings import GatewayMisconfigured, GatewaySettings
from colony_gateway.values import (
    Accepted,
    Caller,
    Degraded,
    DegradedCode,
    Event,
    Events,
    Mission,
    MissionPage,
    MissionRequest,
    Problem,
    Ready,
)
from colony_gateway.writebacks import (
    ApprovedWrite,
    ApprovedWrites,
    Reason,
    WritebackCheck,
    writebacks_router,
)

__all__ = [
    "Accepted",
    "ApprovedWrite",
    "ApprovedWrites",
    "Caller",
    "ColonyGateway",
    "Degraded",
    "DegradedCode",
    "Event",
    "Events",
    "GatewayMisconfigured",
    "GatewaySettings",
    "Mission",
    "MissionPage",
    "MissionRequest",
    "Problem",
    "Ready",
    "Reason",
    "WritebackCheck",
    "colony_router",
    "writebacks_router",
]
