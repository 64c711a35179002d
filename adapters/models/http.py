"""The HTTP client that a provider's own client is given."""

from __future__ import annotations

import httpx2

from adapters.models.routefile import Endpoint
from adapters.outbound.client import guarded
from adapters.outbound.gate import Gate, origin_of
from adapters.tracing import stamp

CONNECT_SECONDS = 5.0
_SENT = frozenset(
    {"host", "accept", "accept-encoding", "connection", "content-type", "content-length", "transfer-encoding"}
    | {"authorization", "user-agent", "anthropic-version", "x-stainless-raw-response"}
)
"""What goes out; ``stamp`` adds the trace. Anthropic's client reads its own note back from the request."""
_AGENT = "colony"
NO_KEY = "none"
"""Stands for a key where there is none: without any, a client would take one from the environment."""


def http_client(endpoint: Endpoint, home: str) -> httpx2.AsyncClient:
    """Return the client for an endpoint, whose address is ``home``; each answer's time is bounded by the one who asks.

    A private endpoint is never reached through a proxy, and a redirect, which could lead a prompt elsewhere, is not
    followed. Providers' clients take headers from the environment (an organization, a project, any other, even another
    key): of what they send only what the request needs goes out, under our own name and with the route's key.
    """
    key = endpoint.api_key.get_secret_value() if endpoint.api_key else NO_KEY

    async def own(request: httpx2.Request) -> None:
        for name in {name.lower() for name in request.headers} - _SENT:
            del request.headers[name]
        request.headers["authorization"] = f"Bearer {key}"
        request.headers["user-agent"] = _AGENT

    gate = Gate(origin_of(httpx2.URL(home)), inside=True, private=endpoint.route.private)
    return guarded(
        httpx2.AsyncClient,
        gate,
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
        trust_env=not endpoint.route.private,
        event_hooks={"request": [own, stamp]},
    )
