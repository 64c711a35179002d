"""A mission's tokens: set aside before every call, settled after it, never overspent by tasks that run at once."""

import asyncio
import random

import pytest

from contracts.errors import BudgetExceeded
from contracts.mission import ModelTier
from contracts.ports import Allowance, ModelCall
from graph.context import Record
from graph.metering import LEAST_ANSWER, Budget
from tests.adapters.models.conftest import in_memory, mission


def call(allowance: Allowance, tokens_in: int, tokens_out: int) -> ModelCall:
    tier = ModelTier.LOCAL_PRIVATE
    return ModelCall(allowance.call_id, "t", tier, "openai", "m", b"", b"", tokens_in, tokens_out, 0.0, 1)


def budget(tokens: int, *, spent: int = 0, reserved: int = 0) -> tuple[Budget, Record]:
    record = Record(reserved=reserved)
    return Budget(mission(tokens, tokens_spent=spent), record, in_memory), record


async def test_what_is_set_aside_is_given_back_and_what_was_used_is_charged() -> None:
    purse, record = budget(2_000)
    first = await purse.reserve(500, 1_000)
    assert record.reserved == 1_500
    purse.settle(first, call(first, 480, 20))
    assert record.reserved == 0
    second = await purse.reserve(500, 5_000)
    assert second.most_out == 2_000 - 500 - 500
    assert [c.call_id for c in record.models] == [first.call_id]
    assert first.call_id != second.call_id


async def test_an_answer_is_cut_down_to_what_is_left_while_that_makes_sense() -> None:
    purse, _ = budget(1_000)
    assert (await purse.reserve(1_000 - LEAST_ANSWER, 4_000)).most_out == LEAST_ANSWER


@pytest.mark.parametrize(
    ("spent", "reserved", "tokens_in", "most_out"),
    [
        pytest.param(0, 0, 1_001 - LEAST_ANSWER, 4_000, id="one-token-over"),
        pytest.param(990, 0, 5, 16, id="all-but-spent"),
        pytest.param(0, 900, 50, 1_000, id="a-dead-process-holds-it"),
        pytest.param(2_000, 0, 1, 1, id="overspent-before"),
    ],
)
async def test_a_call_that_can_not_fit_is_refused(spent: int, reserved: int, tokens_in: int, most_out: int) -> None:
    purse, record = budget(1_000, spent=spent, reserved=reserved)
    with pytest.raises(BudgetExceeded) as refused:
        await purse.reserve(tokens_in, most_out)
    assert refused.value.code == "token_budget_exceeded"
    assert record.reserved == reserved


async def test_a_call_waits_for_what_the_others_may_give_back() -> None:
    purse, _ = budget(1_500)
    first = await purse.reserve(400, 1_000)
    waiting = asyncio.create_task(purse.reserve(400, 1_000))
    await asyncio.sleep(0)
    assert not waiting.done()
    purse.settle(first, call(first, 400, 10))
    assert (await waiting).most_out == 1_500 - 410 - 400


async def test_a_call_that_waits_in_vain_is_refused() -> None:
    purse, _ = budget(1_500)
    first = await purse.reserve(400, 1_000)
    waiting = asyncio.create_task(purse.reserve(400, 1_000))
    await asyncio.sleep(0)
    purse.settle(first, call(first, 500, 1_000))
    with pytest.raises(BudgetExceeded):
        await waiting


class Store:
    """A unit that takes its time, and what it was told to hold."""

    def __init__(self) -> None:
        self.held: list[int] = []
        self.go = asyncio.Event()

    async def hold(self, tokens: int) -> None:
        await self.go.wait()
        self.held.append(tokens)


async def test_what_is_settled_while_it_is_being_noted_is_noted_next() -> None:
    purse, record = budget(2_000)
    allowance = await purse.reserve(500, 500)
    store = Store()
    noting = asyncio.create_task(record.hold(store))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    purse.settle(allowance, call(allowance, 500, 10))
    store.go.set()
    await noting
    await record.hold(store)  # type: ignore[arg-type]
    await record.hold(store)  # type: ignore[arg-type]
    assert store.held == [1_000, 0]


@pytest.mark.parametrize("seed", range(20))
async def test_spend_stays_within_the_budget_and_the_calls_under_way(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    total = 20_000
    purse, record = budget(total)
    spent = under_way = refused = worst = 0

    async def task() -> None:
        nonlocal spent, under_way, refused, worst
        for _ in range(6):
            try:
                allowance = await purse.reserve(chance.randint(50, 900), 1_200)
            except BudgetExceeded:
                refused += 1
                return
            under_way += 1
            for _ in range(chance.randint(0, 4)):
                await asyncio.sleep(0)
            # A provider may count a quarter more than we did.
            tokens_in = int(allowance.tokens_in * chance.uniform(0.8, 1.25))
            tokens_out = chance.randint(1, allowance.most_out)
            worst = max(worst, tokens_in - allowance.tokens_in)
            purse.settle(allowance, call(allowance, tokens_in, tokens_out))
            spent += tokens_in + tokens_out
            under_way -= 1
            assert spent + record.reserved <= total + worst * 8

    await asyncio.gather(*(task() for _ in range(8)))
    assert refused
    assert (under_way, record.reserved) == (0, 0)
    assert spent == sum(c.tokens_in + c.tokens_out for c in record.models)
