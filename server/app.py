"""The service as an ASGI app."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from server import errors, openapi
from server.compose import Colony
from server.embedded_root.app import create_root_app
from server.limits import Limits
from server.metrics.requests import CountedRequests
from server.principal import Gatekeeper
from server.routes import commands, constitution, delegations, events, halts, health, history, keys, missions, policies
from server.routes.sdk import ROUTERS
from server.tracing import SPANS, InTrace

_MODULES = (constitution, missions, events, commands, delegations, history, keys, policies, halts, health)
_ROUTERS = (*(module.router for module in _MODULES), *ROUTERS)


def create_app(colony: Colony) -> FastAPI:
    """Make the app over the opened parts; the embedded root is mounted at ``/root`` when it is used."""
    settings = colony.settings
    local = settings.deployment_mode.trusts_loopback
    # The interactive pages load scripts from elsewhere: for developers only.
    app = FastAPI(
        title="Colony",
        version="0.1.0",
        redirect_slashes=False,
        docs_url="/docs" if local else None,
        redoc_url=None,
        telemetry=SPANS,
        # As they are, not included: that would take every one apart again for this app, with its first request.
        routes=[route for router in _ROUTERS for route in router.routes],
    )
    app.state.colony = colony
    app.state.gatekeeper = Gatekeeper(settings, colony.keys)
    app.state.limits = Limits(settings, colony.metrics.refused)
    app.add_middleware(CountedRequests, metrics=colony.metrics)
    app.add_middleware(InTrace)
    errors.install(app)
    if settings.cors_origins is not None:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins.split(","),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Location", "Content-Location", "X-Pagination-Total", "X-Pagination-Next"],
        )
    openapi.describe(app, tokens_only=not local)
    if colony.root_store is not None:
        app.mount("/root", create_root_app(colony.root_store, api_key=settings.root_api_key, require_key=not local))
    return app
