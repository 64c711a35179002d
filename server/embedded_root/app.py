"""The embedded root as an ASGI app, to be mounted at `/root` or served by itself."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import SecretStr

from adapters.postgres.root_store import RootStore
from server import errors
from server.embedded_root import content, crm, imports, writebacks
from server.embedded_root.access import Service


def create_root_app(store: RootStore, *, api_key: SecretStr | None, require_key: bool) -> FastAPI:
    """Make the root over an open store.

    A caller needs the key, unless ``require_key`` is false and it is a program on this machine. With neither a key nor
    that exception nobody gets in: nothing configured allows nothing.
    """
    routes = [route for module in (crm, content, imports, writebacks) for route in module.router.routes]
    app = FastAPI(title="Colony's embedded root", openapi_url=None, redirect_slashes=False, routes=routes)
    app.state.service = Service(store, api_key, require_key)
    errors.install(app)
    return app
