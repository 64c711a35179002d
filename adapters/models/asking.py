"""One question to one provider: requests with retries, streamed, and one repair when the answer does not fit."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar, cast

from langchain_core.messages import AIMessage, BaseMessage
from langsmith import tracing_context

from adapters.models.answers import CUT_SHORT, AnswerInvalid, Heard, piece, read_answer
from adapters.models.calling import Calls, Definition, calls_of, definitions, turn
from adapters.models.messages import repair, request_bytes, to_messages
from adapters.models.providers import Provider
from adapters.models.tokens import count_tokens, prompt_tokens
from adapters.models.trouble import CUT_OFF, Trouble, trouble_of
from contracts.base import Value
from contracts.canonical import canonical_bytes, clean_text
from contracts.errors import ModelFailed, ProviderFailed
from contracts.ports import Allowance, MeterPort, ModelCall, OnDelta, Prompt, Toolbox

FilledT = TypeVar("FilledT", bound=Value)


@dataclass(frozen=True)
class Patience:
    """How often a provider is asked, and how long is waited in between.

    Attributes:
        attempts: requests for one answer, the first included.
        backoff_s: the first wait; it doubles, with full jitter.
        retry_after_s: the longest Retry-After that is waited for; a longer one ends the attempts.
    """

    attempts: int = 3
    backoff_s: float = 0.5
    retry_after_s: float = 20.0


@dataclass
class _Outcome:
    """How one request ended."""

    status: str = "cancelled"
    reason: str | None = None
    billed: bool = True
    response: bytes | None = None
    recorded: bool = False


class _NoAnswer(Exception):
    def __init__(self, trouble: Trouble, *, recorded: bool) -> None:
        super().__init__(trouble.reason)
        self.trouble = trouble
        self.recorded = recorded


@dataclass
class Question(Generic[FilledT]):
    """A schema to be filled by one provider."""

    provider: Provider
    output: type[FilledT]
    prompt: Prompt
    meter: MeterPort
    on_delta: OnDelta | None
    patience: Patience
    tools: Toolbox | None = None
    _defined: list[Definition] = field(init=False, default_factory=list)
    _rounds: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.tools is not None:
            self._defined = definitions(self.tools.offers())
            self._rounds = self.tools.rounds

    async def filled(self) -> FilledT:
        """Return the filled schema; an answer that does not fit is told so and asked for once more.

        An answer may ask for tools first, as often as the toolbox has rounds.

        Raises:
            ProviderFailed: there is no answer.
            ModelFailed: the second answer does not fit either.
        """
        messages = to_messages(self.prompt)
        repaired = False
        while True:
            answer = await self._answer(messages)
            if isinstance(answer, Calls):
                self._rounds -= 1
                messages += await turn(answer)
                continue
            if not isinstance(answer, _Unfit):
                return answer
            if repaired:
                raise ModelFailed(
                    f"the model's answer does not fit the schema, and its repair does not either: {answer.problem}",
                    code="model_answer_invalid",
                )
            repaired = True
            messages += repair(self.output, answer.said, answer.problem)

    async def _answer(self, messages: Sequence[BaseMessage]) -> FilledT | _Unfit | Calls:
        """Ask until there is an answer, within the route's time."""
        left_s = self.provider.route.timeout_ms / 1000
        for attempt in range(1, self.patience.attempts + 1):
            began = time.monotonic()
            try:
                return await self._request(messages, left_s)
            except _NoAnswer as exc:
                left_s -= time.monotonic() - began
                wait_s = self._wait(exc.trouble, attempt)
                if wait_s is not None and exc.recorded:
                    continue  # it was waited for when it was recorded
                if wait_s is None or wait_s >= left_s:
                    raise ProviderFailed(self._told(exc.trouble), code=exc.trouble.code) from exc
                left_s -= wait_s
                await asyncio.sleep(wait_s)
        raise ProviderFailed("the provider was not asked")

    def _wait(self, trouble: Trouble, attempt: int) -> float | None:
        """Return how long to wait before asking again, or None when there is no use in it."""
        if not trouble.again or attempt == self.patience.attempts:
            return None
        if trouble.wait_s is not None:
            return trouble.wait_s if trouble.wait_s <= self.patience.retry_after_s else None
        return random.uniform(0, self.patience.backoff_s * 2 ** (attempt - 1))  # noqa: S311

    def _told(self, trouble: Trouble) -> str:
        route = self.provider.route
        return f"{route.model} ({route.provider}, {route.tier.value}) gave no answer: {trouble.reason}"

    async def _request(self, messages: Sequence[BaseMessage], left_s: float) -> FilledT | _Unfit | Calls:
        tokens_in = prompt_tokens(messages, self.output, self._defined)
        allowance = await self.meter.reserve(tokens_in, self.provider.route.max_tokens)
        heard = Heard([])
        outcome = _Outcome()
        began = time.monotonic()
        try:
            await self._answered(messages, allowance, heard, outcome, left_s)
            return self._read(heard, outcome)
        except self.provider.errors as exc:
            raise _no_answer(outcome, trouble_of(exc, began=heard.began)) from exc
        finally:
            took_ms = int((time.monotonic() - began) * 1000)
            self.meter.settle(allowance, self._call(messages, allowance, heard, outcome, took_ms))

    async def _answered(
        self, messages: Sequence[BaseMessage], allowance: Allowance, heard: Heard, outcome: _Outcome, left_s: float
    ) -> None:
        """Hear the answer through the tape: what is made of it is made of what was recorded."""

        async def ask() -> bytes:
            trouble: Trouble | None = None
            message: dict[str, Any] | None = None
            try:
                async with asyncio.timeout(left_s):
                    await self._listen(messages, allowance, heard)
                message = heard.recorded()
            except TimeoutError:
                reason = f"no answer within {self.provider.route.timeout_ms} ms"
                trouble = Trouble("model_timeout", reason, again=False, billed=True)
            except self.provider.errors as exc:
                trouble = trouble_of(exc, began=heard.began)
            told = None if trouble is None else asdict(trouble)
            return json.dumps({"message": message, "trouble": told}, sort_keys=True, default=str).encode()

        # Another tier's answer to the same is another answer.
        request = request_bytes(self.output, messages, self._defined, tier=self.provider.route.tier.value)
        said = await self.meter.answered(self.prompt.package.task_key, request, ask)
        answer = json.loads(said.content)
        outcome.recorded = said.recorded
        if answer["message"] is not None:
            heard.hear(answer["message"])
        if answer["trouble"] is not None:
            raise _no_answer(outcome, Trouble(**answer["trouble"]))

    async def _listen(self, messages: Sequence[BaseMessage], allowance: Allowance, heard: Heard) -> None:
        # Of several tools the schema comes first; once the rounds are used up there is no other choice.
        choice = "any" if self._defined and self._rounds else self.output.__name__
        asked = self.provider.model.bind_tools([self.output, *self._defined], tool_choice=choice)
        voice = _Voice(self.on_delta, self.prompt.package.task_key, allowance.call_id)
        # No tracing: a variable of the environment must not send prompts to a third party.
        with tracing_context(enabled=False):
            stream = asked.bind(max_tokens=allowance.most_out).astream(list(messages))
            async with aclosing(cast("AsyncGenerator[AIMessage]", stream)) as chunks:
                async for chunk in chunks:
                    heard.chunks.append(chunk)
                    if text := piece(chunk):
                        voice(text)

    def _read(self, heard: Heard, outcome: _Outcome) -> FilledT | _Unfit | Calls:
        message = heard.message() if heard.began else AIMessage("")
        key = self.provider.ends_with
        ending = message.response_metadata.get(key) if key else None
        if key and not ending:
            raise _no_answer(outcome, CUT_OFF)
        if self.tools is not None and self._rounds and ending not in CUT_SHORT:
            asked = Calls(clean_text(str(message.text))[0], calls_of(self.output.__name__, message), self.tools)
            if asked.calls:
                outcome.status, outcome.response = "tools", canonical_bytes({"calls": asked.plain()})
                return asked
        try:
            filled, arguments = read_answer(self.output, message, ending, named=self.tools is not None)
        except AnswerInvalid as exc:
            outcome.status, outcome.reason = "invalid", "model_answer_invalid"
            return _Unfit(heard.words, str(exc))
        outcome.status, outcome.response = "ok", canonical_bytes(arguments)
        return filled

    def _call(
        self, messages: Sequence[BaseMessage], allowance: Allowance, heard: Heard, outcome: _Outcome, took_ms: int
    ) -> ModelCall:
        route = self.provider.route
        tokens_in, tokens_out, source = _usage(heard, allowance, billed=outcome.billed or heard.began)
        cost = (tokens_in * route.price_in + tokens_out * route.price_out) / 1_000_000
        return ModelCall(
            call_id=allowance.call_id,
            task_key=self.prompt.package.task_key,
            tier=route.tier,
            provider=route.provider,
            model=route.model,
            request=request_bytes(self.output, messages, self._defined),
            response=outcome.response or heard.words.encode("utf-8", "replace"),
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            # What was recorded costs nothing to hear again.
            cost_usd=0.0 if outcome.recorded else cost,
            duration_ms=took_ms,
            status=outcome.status,
            usage_source=source,
            reason=outcome.reason,
        )


@dataclass
class _Voice:
    """Says an answer aloud as it comes; one that comes whole is not said, for the call's event follows at once."""

    say: OnDelta | None
    task_key: str
    call_id: str
    _first: str | None = ""

    def __call__(self, text: str) -> None:
        if self.say is None:
            return
        if self._first == "":
            self._first = text
            return
        self.say(self.task_key, self.call_id, (self._first or "") + text)
        self._first = None


@dataclass(frozen=True)
class _Unfit:
    """An answer that does not fill the schema."""

    said: str
    problem: str


def _no_answer(outcome: _Outcome, trouble: Trouble) -> _NoAnswer:
    outcome.status, outcome.reason, outcome.billed = "failed", trouble.code, trouble.billed
    return _NoAnswer(trouble, recorded=outcome.recorded)


def _usage(heard: Heard, allowance: Allowance, *, billed: bool) -> tuple[int, int, str]:
    """Return the tokens in and out, and who counted them."""
    usage = heard.usage
    if usage and usage["input_tokens"] > 0 and usage["output_tokens"] > 0:
        return usage["input_tokens"], usage["output_tokens"], "provider"
    if not billed:
        return 0, 0, "none"
    return allowance.tokens_in, count_tokens(heard.words), "counted"
