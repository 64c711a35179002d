"""From an endpoint to a chat model. A provider's package is imported when a tier leads to it, and not before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel

from adapters.models.extractive_chat import ExtractiveChatModel
from adapters.models.routefile import Endpoint
from contracts.errors import SettingInvalid
from contracts.ports import Route

# What LangChain and the providers' clients raise on an answer that is not what their API promises.
UNREADABLE: tuple[type[Exception], ...] = (ValueError, TypeError, KeyError, IndexError, AttributeError)


@dataclass(frozen=True)
class Provider:
    """A chat model behind a route.

    Attributes:
        errors: what its client raises when there is no answer, or one that can't be read.
        ends_with: the key of the response's metadata that says why an answer ended; without it the stream was cut off.
    """

    route: Route
    model: BaseChatModel
    errors: tuple[type[Exception], ...] = ()
    ends_with: str | None = None
    aclose: Callable[[], Awaitable[None]] | None = None


def build(endpoint: Endpoint) -> Provider:
    """Make the chat model of an endpoint.

    Raises:
        SettingInvalid: there is no such provider.
    """
    match endpoint.route.provider:
        case "extractive":
            return Provider(endpoint.route, ExtractiveChatModel())
        case "openai":
            from adapters.models import openai_chat

            return openai_chat.build(endpoint)
        case "anthropic":
            from adapters.models import anthropic_chat

            return anthropic_chat.build(endpoint)
        case other:
            raise SettingInvalid(f"there is no model provider {other}")
