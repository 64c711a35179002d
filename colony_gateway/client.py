"""The typed client: each call returns what Colony said, its refusal, or the degraded answer; it raises nothing."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from colony_gateway.settings import GatewaySettings
from colony_gateway.trace import traced
from colony_gateway.values import (
    Accepted,
    Caller,
    Degraded,
    DegradedCode,
    Events,
    Mission,
    MissionPage,
    MissionRequest,
    Problem,
    Ready,
    Shape,
)
from colony_gateway.wire import Call, Opened, Passed, Wire, degraded

ShapeT = TypeVar("ShapeT", bound=Shape)
_ID = re.compile(r"(?!\.+$)[!-~]{1,200}")
_NOBODY = Caller()


class ColonyGateway:
    """Speaks to one Colony for a product.

    ``caller`` says for whom; without one the gateway's own key speaks. ``traceparent`` ties Colony's log to the
    product's.
    """

    def __init__(self, settings: GatewaySettings | None = None) -> None:
        self.settings = settings or GatewaySettings.from_environment()
        self._wire = Wire(self.settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    async def submit(
        self,
        request: MissionRequest,
        caller: Caller = _NOBODY,
        *,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
    ) -> Accepted | Problem | Degraded:
        """Submit a mission. Repeated under the same key it is one mission, however often it is sent."""
        content = request.model_dump_json(exclude_none=True).encode()
        key = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        outcome = await self.call("POST", "/missions", caller, content=content, headers=key | _trace(traceparent))
        return _typed(outcome, Accepted)

    async def missions(
        self, caller: Caller = _NOBODY, *, traceparent: str | None = None, **filters: str
    ) -> MissionPage | Problem | Degraded:
        """List missions, newest first; ``filters`` are ``status``, ``type``, ``cursor``, ``limit``."""
        outcome = await self.call("GET", "/missions", caller, params=filters, headers=_trace(traceparent))
        return _typed(outcome, MissionPage)

    async def mission(
        self, mission_id: str, caller: Caller = _NOBODY, *, traceparent: str | None = None
    ) -> Mission | Problem | Degraded:
        """Return one mission with its packet and what it waits for."""
        return _typed(await self.call("GET", of(mission_id), caller, headers=_trace(traceparent)), Mission)

    async def events(
        self, mission_id: str, caller: Caller = _NOBODY, *, after: int = 0, traceparent: str | None = None
    ) -> Events | Problem | Degraded:
        """Return a mission's events with a greater seq than ``after``."""
        params = {"after": str(after)}
        path = of(mission_id, "events")
        return _typed(await self.call("GET", path, caller, params=params, headers=_trace(traceparent)), Events)

    async def approve(
        self, mission_id: str, answer: Mapping[str, Any], caller: Caller = _NOBODY, *, traceparent: str | None = None
    ) -> Accepted | Problem | Degraded:
        """Answer the pending approval: ``{interrupt_id, decisions, reason?}``, each decision bound to a hash."""
        return await self._command(mission_id, "approve", answer, caller, traceparent)

    async def reject(
        self, mission_id: str, reason: str, caller: Caller = _NOBODY, *, traceparent: str | None = None
    ) -> Accepted | Problem | Degraded:
        """Turn down everything that is pending."""
        return await self._command(mission_id, "reject", {"reason": reason}, caller, traceparent)

    async def cancel(
        self, mission_id: str, reason: str, caller: Caller = _NOBODY, *, traceparent: str | None = None
    ) -> Accepted | Problem | Degraded:
        """Stop a mission."""
        return await self._command(mission_id, "cancel", {"reason": reason}, caller, traceparent)

    async def ready(self) -> Ready | Problem | Degraded:
        """Ask whether Colony can do its work."""
        return _typed(await self.call("GET", "/health/ready", _NOBODY), Ready)

    async def _command(
        self, mission_id: str, command: str, body: Mapping[str, Any], caller: Caller, traceparent: str | None
    ) -> Accepted | Problem | Degraded:
        content = json.dumps(body).encode()
        path = of(mission_id, command)
        return _typed(await self.call("POST", path, caller, content=content, headers=_trace(traceparent)), Accepted)

    async def call(
        self,
        method: str,
        path: str,
        caller: Caller,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Passed | Degraded:
        """Make a call below ``/api/colony`` and return the answer as it came.

        A submission goes out under a key in any case, so that one that got no answer can be repeated.
        """
        sent = {"Content-Type": "application/json", **(headers or {})} if content is not None else dict(headers or {})
        submits = method == "POST" and path == "/missions"
        if submits:
            sent.setdefault("Idempotency-Key", secrets.token_hex(16))
        outcome = await self._wire.send(Call(method, path, caller, params or {}, content, sent))
        if submits and isinstance(outcome, Degraded):
            return outcome.model_copy(update={"idempotency_key": sent["Idempotency-Key"]})
        return outcome

    async def open_events(
        self,
        mission_id: str,
        caller: Caller = _NOBODY,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Opened | Passed | Degraded:
        """Open a mission's stream of events; ``Last-Event-ID`` among the headers goes on after that seq."""
        sent = {**(headers or {}), "Accept": "text/event-stream"}
        return await self._wire.open(Call("GET", of(mission_id, "events"), caller, params or {}, None, sent))


def of(mission_id: str, *rest: str) -> str:
    """Return the path of a mission or of something below it; an id that none can have leads to none."""
    segment = quote(mission_id, safe="") if _ID.fullmatch(mission_id) else "-"
    return "/".join(["/missions", segment, *rest])


def _trace(traceparent: str | None) -> dict[str, str]:
    return {"traceparent": traceparent} if traceparent else {}


def _typed(outcome: Passed | Degraded, shape: type[ShapeT]) -> ShapeT | Problem | Degraded:
    if isinstance(outcome, Degraded):
        return outcome
    try:
        if 200 <= outcome.status < 300:
            return shape.model_validate(outcome.data)
        return Problem.model_validate({**outcome.data, "status": outcome.status})
    except ValidationError:
        trace_id = outcome.headers.get("X-Trace-Id") or traced(None)[1]
        return degraded(DegradedCode.ANSWER_UNUSABLE, trace_id)
