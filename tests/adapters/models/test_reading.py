"""Reading answers: generous with form, strict with words."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage

from adapters.models.answers import read_answer
from contracts.outputs import FactSheet

SUPPORT = {"evidence": "E1", "quote": "q"}


@pytest.mark.parametrize(
    ("said", "values"),
    [
        pytest.param({"value": True}, ["true"], id="a-truth-value"),
        pytest.param({"value": 350000}, ["350000"], id="a-number"),
        pytest.param({"value": None, "support": None}, [], id="nothing"),
        pytest.param({"value": "x", "confidence": 0.9}, ["x"], id="more-than-was-asked-for"),
    ],
)
def test_what_models_mean_is_read(said: dict[str, Any], values: list[str]) -> None:
    fact = {"key": "k", "support": SUPPORT, **said}
    message = AIMessage("", tool_calls=[{"name": "FactSheet", "args": {"facts": [fact]}, "id": "1"}])
    sheet, _ = read_answer(FactSheet, message, None)
    assert [f.value for f in sheet.facts] == values


def test_braces_in_a_thought_are_no_answer() -> None:
    message = AIMessage('<think>a {set} of {"facts"</think> {"facts": []}')
    assert read_answer(FactSheet, message, None)[0] == FactSheet()
