"""One call to Colony over HTTP, within its time, and what came of it told apart."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from colony_gateway.settings import GatewaySettings
from colony_gateway.trace import traced
from colony_gateway.values import Caller, Degraded, DegradedCode

MAX_ANSWER = 32 * 1024 * 1024
STREAM = "text/event-stream"
SILENCE_S = 45.0
"""Colony sends a comment every 15 s: a stream that is silent for longer than this is dead."""

_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FRAME_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_SHOWN = ("Retry-After", "X-Trace-Id", "ETag", "WWW-Authenticate")
_AGAIN_MS = {
    DegradedCode.DISABLED: 60_000,
    DegradedCode.UNREACHABLE: 5_000,
    DegradedCode.TIMEOUT: 5_000,
    DegradedCode.REFUSED_KEY: 60_000,
    DegradedCode.FAILING: 2_000,
    DegradedCode.ANSWER_UNUSABLE: 60_000,
}
_REASONS = {
    DegradedCode.DISABLED: "Colony is switched off",
    DegradedCode.UNREACHABLE: "Colony can't be reached",
    DegradedCode.TIMEOUT: "Colony did not answer in time",
    DegradedCode.REFUSED_KEY: "Colony did not accept the key or token it was sent",
    DegradedCode.FAILING: "Colony is up but can't do its work",
    DegradedCode.ANSWER_UNUSABLE: "what answered does not speak as Colony does",
}


@dataclass(frozen=True)
class Call:
    """One call; ``path`` is below ``/api/colony``, ``headers`` are those of the product's caller to pass on."""

    method: str
    path: str
    caller: Caller
    params: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Passed:
    """Colony's own answer, a JSON object: what it said yes or no with."""

    status: int
    content: bytes
    data: dict[str, Any]
    media_type: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Opened:
    """A stream of events that has begun; it must be read or closed."""

    response: httpx.Response
    trace_id: str

    async def frames(self) -> AsyncIterator[bytes]:
        """Give whole server-sent events as they come; one that was cut off is not given.

        A stream that breaks ends with an event ``colony.degraded``, which has no id: the reader comes back with its
        ``Last-Event-ID`` and misses nothing.
        """
        held = b""
        try:
            async for chunk in self.response.aiter_bytes():
                held += chunk
                end = max((found.end() for found in _FRAME_END.finditer(held)), default=0)
                if end:
                    yield held[:end]
                    held = held[end:]
                if len(held) > MAX_ANSWER:
                    break
        except httpx.TimeoutException:
            yield _last_words(degraded(DegradedCode.TIMEOUT, self.trace_id))
        except httpx.RequestError:
            yield _last_words(degraded(DegradedCode.UNREACHABLE, self.trace_id))
        finally:
            await self.response.aclose()


class Wire:
    """Sends calls. Its connections belong to the event loop that uses them."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    async def send(self, call: Call) -> Passed | Degraded:
        """Send a call and return Colony's answer, or why there is none."""
        outcome = await self._begin(call, stream=False)
        return outcome if not isinstance(outcome, Opened) else degraded(DegradedCode.ANSWER_UNUSABLE, outcome.trace_id)

    async def open(self, call: Call) -> Opened | Passed | Degraded:
        """Open a stream; a refusal is known before its first byte."""
        return await self._begin(call, stream=True)

    async def _begin(self, call: Call, *, stream: bool) -> Opened | Passed | Degraded:
        traceparent, trace_id = traced(call.headers.get("traceparent"))
        if not self._settings.enabled:
            return degraded(DegradedCode.DISABLED, trace_id)
        try:
            async with asyncio.timeout(self._settings.timeout_ms / 1_000):
                response = await self._http().send(self._request(call, traceparent), stream=True)
                if stream and response.status_code == 200 and _media_type(response) == STREAM:
                    return Opened(response, trace_id)
                content = await _bounded(response)
        except (TimeoutError, httpx.TimeoutException):
            return degraded(DegradedCode.TIMEOUT, trace_id)
        except httpx.RequestError:
            return degraded(DegradedCode.UNREACHABLE, trace_id)
        return self._judged(response, content, trace_id)

    def _judged(self, response: httpx.Response, content: bytes | None, trace_id: str) -> Passed | Degraded:
        data = _object(content) if content is not None and "json" in _media_type(response) else None
        code = str((data or {}).get("code", ""))
        if response.status_code == 401:
            return degraded(DegradedCode.REFUSED_KEY, trace_id)
        if response.status_code >= 500:
            kind = DegradedCode.DISABLED if code == "disabled" else DegradedCode.FAILING
            said = f"it answered {response.status_code}" + (f" ({code})" if _CODE.fullmatch(code) else "")
            return degraded(kind, trace_id, said=said, again_s=response.headers.get("Retry-After"))
        if content is None or data is None or response.is_redirect or self._repeats_key(content):
            return degraded(DegradedCode.ANSWER_UNUSABLE, trace_id)
        headers = {name: response.headers[name] for name in _SHOWN if name in response.headers}
        return Passed(response.status_code, content, data, _media_type(response), headers)

    def _repeats_key(self, content: bytes) -> bool:
        """Tell whether an answer holds the gateway's key, which nobody behind the product may see."""
        key = self._settings.api_key
        return key is not None and len(key) > 0 and key.get_secret_value().encode() in content

    def _request(self, call: Call, traceparent: str) -> httpx.Request:
        key = call.caller.bearer or self._settings.api_key
        headers = {"Accept": "application/json", "User-Agent": "colony-gateway", **call.headers}
        headers["traceparent"] = traceparent
        if key is not None and key.get_secret_value():
            headers["Authorization"] = f"Bearer {key.get_secret_value()}"
        if call.caller.tenant is not None:
            headers["X-Colony-Tenant"] = call.caller.tenant
        encoded = [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers.items()]
        timeout = httpx.Timeout(
            self._settings.timeout_ms / 1_000, read=max(SILENCE_S, self._settings.timeout_ms / 1_000)
        )
        url = f"{self._settings.base_url}/api/colony{call.path}"
        return self._http().build_request(
            call.method, url, params=dict(call.params), content=call.content, headers=encoded, timeout=timeout
        )

    def _http(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            # A proxy from the environment is for the way out, never for this machine's own service.
            outside = urlsplit(self._settings.base_url).hostname not in {"localhost", "127.0.0.1", "::1"}
            self._client, self._loop = httpx.AsyncClient(trust_env=outside, follow_redirects=False), loop
        return self._client


def degraded(code: DegradedCode, trace_id: str, *, said: str = "", again_s: str | None = None) -> Degraded:
    """Return the answer for a Colony that can't be used; ``again_s`` is its own Retry-After, in seconds."""
    again_ms = int(again_s) * 1_000 if again_s and again_s.isdecimal() and len(again_s) < 6 else _AGAIN_MS[code]
    reason = _REASONS[code] + (f": {said}" if said else "")
    return Degraded(code=code, reason=reason, retry_after_ms=again_ms, trace_id=trace_id)


async def _bounded(response: httpx.Response) -> bytes | None:
    try:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER:
                return None
    finally:
        await response.aclose()
    return bytes(body)


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _last_words(answer: Degraded) -> bytes:
    return f"event: colony.degraded\ndata: {answer.model_dump_json()}\n\n".encode()
