"""Passages cover a document without a gap, a repeat or one that is too long, whatever the document looks like."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.passages import WHOLE, cut

LINES = st.sampled_from(
    ["", "# Fees", "## Buying", "A sentence of some words. And another one!", "| a | b |", "\fPage"]
)
WORDS = st.text(alphabet="ab \u00e9\U0001f600.\n", max_size=60)
DOCUMENTS = st.lists(st.one_of(LINES, WORDS, st.just("word " * 700)), min_size=1, max_size=40).map("\n".join)


@settings(max_examples=60, deadline=None)
@example("x" * 20_000)
@given(DOCUMENTS.map(lambda text: text * 8))
def test_nothing_but_space_lies_between_passages_and_none_is_long(text):
    last = 0
    for start, end, _ in cut(text):
        assert start >= last
        assert not text[last:start].strip()
        assert end - start <= WHOLE
        last = end
    assert not text[last:].strip()


def test_a_short_document_is_one_passage():
    text = "# Fees\n\nOne.\n"
    assert list(cut(text)) == [(0, len(text), "")]


@pytest.mark.parametrize("word", ["deposit", "parking"])
def test_a_passage_knows_the_headings_it_stands_under(word):
    filler = "Something else is said here at length. " * 50
    text = f"# Lease\n\n{filler}\n\n## Deposit\n\n{filler}\n\nThe deposit.\n\n## Parking\n\n{filler}\n\nNo parking.\n"
    found = [heading for start, end, heading in cut(text) if word in text[start:end]]
    assert found
    assert all(heading.startswith("Lease") for heading in found)
    assert found[-1].casefold().endswith(word)
