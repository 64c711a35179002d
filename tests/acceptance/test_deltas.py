"""What a model says in one process is streamed by another while it is still saying it, to whoever listens."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.acceptance.checks import rows
from tests.acceptance.conftest import WorkerProcess
from tests.adapters.models.wire import RECORDINGS, Reply, replaying
from tests.server.frames import Parser
from tests.support import Service, pretty, until

MANY = 10_000


def spoken(recording: str) -> str:
    """Return the raw text of a recorded answer's tool call."""
    body = json.loads((RECORDINGS / "openai.json").read_text(encoding="utf-8"))[recording]["body"]
    frames = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]
    calls = [c["delta"]["tool_calls"][0] for f in frames for c in f["choices"] if c["delta"].get("tool_calls")]
    return "".join(call["function"].get("arguments", "") for call in calls)


class Listener:
    """Reads a mission's stream: its events, and what came of models' answers by call."""

    def __init__(self, api: Service, mission_id: str) -> None:
        self._api = api
        self._path = f"/api/colony/missions/{mission_id}/events"
        self.ids: list[str] = []
        self.said: dict[str, str] = {}
        self.deltas: list[dict[str, Any]] = []

    async def listen(self) -> None:
        parser, headers = Parser(), {"accept": "text/event-stream"}
        async with self._api.client.stream("GET", self._path, headers=headers) as answer:
            async for chunk in answer.aiter_bytes():
                for frame in parser.feed(chunk):
                    data = json.loads(frame.data)
                    if frame.event != "message.delta":
                        self.ids.append(frame.id)
                        continue
                    # Without an id of its own the last one stands: a reconnect goes on after the same event.
                    assert frame.id == (self.ids[-1] if self.ids else "")
                    self.deltas.append(data)
                    self.said[data["call_id"]] = self.said.get(data["call_id"], "") + data["text"]


async def test_what_a_model_says_elsewhere_is_heard_while_it_says_it(
    api: Service, start_worker: Callable[..., WorkerProcess], database: str, tmp_path: Path
) -> None:
    path = tmp_path / "routes.json"
    async with replaying("openai") as wire:
        path.write_text(json.dumps({"tier_local_private": wire.route(timeout_ms=60_000)}), encoding="utf-8")
        start_worker(MODEL_ROUTES_FILE=str(path))
        await api.seed_lead()
        unheard = await api.settled(await api.submit())
        assert unheard["status"] == "awaiting_approval", pretty(unheard["failure"])
        assert rows(database, "select from colony_deltas") == [], "what nobody listens to was stored"

        wire.script("FactSheet", Reply("facts", paced=True))
        mission_id = await api.submit()
        listener = Listener(api, mission_id)
        listening = asyncio.create_task(listener.listen())

        async def heard() -> bool:
            if not wire.journal[-1]["tool"]:
                return False
            wire.pace.release()
            return any(d["task_key"] == "extract_facts" for d in listener.deltas)

        await until(heard, "a piece of the answer")
        assert (await api.mission(mission_id))["status"] == "running"
        for _ in range(MANY):
            wire.pace.release()
        waiting = await api.settled(mission_id)
        assert waiting["status"] == "awaiting_approval", pretty(waiting["failure"])

        events = [e["payload"] for e in await api.events(mission_id) if e["event_type"] == "model.called"]
        call = next(e["call_id"] for e in events if e["task_key"] == "extract_facts")
        raw = spoken("facts")

        async def to_the_end() -> bool:
            return listener.said.get(call, "").endswith(raw[-20:])

        await until(to_the_end, "the end of the answer")
        # The stream may have begun after the answer did: what was heard is the rest of it, in order.
        assert raw.endswith(listener.said[call])
        assert {d["mission_id"] for d in listener.deltas} == {mission_id}
        await api.post(mission_id, "reject", reason="done")
        await asyncio.wait_for(listening, 30)
    assert listener.ids == sorted(set(listener.ids), key=int)
