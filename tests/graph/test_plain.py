"""Whatever a developer's graph has in its state becomes JSON that Postgres can keep."""

import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from langchain_core.messages import AIMessage

from graph.plain import plain


class Kind(Enum):
    ONE = "one"


@dataclass
class Holder:
    """Has what can't be copied."""

    name: str
    lock: Any


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        pytest.param("a\x00b", "ab", id="a-nul"),
        pytest.param("half \ud800 of a pair", "half ? of a pair", id="half-a-surrogate-pair"),
        pytest.param({"k\udc00": ["ü", "\U0001f600"]}, {"k?": ["ü", "\U0001f600"]}, id="in-a-key"),
        pytest.param(float("nan"), None, id="not-a-number"),
        pytest.param({1}, [1], id="a-set"),
        pytest.param(b"\xff\x00", "\ufffd", id="bytes"),
        pytest.param(Kind.ONE, "one", id="an-enum"),
        pytest.param(UUID(int=1), "00000000-0000-0000-0000-000000000001", id="a-uuid"),
        pytest.param(datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21T00:00:00+00:00", id="a-time"),
    ],
)
def test_a_value_is_json_that_can_be_kept(value: Any, wanted: Any) -> None:
    assert plain(value) == wanted
    json.dumps(plain(value)).encode("utf-8")


def test_what_has_no_json_is_its_text_and_what_has_no_end_ends() -> None:
    assert plain(Holder("a", threading.Lock()))["lock"].startswith("<unlocked")
    assert plain(AIMessage("hi", id="1"))["type"] == "ai"
    round_and_round: list[Any] = []
    round_and_round.append(round_and_round)
    assert "[[...]]" in json.dumps(plain(round_and_round))
