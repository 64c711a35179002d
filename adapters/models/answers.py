"""Reading a model's answer: the arguments of the tool call that fills the schema, else a JSON object in its text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NoReturn, TypeVar, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from pydantic import ValidationError

from contracts.base import Value
from contracts.canonical import clean_text, is_text

FilledT = TypeVar("FilledT", bound=Value)
_MOST_PROBLEMS = 5
_MOST_BRACES = 20
CUT_SHORT = frozenset({"length", "max_tokens"})


class AnswerInvalid(ValueError):
    """An answer does not fill the schema; the message says why, and holds nothing that the model wrote."""


@dataclass
class Heard:
    """What has come of an answer so far."""

    chunks: list[AIMessage]

    def recorded(self) -> dict[str, Any] | None:
        """Return the answer as it is recorded: whole, as the provider gave it."""
        # Added up, a provider's running counts would be too many: its last word counts.
        return {**self.message().model_dump(), "usage_metadata": self.usage} if self.chunks else None

    def hear(self, recorded: dict[str, Any]) -> None:
        """Have heard what was recorded, in one piece, and nothing else."""
        kind = AIMessageChunk if recorded["type"] == "AIMessageChunk" else AIMessage
        self.chunks[:] = [kind.model_validate(recorded)]

    @property
    def began(self) -> bool:
        """Whether anything has come."""
        return bool(self.chunks)

    @property
    def words(self) -> str:
        """What has been said so far."""
        return "".join(map(said, self.chunks))

    @property
    def usage(self) -> UsageMetadata | None:
        """What the provider says was used; where it counts as it goes, its last word."""
        told = [chunk.usage_metadata for chunk in self.chunks if chunk.usage_metadata]
        return told[-1] if told else None

    def message(self) -> AIMessage:
        """Return the answer in one piece."""
        first, rest = self.chunks[0], self.chunks[1:]
        if not rest or not isinstance(first, AIMessageChunk):
            return first
        return cast("AIMessage", first + rest)


def piece(chunk: AIMessage) -> str:
    """Return the text of a piece of an answer, of its words and of the schema being filled, as it can be kept."""
    calls = getattr(chunk, "tool_call_chunks", None) or []
    return clean_text(str(chunk.text) + "".join(call["args"] or "" for call in calls))[0]


def said(message: AIMessage) -> str:
    """Return what a model said, as text."""
    if isinstance(message, AIMessageChunk):
        return piece(message)
    filled = [json.dumps(call["args"], ensure_ascii=False) for call in message.tool_calls]
    return clean_text(str(message.text) + "".join(filled))[0]


def read_answer(
    output: type[FilledT], message: AIMessage, ending: str | None, *, named: bool = False
) -> tuple[FilledT, dict[str, Any]]:
    """Return the filled schema and the arguments that fill it.

    ``named``, where there are other tools: only a call of the schema's own name fills it.

    Raises:
        AnswerInvalid: nothing in the answer fills the schema.
    """
    if ending in CUT_SHORT:
        raise AnswerInvalid("the answer was cut short at the limit of its length; give a shorter one")
    arguments = _arguments(output.__name__, message, named=named)
    storable(arguments)
    try:
        return output.model_validate(arguments), arguments
    except ValidationError as exc:
        raise AnswerInvalid(_problems(exc)) from exc


def _arguments(name: str, message: AIMessage, *, named: bool) -> dict[str, Any]:
    if named and message.tool_calls and all(call["name"] != name for call in message.tool_calls):
        raise AnswerInvalid(f"no more tools can be called: call {name}")
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        # The pieces themselves: LangChain would mend broken JSON, and a mended quote is not a quote.
        raw = [(call["name"], call["args"]) for call in message.tool_call_chunks]
        args = next((args for called, args in raw if called == name), raw[0][1])
        return _object(json_of(args or "{}"))
    if message.tool_calls:
        calls = message.tool_calls
        return next((call for call in calls if call["name"] == name), calls[0])["args"]
    text = str(message.text)
    if "{" not in text:
        raise AnswerInvalid("the answer is empty" if not text.strip() else "the answer holds no JSON object")
    return _written(text)


def _written(text: str) -> dict[str, Any]:
    """Return the first JSON object of a text: a model may think aloud, with braces, before it answers."""
    problem: AnswerInvalid | None = None
    for brace in islice(re.finditer(r"\{", text), _MOST_BRACES):
        try:
            return _object(json_of(text[brace.start() :], whole=False))
        except AnswerInvalid as exc:
            problem = problem or exc
    raise problem or AnswerInvalid("the answer holds no JSON object")


def json_of(text: str, *, whole: bool = True) -> Any:
    """Parse JSON strictly; with ``whole=False`` what follows the first value is left alone.

    Raises:
        AnswerInvalid: it is not JSON.
    """
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    try:
        return decoder.decode(text) if whole else decoder.raw_decode(text)[0]
    except json.JSONDecodeError as exc:
        raise AnswerInvalid(f"the answer is not JSON: {exc.msg} at character {exc.pos}") from exc
    except RecursionError as exc:
        raise AnswerInvalid("the answer's JSON is nested too deeply") from exc
    except AnswerInvalid:
        raise
    except ValueError as exc:
        raise AnswerInvalid("the answer's JSON holds a number of too many digits") from exc


def _refuse_constant(name: str) -> NoReturn:
    raise AnswerInvalid(f"the answer is not JSON: {name}")


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AnswerInvalid("the answer is JSON, but not an object")
    return value


def storable(arguments: dict[str, Any]) -> None:
    """See that a model's words can be kept as text.

    Raises:
        AnswerInvalid: they hold characters that no text has, or numbers that JSON can't say.
    """
    try:
        text = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
    except ValueError as exc:
        raise AnswerInvalid("the answer holds a number that is none") from exc
    if "\\u0000" in text or not is_text(text):
        raise AnswerInvalid("the answer holds characters that are no text (NUL or half a surrogate pair)")


def _problems(error: ValidationError) -> str:
    found: Sequence[Any] = error.errors(include_url=False, include_input=False, include_context=False)
    told = [f"{'.'.join(map(str, one['loc'])) or 'the object'}: {one['msg']}" for one in found[:_MOST_PROBLEMS]]
    more = len(found) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")
