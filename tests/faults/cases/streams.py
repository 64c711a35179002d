"""The API is killed under open event streams: their readers reconnect with Last-Event-ID and miss nothing."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.faults.people import driven
from tests.faults.stand import ENDED, TENANTS, Stand
from tests.support import until

_STREAMS = 2
_GAVE_UP_S = 60.0


@dataclass
class Reader:
    """One reader of one mission's stream, over as many connections as it takes."""

    stand: Stand
    tenant: str
    mission_id: str
    connection: int = 0
    last: int = 0
    here: int = 0
    kind: str = ""
    at_rest: bool = False
    task: asyncio.Task[None] | None = field(default=None)

    @property
    def ended(self) -> bool:
        """Whether the last event has been read; a failed mission's may be followed by a retry until all is at rest."""
        return self.kind in ENDED and (self.at_rest or self.kind != "failed")

    async def read(self) -> None:
        """Read until the mission's last event, reconnecting whenever the line is lost or more may come."""
        while not self.ended:
            self.connection, self.here = self.connection + 1, 0
            headers = {"Accept": "text/event-stream", **self.stand.token(self.tenant)}
            headers |= {"Last-Event-ID": str(self.last)} if self.last else {}
            path = f"/api/colony/missions/{self.mission_id}/events"
            try:
                async with self.stand.client.stream("GET", path, headers=headers, timeout=30) as answer:
                    if answer.status_code == 200:
                        await self._through(answer)
            except httpx.TransportError:
                pass
            if not self.here:
                await asyncio.sleep(0.05)

    async def _through(self, answer: httpx.Response) -> None:
        seq, kind = 0, ""
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                seq = int(line[4:])
            elif line.startswith("event: "):
                kind = line[7:]
            elif not line and seq:
                known = {"mission_id": self.mission_id, "connection": self.connection, "after": self.last}
                self.stand.history.note("stream", "seen", seq=seq, event=kind, **known)
                self.last, self.here, self.kind = seq, self.here + 1, kind.removeprefix("mission.")
                seq = 0


async def streams(stand: Stand, count: int, seed: int) -> dict[str, Any]:
    """Kill the API ``count`` times, each time under two streams that have had events and will have more."""
    await stand.serve()
    await stand.worker()
    killed, events, missions = 0, 0, 0
    for _ in range(count):
        readers, open_ = [], {}
        for n in range(_STREAMS):
            mission_id = await stand.accepted(TENANTS[n])
            open_[mission_id] = TENANTS[n]
            readers.append(Reader(stand, TENANTS[n], mission_id))
        for reader in readers:
            reader.task = asyncio.create_task(reader.read())
        await _kill(stand, readers)
        killed += 1
        await driven(stand, open_)
        for reader in readers:
            reader.at_rest = True
        await asyncio.wait([r.task for r in readers if r.task], timeout=_GAVE_UP_S)
        for reader in readers:
            assert reader.task is not None
            reader.task.cancel()
            stand.history.note("stream", "ok" if reader.ended else "fail", mission_id=reader.mission_id)
        events += sum(reader.last for reader in readers)
        missions += len(readers)
    return {"kills": killed, "streams": missions, "events": events, "seed": seed}


async def _kill(stand: Stand, readers: list[Reader]) -> None:
    async def some_on_each() -> bool:
        return all(reader.here for reader in readers)

    await until(some_on_each, "events on each stream")
    assert stand.api is not None
    stand.history.note("kill-api", "fault", pid=stand.api.pid)
    await stand.api.kill()
    await stand.serve()
