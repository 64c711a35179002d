"""Values from their quotes: what a quote carries, and what only stands beside it."""

import pytest

from contracts.evidence import Citation
from contracts.mission import FactKey
from nodes.ground import ground_of, topics
from nodes.recompute import supported
from tests.nodes.bench import chat, record

SCHEMA = (
    FactKey(key="pets", description="Whether the lead has or will bring pets"),
    FactKey(key="no_smoking", description="Whether the home must be free of smoke"),
    FactKey(key="furnished", description="Whether the home should be furnished"),
    FactKey(key="viewing_booked", description="Whether a viewing was booked"),
    FactKey(key="needs_parking", description="Whether they need somewhere for a car"),
    FactKey(key="area", description="Where they want to live"),
)
ABOUT = topics(SCHEMA)


def held(key: str, value: str, quote: str, before: str = "", after: str = "", by: str = "lead") -> bool:
    """Hold a value against a quote in a conversation."""
    lines = [f"agent: {before}", f"{by}: {quote}", f"lead: {after}"]
    text = "\n".join(lines)
    start = len(lines[0]) + 1 + len(f"{by}: ")
    talk = chat(text)
    cited = Citation(artifact_id=talk.artifact_id, quote=quote, start=start, end=start + len(quote))
    return supported(value, ground_of(cited, talk, key, ABOUT.get(key)))[0]


NOT_SAID = {
    "a-greeting-affirms-nothing": ("pets", "true", "Hi, looking for a flat please"),
    "the-things-of-every-key": ("furnished", "true", "We need a home for the five of us"),
    "another-thing-denied": ("pets", "false", "I don't like the kitchen"),
    "another-thing-denied-beside-it": ("pets", "false", "I don't drive, but we have a beagle puppy"),
    "denied-and-another-affirmed": ("pets", "true", "We have no dogs, but I want a garden"),
    "its-opposite": ("furnished", "true", "Ideally unfurnished"),
    "denied-after-the-word": ("needs_parking", "true", "Parking? Not needed."),
    "another-month": ("move_in", "1 Mar", "shall we say 1 Apr?"),
    "another-thing-counted": ("viewing_time", "5 pm Tue", "I have 5 dogs"),
    "words-from-two-places": ("area", "North Hill", "I do not want North Park, I live in Hill"),
    "another-order": ("area", "Hill North", "We love North Hill"),
    "a-house-number": ("address", "12 Mill Lane", "The office is at 12 Oak Court"),
    "another-currency": ("budget", "$500", "about 500 euros"),
    "another-unit": ("distance", "20 minutes", "it is 20 km away"),
    "no-agreement": ("viewing_booked", "true", "I would like to see a viewing slot on Friday"),
    "an-answer-to-something-else": ("pets", "true", "Yes please", "Shall I send you the brochure?"),
    "asked-for-and-refused": (
        "viewing_booked",
        "true",
        "Shall I book the viewing for Friday?",
        "",
        "No, not yet",
        "agent",
    ),
    "asked-and-denied": ("pets", "true", "Do you have any pets?", "", "No", "agent"),
}


@pytest.mark.parametrize("case", NOT_SAID.values(), ids=NOT_SAID)
def test_a_value_that_its_quote_does_not_say_is_not_held(case: tuple[str, ...]) -> None:
    assert not held(*case)


SAID = {
    "in-other-words": ("pets", "true", "There are four of us and a beagle puppy"),
    "in-the-keys-own-words": ("furnished", "true", "It has to be furnished"),
    "as-yes": ("furnished", "yes", "It has to be furnished"),
    "denied": ("pets", "false", "No pets, I'm allergic"),
    "its-opposite": ("furnished", "false", "Ideally unfurnished"),
    "denied-after-the-word": ("needs_parking", "false", "Parking? Not needed."),
    "denied-beside-another-wish": ("needs_parking", "false", "I don't drive so no parking, but we have a beagle"),
    "a-key-that-denies": ("no_smoking", "true", "Nobody may smoke, no smoking at all"),
    "an-answer": ("pets", "true", "Yes, two of them", "Any pets coming along?"),
    "a-denying-answer": ("pets", "false", "None", "Any pets coming along?"),
    "asked-and-answered": ("pets", "true", "Do you have any pets?", "", "Yes, one", "agent"),
    "told-to-be-booked": ("viewing_booked", "true", "Your viewing is booked for Friday", "", "", "agent"),
    "proposed-and-agreed": ("viewing_booked", "true", "Shall I book the viewing?", "", "Yes please do", "agent"),
    "agreed": ("viewing_booked", "true", "Perfect, see you on Friday then", "The viewing could be at noon."),
    "not-to-be-booked": ("viewing_booked", "false", "No, not right now", "Would you like a viewing?"),
    "a-time": ("viewing_time", "Tue 5pm", "shall we say Tue at 5 pm?"),
    "a-day": ("move_in", "3 May", "from the 3rd of May on"),
    "a-scaled-number": ("budget", "350,000", "not over 350k"),
    "a-rent": ("budget", "$2,800 per month", "we pay $2,800 a month now"),
    "a-number-in-words": ("beds", "3", "three beds"),
    "words": ("area", "North Hill", "somewhere in North-Hill"),
}


@pytest.mark.parametrize("case", SAID.values(), ids=SAID)
def test_a_value_that_its_quote_says_is_held_however_it_is_written(case: tuple[str, ...]) -> None:
    assert held(*case)


@pytest.mark.parametrize(
    ("value", "holds"),
    [pytest.param("False", True, id="as-stated"), pytest.param("true", False, id="not-as-stated")],
)
def test_a_records_own_field_says_what_it_says(value: str, holds: bool) -> None:
    lead = record(pets=False, area="North Hill")
    cited = Citation(artifact_id=lead.artifact_id, quote="pets: False", start=0, end=11)
    assert supported(value, ground_of(cited, lead, "pets", ABOUT["pets"]))[0] is holds
