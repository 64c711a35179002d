"""Model routes: which tier leads to which provider."""

from __future__ import annotations

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
_CHARACTERS_PER_TOKEN = 4


class ModelRoutes:
    """Satisfies ``RoutePort`` over the configured tiers."""

    def __init__(self, routes: dict[ModelTier, Route] | None = None, preferred: ModelTier | None = None) -> None:
        self._routes = routes or {EXTRACTIVE.tier: EXTRACTIVE}
        self._preferred = preferred or EXTRACTIVE.tier

    @property
    def providers(self) -> dict[ModelTier, str]:
        """The provider that each configured tier leads to."""
        return {tier: route.provider for tier, route in self._routes.items()}

    def route(self, sensitivity: str, kind: str) -> Route:
        """Return the preferred route; personal data goes to a private one where there is one."""
        if sensitivity == Sensitivity.PERSONAL:
            private = [r for r in self._routes.values() if r.private]
            if private:
                return private[0]
        return self._routes[self._preferred]

    def count_tokens(self, text: str) -> int:
        """Estimate a text's tokens at four characters each, rounded up."""
        return -(-len(text) // _CHARACTERS_PER_TOKEN)
