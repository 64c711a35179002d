from adapters.models.extractive import Evidence, answer_question

LEASE = Evidence(
    "lease",
    "document",
    "untrusted",
    "# Lease\n\nThe lease of Rowan House runs for 24 months. It may be ended with 60 days of notice. "
    "Mr. Hollis keeps the deposit of 900 dollars until the keys are returned.\n\nPets are not allowed on the roof.",
)
MENU = Evidence("menu", "document", "untrusted", "The kitchen opens at noon. Bread is baked twice a day.")


def test_the_answer_is_a_whole_sentence_of_the_right_document():
    answer = answer_question("How many days of notice are needed to end the lease?", [MENU, LEASE])
    assert answer.status == "supported"
    assert answer.spans[0].quote == "It may be ended with 60 days of notice."
    assert LEASE.text[answer.spans[0].start : answer.spans[0].end] == answer.spans[0].quote


def test_an_abbreviation_does_not_cut_a_sentence():
    answer = answer_question("Who keeps the deposit until the keys are returned?", [LEASE])
    assert answer.spans[0].quote.startswith("Mr. Hollis keeps the deposit of 900 dollars")


def test_a_question_the_evidence_does_not_cover_is_unsupported():
    answer = answer_question("Which company insures the swimming pool?", [MENU, LEASE])
    assert (answer.status, answer.spans) == ("unsupported", ())


def test_nothing_to_read_or_nothing_asked_is_unsupported():
    assert answer_question("Who keeps the deposit?", []).status == "unsupported"
    assert answer_question("", [LEASE]).status == "unsupported"
    assert answer_question("what is it?", [LEASE]).status == "unsupported"


def test_an_answer_without_the_name_that_was_asked_about_is_only_partial():
    question = "How many days of notice are needed before the lease may be ended with Zeta?"
    assert answer_question(question, [LEASE]).status in {"partial", "unsupported"}
