import pytest

from adapters.models.extractive.dates import dates, times
from adapters.models.extractive.slots import Kind, read_schema
from adapters.models.extractive.text import sentences
from adapters.models.extractive.values import FactKey


@pytest.mark.parametrize(
    "day",
    [
        "March 7th", "7th of March", "the 13th", "13th of this month", "next Friday", "this Saturday", "today",
        "Wednesday next week", "day after tomorrow", "2026-10-03", "12/05/2026", "May 4", "fifth of June",
        "in two weeks",
    ],
)  # fmt: skip
def test_a_day_is_found_whole(day):
    text = f"Could we say {day}, please?"
    assert [text[start:end] for start, end in dates(text, 0, len(text))] == [day]


@pytest.mark.parametrize("text", ["I may go", "we march on", "at 12 3rd Street", "a second flat", "version 1.2.3"])
def test_what_is_no_day_is_not_taken_for_one(text):
    assert list(dates(text, 0, len(text))) == []


@pytest.mark.parametrize(
    "time", ["6:30 pm", "18:30", "noon", "half past 6 in the evening", "three in the afternoon", "11 am"]
)
def test_a_time_is_found_whole(time):
    text = f"come at {time} then"
    assert [text[start:end] for start, end in times(text, 0, len(text))] == [time]


def test_sentences_end_at_marks_and_lines_but_not_at_abbreviations():
    text = "Dr. Lee paid 3.5 dollars. Is that all?\nYes"
    assert [text[start:end] for start, end in sentences(text)] == ["Dr. Lee paid 3.5 dollars.", "Is that all?", "Yes"]


@pytest.mark.parametrize(
    ("key", "description", "values", "kind"),
    [
        ("party_size", "Number of people", None, Kind.COUNT),
        ("tour_day", "The day on which they will see it", None, Kind.DATE),
        ("pickup_time", "Time of pick up", None, Kind.TIME),
        ("town", "Where they want to live", None, Kind.PLACE),
        ("chosen_home", "The home they settled on", None, Kind.NAME),
        ("customer_name", "Name of the customer", None, Kind.PERSON),
        ("max_rent", "Most they can pay", None, Kind.MONEY),
        ("animals_ok", "Must take animals", ("true", "false"), Kind.BOOLEAN),
        ("tour_arranged", "Whether a tour was arranged", ("true", "false"), Kind.EVENT),
        ("car_type", "Type of car", ("small", "large"), Kind.CHOICE),
        ("rooms", "Rooms wanted", ("1", "2"), Kind.COUNT),
        ("phone_number", "Phone number of the flat", None, Kind.PHONE),
        ("notes", "Anything else", None, Kind.TEXT),
    ],
)
def test_the_kind_of_a_key_is_read_from_its_words(key, description, values, kind):
    assert read_schema([FactKey(key, description, values)])[0].kind is kind
