"""Anthropic's messages API."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import anthropic
import httpx2
from langchain_anthropic import ChatAnthropic
from pydantic import PrivateAttr, SecretStr

from adapters.models.http import NO_KEY, http_client
from adapters.models.providers import UNREADABLE, Provider
from adapters.models.routefile import Endpoint

_ANTHROPIC = "https://api.anthropic.com"


class _Chat(ChatAnthropic):
    """LangChain's model over our own HTTP client: nothing is taken from the environment, and no span holds prompts."""

    _http: httpx2.AsyncClient | None = PrivateAttr(default=None)

    @cached_property
    def _async_client(self) -> anthropic.AsyncAnthropic:
        return anthropic.AsyncAnthropic(**self._client_params, http_client=self._http, open_telemetry=False)


def build(endpoint: Endpoint) -> Provider:
    """Make the chat model of an endpoint."""
    client = http_client(endpoint, endpoint.base_url or _ANTHROPIC)
    settings: dict[str, Any] = {
        "model": endpoint.route.model,
        "base_url": endpoint.base_url or _ANTHROPIC,
        "api_key": endpoint.api_key or SecretStr(NO_KEY),
        "max_tokens": endpoint.route.max_tokens,
        "max_retries": 0,
        "stream_usage": True,
    }
    model = _Chat(**settings)
    model._http = client
    errors = (anthropic.AnthropicError, httpx2.HTTPError, *UNREADABLE)
    return Provider(endpoint.route, model, errors, "stop_reason", client.aclose)
