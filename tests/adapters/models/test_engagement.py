from adapters.models.extractive import Evidence, assess_engagement


def assess(*lines: str):
    return assess_engagement([Evidence("c", "chat", "untrusted", "\n".join(lines))])


def test_a_lead_who_books_is_ready_and_highly_engaged():
    found = assess(
        "lead: I'm looking for a flat",
        "agent: Larch Court has one.",
        "lead: I like it. How much is it?",
        "agent: 900 a month.",
        "lead: That works, please book a viewing for Friday",
        "agent: Booked.",
        "lead: Perfect",
    )
    assert (found.intent, found.engagement) == ("ready", "high")
    assert any("book a viewing" in reason.span.quote for reason in found.reasons)


def test_a_lead_who_asks_for_others_is_comparing():
    assert assess("lead: what other flats are there?", "agent: Two.", "lead: is it bigger?").intent == "comparing"


def test_a_lead_who_holds_back_is_browsing():
    found = assess("lead: just looking, thanks")
    assert (found.intent, found.engagement) == ("browsing", "low")


def test_a_lead_who_said_nothing_gives_no_reasons():
    found = assess("agent: Hello?")
    assert (found.intent, found.engagement, found.reasons) == ("browsing", "low", ())
