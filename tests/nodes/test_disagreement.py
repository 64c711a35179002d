"""Documents that give different numbers for what was asked are said to contradict each other, and nothing else is."""

import pytest

from nodes.work.disagreement import stated

FEE = "How much is the reservation fee?"


@pytest.mark.parametrize(
    ("question", "quote", "value"),
    [
        pytest.param(FEE, "The reservation fee is $500.", "500", id="amount"),
        pytest.param(FEE, "The reservation fee is 500 since 2024.", "500", id="the-year-beside-it-is-no-amount"),
        pytest.param(FEE, "The reservation fee is $500 or $750.", None, id="two-amounts"),
        pytest.param(FEE, "The survey costs $450.", None, id="something-else"),
        pytest.param("How many homes has phase 2?", "Phase 2 has 40 homes.", "40", id="not-the-question's-own"),
        pytest.param("When was the mill built?", "The mill was built in 1887.", "1887", id="year"),
        pytest.param("When was the mill built?", "The mill was built of 1,887 stones.", None, id="no-year"),
        pytest.param("Who built the mill in 1887?", "Hollis built the mill in 1887.", None, id="asks-for-no-number"),
    ],
)
def test_a_quote_states_at_most_one_value_of_what_was_asked(question, quote, value):
    assert stated(question, quote, "") == value


def test_the_title_may_say_what_the_quote_is_about():
    assert stated("What is the price of Rowan House?", "The price is 90.", "") is None
    assert stated("What is the price of Rowan House?", "The price is 90.", "Rowan House") == "90"
