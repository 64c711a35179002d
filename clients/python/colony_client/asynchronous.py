"""The client that waits on the event loop.

Every method raises ``ColonyError``, the service's own problem with its stable ``code``, or ``NotReachable``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

import httpx
from httpx_sse import aconnect_sse

from colony_client import calls, types
from colony_client.errors import NotReachable, told

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 5.0


class AsyncColonyClient:
    """Colony's API for programs with an event loop.

    Args:
        base_url: the service's address; otherwise ``COLONY_SERVICE_BASE_URL``, else the local one.
        api_key: an API key or a token; otherwise ``COLONY_SERVICE_API_KEY``. A local developer's service needs none.
        timeout_s: how long one answer is waited for, in seconds; event streams have no end.
        transport: how connections are made, for a proxy or a network of one's own; httpx's way otherwise.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(**calls.settings(base_url, api_key, timeout_s), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _answer(self, call: calls.Call) -> httpx.Response:
        request = {"params": call.params, "json": call.body, "headers": call.headers}
        try:
            return told(await self._http.request(call.method, call.path, **request))  # type: ignore[arg-type]
        except httpx.TransportError as exc:
            raise NotReachable(f"no answer from {self._http.base_url}") from exc

    async def _document(self, call: calls.Call) -> Any:
        return (await self._answer(call)).json()

    def link(self, path: str) -> str:
        """Return the address of something else that the service serves, such as ``docs`` or ``root/import/leads``."""
        return str(self._http.base_url.join(calls.OUTSIDE + path))

    async def submit(
        self,
        mission_type: str,
        user_goal: str,
        inputs: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        **more: Any,
    ) -> types.Submitted:
        """Submit a mission; ``more`` are other fields of the request, such as ``token_budget``."""
        found: types.Submitted = await self._document(
            calls.submit(mission_type, user_goal, inputs, idempotency_key, more)
        )
        return found

    async def missions(
        self, *, status: str | None = None, mission_type: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> types.MissionPage:
        """Return a page of missions, newest first; ``next_cursor`` leads to the next one."""
        found: types.MissionPage = await self._document(calls.listed(status, mission_type, cursor, limit))
        return found

    async def mission(self, mission_id: str) -> types.Mission:
        """Return a mission whole: status, packet, what waits for a person, failure."""
        found: types.Mission = await self._document(calls.of(mission_id))
        return found

    async def artifacts(self, mission_id: str, kind: str | None = None) -> types.Artifacts:
        """Return what the roles made, of one kind or of all."""
        found: types.Artifacts = await self._document(calls.of(mission_id, "artifacts", kind=kind))
        return found

    async def events(self, mission_id: str, after: int = 0) -> types.Events:
        """Return the recorded events after a seq."""
        found: types.Events = await self._document(calls.of(mission_id, "events", after=after))
        return found

    async def approvals(self) -> types.Approvals:
        """Return what waits for people, oldest first."""
        found: types.Approvals = await self._document(calls.Call("GET", "/approvals"))
        return found

    async def reject(self, mission_id: str, reason: str | None = None) -> types.Accepted:
        """Turn everything down; the mission ends as rejected."""
        found: types.Accepted = await self._document(calls.command(mission_id, "reject", reason))
        return found

    async def cancel(self, mission_id: str, reason: str | None = None) -> types.Accepted:
        """Stop a mission that has not ended and has written nothing."""
        found: types.Accepted = await self._document(calls.command(mission_id, "cancel", reason))
        return found

    async def retry(self, mission_id: str, reason: str | None = None) -> types.Accepted:
        """Let a failed or expired mission go on from where it was."""
        found: types.Accepted = await self._document(calls.command(mission_id, "retry", reason))
        return found

    async def fail(self, mission_id: str, reason: str | None = None) -> types.Accepted:
        """Give a mission up."""
        found: types.Accepted = await self._document(calls.command(mission_id, "fail", reason))
        return found

    async def checkpoints(
        self, mission_id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> types.Checkpoints:
        """Return the checkpoints with what changed at each."""
        found: types.Checkpoints = await self._document(calls.of(mission_id, "checkpoints", cursor=cursor, limit=limit))
        return found

    async def diff(
        self, mission_id: str, *, start: str | None = None, end: str | None = None, other: str | None = None
    ) -> types.Difference:
        """Return what differs between two checkpoints, also of another mission."""
        found: types.Difference = await self._document(
            calls.of(mission_id, "diff", **{"from": start, "to": end, "other": other})
        )
        return found

    async def tree(self, mission_id: str) -> types.Node:
        """Return the mission with its replays and forks."""
        found: types.Node = await self._document(calls.of(mission_id, "tree"))
        return found

    async def replay(
        self,
        mission_id: str,
        *,
        mode: Literal["recorded", "live"] = "recorded",
        checkpoint_id: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        on_missing: Literal["report", "live"] | None = None,
        idempotency_key: str | None = None,
    ) -> types.Accepted:
        """Run a mission again as a new one, from its recording or live; nothing is written. A key repeats it safely."""
        found: types.Accepted = await self._document(
            calls.replay(mission_id, mode, checkpoint_id, overrides, on_missing, idempotency_key)
        )
        return found

    async def report(self, mission_id: str) -> types.ReplayReport:
        """Return what a replay found: identical, or where it first differs."""
        found: types.ReplayReport = await self._document(calls.of(mission_id, "report"))
        return found

    async def fork(
        self,
        mission_id: str,
        checkpoint_id: str,
        reason: str,
        updates: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> types.Accepted:
        """Let a new mission go on from a checkpoint; its effects need their own approval. A key repeats it safely."""
        found: types.Accepted = await self._document(
            calls.fork(mission_id, checkpoint_id, reason, updates, idempotency_key)
        )
        return found

    async def explain(self, decision_id: str) -> types.Explanation:
        """Return a policy decision with its inputs, its rules and what would have changed it."""
        found: types.Explanation = await self._document(calls.explain(decision_id))
        return found

    async def what_if(
        self, files: Mapping[str, str], *, since_ms: int = 0, cursor: str | None = None
    ) -> types.WhatIfPage:
        """Return which past decisions would have been others under these rule files; nothing is changed by it."""
        found: types.WhatIfPage = await self._document(calls.what_if(files, since_ms, cursor))
        return found

    async def graph(self) -> dict[str, Any]:
        """Return the graph that every mission goes through: ``nodes`` and ``edges``."""
        found: dict[str, Any] = await self._document(calls.Call("GET", self.link("assistants/colony/graph")))
        return found

    async def bundle(self, mission_id: str) -> bytes:
        """Return the mission's audit bundle, a zip that ``colony verify`` checks offline."""
        return (await self._answer(calls.of(mission_id, "bundle"))).content

    async def approve(
        self,
        mission_id: str,
        decisions: Sequence[Mapping[str, Any]] | None = None,
        *,
        interrupt_id: str | None = None,
        reason: str | None = None,
    ) -> types.Accepted:
        """Answer what is pending. Without ``decisions`` everything is approved exactly as it is shown just now."""
        if decisions is None:
            pending = (await self.mission(mission_id))["pending_approval"]
            if pending is not None:
                interrupt_id, decisions = pending["interrupt_id"], calls.everything_approved(pending)
        found: types.Accepted = await self._document(calls.approve(mission_id, interrupt_id, decisions, reason))
        return found

    async def stream(self, mission_id: str, after: int = 0) -> AsyncIterator[types.Event]:
        """Yield the events after a seq as they are recorded, each once, until the mission has ended.

        A connection that breaks is opened again and goes on after the last event. While a mission waits for a person
        the stream stays open.
        """
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                async with aconnect_sse(
                    self._http,
                    "GET",
                    calls.at(mission_id, "events"),
                    headers={"Last-Event-ID": str(after)},
                    timeout=httpx.Timeout(30.0, read=60.0),
                ) as source:
                    if not source.response.is_success:
                        await source.response.aread()
                        told(source.response)
                    async for one in source.aiter_sse():
                        if one.event in calls.UNRECORDED or not one.data:
                            continue
                        event: types.Event = one.json()
                        after, wait_s = event["seq"], _FIRST_WAIT_S
                        yield event
                if (await self.mission(mission_id))["status"] in calls.ENDED:
                    if not (await self.events(mission_id, after))["items"]:
                        return
                    continue
            except (httpx.TransportError, NotReachable):
                pass
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def settled(self, mission_id: str) -> types.Mission:
        """Wait until the mission has ended or waits for a person, and return it."""
        mission = await self.mission(mission_id)
        if mission["status"] in calls.AT_REST:
            return mission
        async for event in self.stream(mission_id):
            if event["event_type"] in calls.SETTLING:
                mission = await self.mission(mission_id)
                if mission["status"] in calls.AT_REST:
                    return mission
        return await self.mission(mission_id)
