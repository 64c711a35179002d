"""The LangGraph SDK's own routes."""

from __future__ import annotations

from server.routes import sdk_assistants, sdk_events, sdk_runs, sdk_socket, sdk_store, sdk_threads

# The store's come first: its refusals of crons lie below the paths of runs.
ROUTERS = tuple(module.router for module in (sdk_store, sdk_assistants, sdk_threads, sdk_runs, sdk_events, sdk_socket))
