"""Values that are written differently and say the same, and values that only share a number."""

import pytest

from contracts.sameness import amount, same, truth


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("yes", "True", id="truths"),
        pytest.param("no", "false", id="denials"),
        pytest.param("3", "three", id="a-number-in-words"),
        pytest.param("350,000", "350k", id="a-scale"),
        pytest.param("$1.2 million", "1200000", id="a-currency-on-one-side"),
        pytest.param("2,800 USD", "$2800", id="a-currency-by-name"),
        pytest.param("3 bedrooms", "three beds", id="what-is-counted"),
        pytest.param("$900 per month", "900 monthly", id="a-rate"),
        pytest.param("12 Mill Lane", "12, mill lane.", id="words"),
        pytest.param("3rd of May", "3 of may", id="an-ordinal"),
    ],
)
def test_what_says_the_same_is_the_same_either_way_round(one: str, other: str) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("yes", "no", id="truths"),
        pytest.param("true", "1", id="a-truth-and-a-number"),
        pytest.param("12 Mill Lane", "12 Oak Court", id="addresses"),
        pytest.param("350k", "305k", id="numbers"),
        pytest.param("$500", "500 euros", id="currencies"),
        pytest.param("3 beds", "3 baths", id="what-is-counted"),
        pytest.param("900 a month", "900 a week", id="rates"),
        pytest.param("", "!", id="nothing-and-a-mark"),
    ],
)
def test_what_only_shares_a_number_is_not_the_same(one: str, other: str) -> None:
    assert not same(one, other)
    assert not same(other, one)


def test_a_text_with_more_than_a_number_is_no_amount() -> None:
    assert amount("12 Mill Lane") is None
    assert amount("2 or 3") is None
    assert amount("about 350k") is None
    assert truth("yes please") is None
