"""The model port over LangChain chat models: one call, one filled schema, one record."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError

from adapters.models.messages import to_messages
from contracts.base import Value
from contracts.canonical import canonical_bytes
from contracts.errors import ModelFailed
from contracts.mission import ModelTier
from contracts.ports import ModelCall, Prompt, Route

FilledT = TypeVar("FilledT", bound=Value)


class LangChainModels:
    """Satisfies ``ModelPort``; the prompt package's tier chooses the model."""

    def __init__(self, models: Mapping[ModelTier, tuple[Route, BaseChatModel]]) -> None:
        self._models = models

    async def fill(self, output: type[FilledT], prompt: Prompt) -> tuple[FilledT, ModelCall]:
        """Ask the tier's model to fill the schema.

        Raises:
            ModelFailed: the tier has no model, or the answer doesn't fit the schema.
        """
        if prompt.package.tier not in self._models:
            raise ModelFailed(f"no model is configured for {prompt.package.tier}", code="tier_unavailable")
        route, model = self._models[prompt.package.tier]
        messages = to_messages(prompt)
        began = time.monotonic()
        asked = model.bind_tools([output], tool_choice=output.__name__)
        answer = await asked.ainvoke(messages)
        arguments = _arguments(answer)
        try:
            filled = output.model_validate(arguments)
        except ValidationError as exc:
            raise ModelFailed("the model's answer does not fit the schema", code="model_answer_invalid") from exc
        request = canonical_bytes({"schema": output.__name__, "messages": [_plain(m.content) for m in messages]})
        usage = answer.usage_metadata
        call = ModelCall(
            # What was asked is named by the request's hash; asked again, as in a revision, it is another call.
            call_id="mc_" + secrets.token_hex(12),
            task_key=prompt.package.task_key,
            tier=route.tier,
            provider=route.provider,
            model=route.model,
            request=request,
            response=canonical_bytes(arguments),
            tokens_in=usage["input_tokens"] if usage else 0,
            tokens_out=usage["output_tokens"] if usage else 0,
            cost_usd=0.0,
            duration_ms=int((time.monotonic() - began) * 1000),
        )
        return filled, call


def _arguments(answer: Any) -> dict[str, Any]:
    calls = getattr(answer, "tool_calls", None)
    if not calls:
        raise ModelFailed("the model did not fill the schema", code="model_answer_missing")
    return cast("dict[str, Any]", calls[0]["args"])


def _plain(content: Any) -> Any:
    return content if isinstance(content, str | list) else str(content)
