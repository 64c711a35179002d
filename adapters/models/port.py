"""The tier port over LangChain chat models: asks, retries, repairs once; every request is reserved and settled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from adapters.models.asking import Patience, Question
from adapters.models.providers import Provider
from contracts.base import Value
from contracts.errors import ModelFailed
from contracts.mission import ModelTier
from contracts.ports import MeterPort, OnDelta, Prompt, Toolbox

FilledT = TypeVar("FilledT", bound=Value)


class LangChainModels:
    """Satisfies ``TierPort`` over the configured tiers."""

    def __init__(self, providers: Mapping[ModelTier, Provider], patience: Patience | None = None) -> None:
        self._providers = providers
        self._patience = patience or Patience()

    async def fill(
        self,
        tier: ModelTier,
        output: type[FilledT],
        prompt: Prompt,
        meter: MeterPort,
        on_delta: OnDelta | None = None,
        tools: Toolbox | None = None,
    ) -> FilledT:
        """Ask the tier's model to fill the schema.

        Raises:
            ProviderFailed: the provider gave no answer.
            ModelFailed: the tier has no model, or its answers don't fit the schema.
            BudgetExceeded: the mission's tokens don't cover the call.
        """
        provider = self._providers.get(tier)
        if provider is None:
            raise ModelFailed(f"no model is configured for {tier}", code="tier_unavailable")
        return await Question(provider, output, prompt, meter, on_delta, self._patience, tools).filled()

    def fallback(self, tier: ModelTier) -> ModelTier | None:
        """Return the tier to ask when this one's provider fails."""
        provider = self._providers.get(tier)
        return provider.route.fallback if provider is not None else None

    async def aclose(self) -> None:
        """Close the providers' connections."""
        for provider in self._providers.values():
            if provider.aclose is not None:
                await provider.aclose()
