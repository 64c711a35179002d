"""Model routes: which tier leads to which provider, and which tier a task is sent to."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.models.tokens import count_tokens
from contracts.mission import ModelTier, Sensitivity
from contracts.ports import Route

EXTRACTIVE = Route(
    tier=ModelTier.LOCAL_PRIVATE,
    provider="extractive",
    model="extractive-1",
    private=True,
    max_tokens=4_096,
    timeout_ms=60_000,
)


class ModelRoutes:
    """Satisfies ``RoutePort`` over the configured tiers."""

    def __init__(self, routes: Mapping[ModelTier, Route] | None = None, preferred: ModelTier = EXTRACTIVE.tier) -> None:
        self.routes = dict(routes or {EXTRACTIVE.tier: EXTRACTIVE})
        self._preferred = preferred

    def route(self, sensitivity: str, kind: str, /) -> Route:
        """Return the preferred route; personal data goes to a private one, unless the preferred one may see it.

        This only saves a blocked mission: what may go where is for the routing policy to say.
        """
        preferred = self.routes[self._preferred]
        if sensitivity != Sensitivity.PERSONAL or preferred.private or preferred.personal_allowed:
            return preferred
        return next((r for r in self.routes.values() if r.private), preferred)

    def count_tokens(self, text: str) -> int:
        """Count a text's tokens."""
        return count_tokens(text)
