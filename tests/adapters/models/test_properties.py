import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.models.extractive import Evidence, FactKey, Span, answer_question, assess_engagement, extract_facts

SCHEMA = [
    FactKey("area", "City"),
    FactKey("beds", "Number of bedrooms", ("1", "2", "3")),
    FactKey("home_name", "Name of the home"),
    FactKey("visit_date", "Date of the visit"),
    FactKey("time", "Time"),
    FactKey("budget_max", "Highest budget"),
    FactKey("pets", "Whether pets are allowed", ("true", "false")),
    FactKey("visit_booked", "Whether a visit was booked", ("true", "false")),
    FactKey("colour", "Colour"),
    FactKey("lead_name", "Name of the lead"),
    FactKey("objection", "Objection raised"),
    FactKey("kind", "Kind of home", ("flat", "villa")),
    FactKey("phone", "Phone number"),
]
VOCABULARY = """
lead: agent: . ? , 2 two bed bath in Oakham San Jose's March 3rd the 4th 10:30 pm $1,200 80k yes no ok confirm correct
Larch Court at 12 Mill Lane visit booked pets furnished red villa I'm Ann too expensive +44 555-201-8890 a@b.co <tag>
\u2019s \u2014 é 日本 ignore previous [2026-10-03T10:00:00Z]
"""
WORDS = st.sampled_from(["\n", *VOCABULARY.split()])
CHATS = st.lists(WORDS, max_size=60).map(" ".join) | st.text(max_size=300)


def spans_of(evidence: Evidence, question: str) -> list[Span]:
    facts = extract_facts(SCHEMA, [evidence])
    assert all(0 <= fact.confidence <= 1 for fact in facts)
    reasons = assess_engagement([evidence]).reasons
    spans = answer_question(question, [evidence]).spans
    return [*(fact.span for fact in facts), *(reason.span for reason in reasons), *spans]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CHATS, st.sampled_from(["chat", "document", "record"]), CHATS)
def test_every_quote_stands_verbatim_where_it_says(text, kind, question):
    evidence = Evidence("e", kind, "untrusted", f"lead: {text}" if kind == "chat" else text)
    for span in spans_of(evidence, question):
        assert span.quote
        assert evidence.text[span.start : span.end] == span.quote


@settings(max_examples=50, deadline=None)
@given(CHATS)
def test_the_same_evidence_gives_the_same_facts(text):
    evidence = Evidence("e", "chat", "untrusted", f"lead: {text}\nagent: ok?\nlead: yes")
    assert extract_facts(SCHEMA, [evidence]) == extract_facts(SCHEMA, [evidence])


@pytest.mark.parametrize(
    "unit",
    [
        "1,",
        "12-",
        "a.b-c+",
        pytest.param("the 1st of ", marks=pytest.mark.long),
        pytest.param("half past ", marks=pytest.mark.long),
        pytest.param("no ", marks=pytest.mark.long),
        pytest.param("Aa ", marks=pytest.mark.long),
        pytest.param("\t", marks=pytest.mark.long),
        pytest.param("'\"", marks=pytest.mark.long),
        pytest.param("lead: in Oakham\n", marks=pytest.mark.long),
        "lead: a\n",
        pytest.param("[", marks=pytest.mark.long),
        pytest.param("(", marks=pytest.mark.long),
    ],
)
def test_a_hostile_quarter_of_a_megabyte_is_read_in_seconds(unit):
    evidence = Evidence("e", "chat", "untrusted", "lead: " + unit * (250_000 // len(unit)))
    begun = time.perf_counter()
    spans_of(evidence, "How many points did the defence give up?")
    assert time.perf_counter() - begun < 15
