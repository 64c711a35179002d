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

__all__ = [
    "Accepted",
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
    "colony_router",
]
