"""Where a quote stands: a model's typography, spaces and case don't make it another quote; its words do."""

import pytest

from nodes.work.place import place

TEXT = (
    "lead: I\u2019m looking for a flat \u2014 3\u00a0bedrooms,\n  up to \u201c350k\u201d.\n"
    "agent: The \u0130zmir street one?"
)


@pytest.mark.parametrize(
    ("quote", "stands"),
    [
        pytest.param("looking for a flat", "looking for a flat", id="as-it-stands"),
        pytest.param("I'm looking for a flat", "I\u2019m looking for a flat", id="a-straight-apostrophe"),
        pytest.param("a flat - 3 bedrooms", "a flat \u2014 3\u00a0bedrooms", id="dash-and-space"),
        pytest.param('bedrooms, up to "350k"', "bedrooms,\n  up to \u201c350k", id="over-a-line-end"),
        pytest.param("Looking for a flat", "looking for a flat", id="a-capital"),
        pytest.param('"looking for a flat..."', "looking for a flat", id="in-quotation-marks"),
        pytest.param("the \u0130zmir street", "The \u0130zmir street", id="a-letter-with-a-long-lower-case"),
        pytest.param("looking for a house", None, id="another-word"),
        pytest.param("up to 450k", None, id="another-number"),
        pytest.param("looking flat", None, id="words-left-out"),
        pytest.param("...", None, id="no-words"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_quote_is_found_by_its_words(quote: str, stands: str | None) -> None:
    found = place(TEXT, quote)
    assert (TEXT[slice(*found)] if found else None) == stands
