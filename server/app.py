"""The service as an ASGI app."""

from __future__ import annotations

from fastapi import FastAPI

from server import errors
from server.compose import Colony
from server.embedded_root.app import create_root_app
from server.principal import Gatekeeper
from server.routes import health, missions


def create_app(colony: Colony) -> FastAPI:
    """Make the app over the opened parts; the embedded root is mounted at ``/root`` when it is used."""
    settings = colony.settings
    app = FastAPI(title="Colony", version="0.1.0", redirect_slashes=False)
    app.state.colony = colony
    app.state.gatekeeper = Gatekeeper(settings)
    errors.install(app)
    app.include_router(missions.router)
    app.include_router(health.router)
    if colony.root_store is not None:
        root = create_root_app(
            colony.root_store,
            api_key=settings.root_api_key,
            require_key=not settings.deployment_mode.trusts_loopback,
        )
        app.mount("/root", root)
    return app
