"""The HTTP client that a provider's own client is given."""

from __future__ import annotations

import httpx2

from adapters.models.routefile import Endpoint
from adapters.tracing import stamp

CONNECT_SECONDS = 5.0


def http_client(endpoint: Endpoint) -> httpx2.AsyncClient:
    """Return the client for an endpoint; each answer's time is bounded by the one who asks.

    A private endpoint is never reached through a proxy, and a redirect, which could lead a prompt elsewhere, is not
    followed.
    """
    timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
    return httpx2.AsyncClient(
        timeout=timeout,
        trust_env=not endpoint.route.private,
        follow_redirects=False,
        event_hooks={"request": [stamp]},
    )
