"""Answers from documents as people keep them: hard-wrapped, under headings, in lists and tables, contradicting."""

from pathlib import Path

import pytest

from adapters.documents import extract
from adapters.models.extractive import Evidence, answer_question
from adapters.models.extractive.blocks import pieces
from contracts.quotes import widened

SAMPLE = Path(__file__).resolve().parents[3] / "samples/agency/documents"
GUIDE = """# Fees

Reviewed in May

## Buying

* The deposit is $500. It takes the home off the market and out of the
  window for 28 days.
* Nothing else is charged.

| step | price |
|---|---|
| survey | $450 |

Lantern Wharf (Harbour Quarter)
Dogs need the consent of the
management company.
"""


def sample() -> list[Evidence]:
    files = [(path, extract(path.name, path.read_bytes())) for path in sorted(SAMPLE.iterdir())]
    return [Evidence(path.name, "document", "operator", file.text) for path, file in files]


def test_sentences_run_over_soft_wraps_and_stop_at_items_rows_and_headings():
    found = [GUIDE[piece.start : piece.end] for piece in pieces(GUIDE)]
    assert found == [
        "The deposit is $500.",
        "It takes the home off the market and out of the\n  window for 28 days.",
        "Nothing else is charged.",
        "| survey | $450 |",
        "Dogs need the consent of the\nmanagement company.",
    ]


def test_a_sentence_knows_its_headings():
    last = list(pieces(GUIDE))[-1]
    assert "Lantern Wharf (Harbour Quarter)" in [GUIDE[start:end] for start, end in last.headings]


@pytest.mark.parametrize(
    ("text", "inside", "wide"),
    [
        pytest.param(
            GUIDE, "window",
            "It takes the home off the market and out of the\n  window for 28 days.", id="over-a-soft-wrap"),
        pytest.param(GUIDE, "$500", "The deposit is $500.", id="without-the-item's-mark"),
        pytest.param(GUIDE, "$450", "| survey | $450 |", id="one-row"),
        pytest.param(
            "lead: I would like a home with a garden and a shed and a pond\nlead: and a dog", "pond",
            "I would like a home with a garden and a shed and a pond", id="one-message",
        ),
    ],
)  # fmt: skip
def test_a_quote_is_widened_within_what_belongs_together(text, inside, wide):
    at = text.index(inside)
    start, end = widened(text, at, at + len(inside))
    assert text[start:end] == wide


@pytest.mark.parametrize(
    ("question", "where", "answer"),
    [
        ("How much is the reservation fee, and is it refunded?", "fees-2026.md", "$500"),
        ("How much is the reservation fee, and is it refunded?", "buyer-guide-2024.html", "$750"),
        (
            "How long does it take from Northgate to Central Station at eight in the morning, and what can we offer a "
            "buyer who objects?", "area-northgate.md", "42 minutes",
        ),
        ("Which homes can take two dogs?", "pet-policy.txt", "only freehold houses and the Garden Flat"),
        ("Is 5 Thrush Close inside the catchment of Northgate Primary?", "area-northgate.md", "5 Thrush Close at 0.9"),
        ("Can a student whose guarantor lives abroad rent from us?", "tenancy-steps.txt", "six months' rent"),
        ("Does Saltmarsh flood?", "area-saltmarsh.html", "flooded"),
        ("How do I complain about Quayside Homes?", "complaints-procedure.txt", "write to complaints@"),
        ("Are dogs allowed in Harbour Quarter flats?", "pet-policy.txt", "One cat or one dog for each apartment"),
    ],
)  # fmt: skip
def test_the_sample_answers_its_questions(question, where, answer):
    spans = answer_question(question, sample()).spans
    assert [span for span in spans if span.artifact_id == where and answer in span.quote], spans


@pytest.mark.parametrize(
    "question", ["What is the property tax on a house in Elm Park?", "What is the population of Mars?"]
)
def test_what_the_sample_does_not_say_is_unsupported(question):
    assert answer_question(question, sample()).status == "unsupported"
