"""Turns: one process's processor is shared by tenants, not by missions.

Places are handed out fairly by the queue; this is for what happens on them. A mission on the built-in model is nearly
all computing, so that seven of one tenant would make an eighth, another tenant's, eight times slower.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from contracts.ports import ModelPort, Prompt, Toolbox
from contracts.ports.asked import FilledT

_WAITED = Path("/proc/self/schedstat")
_LOOK_S = 0.01
_LATE_S = 0.005
_WINDOW_S = 0.02
_BUSY = 0.3
_LONGEST_S = 2.0


class Turns:
    """Start-time fair queuing over the steps and model calls of this process's missions.

    A step costs its tenant as many units as it has missions at work. Before one, a mission waits while another
    tenant that has paid less is at work, but only as long as the processor is what they compete for: one that waits for
    a model or a root elsewhere holds nobody up.
    """

    def __init__(self) -> None:
        self._at_work: Counter[str] = Counter()
        self._paid: dict[str, int] = {}
        self._sampled = (time.monotonic(), _wanted())
        self._share = 1.0

    @contextmanager
    def at_work(self, tenant_id: str) -> Iterator[None]:
        """Count a mission of the tenant as at work for the block. A tenant that begins has no debts and no credit."""
        if not self._at_work[tenant_id]:
            self._paid[tenant_id] = min(self._paid.values(), default=0)
        self._at_work[tenant_id] += 1
        try:
            yield
        finally:
            self._at_work[tenant_id] -= 1
            if not self._at_work[tenant_id]:
                del self._at_work[tenant_id], self._paid[tenant_id]

    async def take(self, tenant_id: str) -> None:
        """Wait for the tenant's turn, and pay for one step."""
        until = time.monotonic() + _LONGEST_S
        while self._paid[tenant_id] > min(self._paid.values()) and time.monotonic() < until:
            asked = time.monotonic()
            await asyncio.sleep(_LOOK_S)
            late = time.monotonic() - asked - _LOOK_S
            if late < _LATE_S and not self._busy():
                break
        self._paid[tenant_id] += self._at_work[tenant_id]

    def _busy(self) -> bool:
        """Tell whether this process has lately computed, or waited to, for more than a third of the time."""
        now, used = time.monotonic(), _wanted()
        was, had = self._sampled
        if now - was >= _WINDOW_S:
            self._share = (used - had) / (now - was)
            self._sampled = (now, used)
        return self._share > _BUSY


def _wanted() -> float:
    """Return the seconds for which this process has computed or, on Linux, waited for a processor to do so."""
    waited = 0.0
    with suppress(OSError, ValueError, IndexError):
        waited = int(_WAITED.read_text(encoding="ascii").split()[1]) / 1e9
    return time.process_time() + waited


@dataclass(frozen=True)
class InTurn:
    """A model that is asked in turn."""

    model: ModelPort
    turn: Callable[[], Awaitable[None]]

    async def fill(self, output: type[FilledT], prompt: Prompt, *, tools: Toolbox | None = None) -> FilledT:
        """Wait for the tenant's turn, then ask."""
        await self.turn()
        return await self.model.fill(output, prompt, tools=tools)
