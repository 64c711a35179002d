"""OpenAI's chat API, and whatever speaks it: vLLM, Ollama, LiteLLM."""

from __future__ import annotations

import httpx2
import openai
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI
from pydantic import SecretStr

from adapters.models.http import NO_KEY, http_client
from adapters.models.providers import UNREADABLE, Provider
from adapters.models.routefile import Endpoint

_OPENAI = "https://api.openai.com/v1"


def build(endpoint: Endpoint) -> Provider:
    """Make the chat model of an endpoint.

    Everything that the client would else take from the environment is given, so that a stray variable can't send a
    prompt elsewhere. The elder ``max_tokens`` is what compatible servers know; OpenAI's own models want the newer name.
    """
    client = http_client(endpoint, endpoint.base_url or _OPENAI)
    kind = BaseChatOpenAI if endpoint.base_url else ChatOpenAI
    model = kind(
        model=endpoint.route.model,
        base_url=endpoint.base_url or _OPENAI,
        api_key=endpoint.api_key or SecretStr(NO_KEY),
        http_async_client=client,
        openai_proxy="",
        max_retries=0,
        stream_usage=True,
        stream_chunk_timeout=None,
        use_responses_api=False,
        temperature=0 if endpoint.base_url else None,
    )
    errors = (openai.OpenAIError, httpx2.HTTPError, *UNREADABLE)
    return Provider(endpoint.route, model, errors, "finish_reason", client.aclose)
