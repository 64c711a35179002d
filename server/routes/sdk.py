"""The LangGraph SDK's own routes."""

from __future__ import annotations

from server.routes import (
    sdk_assistants,
    sdk_crons,
    sdk_events,
    sdk_many,
    sdk_runs,
    sdk_socket,
    sdk_store,
    sdk_threads,
)

_MODULES = (sdk_store, sdk_assistants, sdk_threads, sdk_crons, sdk_many, sdk_runs, sdk_events, sdk_socket)
ROUTERS = tuple(module.router for module in _MODULES)
