"""Turns: a tenant with many missions at work does not take the processor from one with few."""

import asyncio
import time
from collections import Counter
from contextlib import ExitStack

import pytest

from graph.turns import Turns

STEP_S = 0.004


async def steps(turns: Turns, tenant_id: str, many: int, computing: bool, done: Counter[str]) -> float:
    began = time.monotonic()
    with turns.at_work(tenant_id):
        for _ in range(many):
            await turns.take(tenant_id)
            if computing:
                until = time.process_time() + STEP_S
                while time.process_time() < until:
                    pass
            await asyncio.sleep(0 if computing else STEP_S)
            done[tenant_id] += 1
    return time.monotonic() - began


async def alongside(turns: Turns, *, computing: bool) -> Counter[str]:
    """Run one mission of a small tenant among seven of a big one; return the steps of each when the small one ended."""
    done: Counter[str] = Counter()
    big = [asyncio.create_task(steps(turns, "big", 10_000, computing, done)) for _ in range(7)]
    await asyncio.sleep(0)
    await steps(turns, "small", 20, computing, done)
    for task in big:
        task.cancel()
    await asyncio.gather(*big, return_exceptions=True)
    return done


class Untaken(Turns):
    """Turns that nobody waits for."""

    async def take(self, tenant_id: str) -> None:
        return None


async def test_while_the_processor_is_busy_a_small_tenant_is_not_slowed_down_by_a_big_one() -> None:
    done = await alongside(Turns(), computing=True)
    assert done["big"] <= 3 * done["small"], done


async def test_without_turns_it_is() -> None:
    done = await alongside(Untaken(), computing=True)
    assert done["big"] > 5 * done["small"], done


async def test_who_only_waits_holds_nobody_up() -> None:
    turns = Turns()
    with ExitStack() as stack:
        stack.enter_context(turns.at_work("waits"))
        for _ in range(7):
            stack.enter_context(turns.at_work("big"))
        await asyncio.sleep(0.1)  # a window in which nothing is computed
        began = time.monotonic()
        for _ in range(5):
            await turns.take("big")
        assert time.monotonic() - began < 1.0


async def test_a_lone_tenant_never_waits() -> None:
    turns = Turns()
    with turns.at_work("only"), turns.at_work("only"):
        for _ in range(50):
            with pytest.raises(StopIteration):  # it ended without having waited once
                turns.take("only").send(None)  # type: ignore[attr-defined]
    with pytest.raises(KeyError):
        await turns.take("only")
