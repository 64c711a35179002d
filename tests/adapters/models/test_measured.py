"""Floors a little below what was measured on the shared data; `measure.py` prints the full figures."""

import pytest

from tests.adapters.models import measure

pytestmark = pytest.mark.skipif(not measure.SHARED.exists(), reason="the shared data (../shared/data) is not here")


def chats():
    return measure.load("chats_sgd_homes/homes_dev.jsonl")[::6]


def test_facts_of_home_chats_hold_their_measured_floor():
    score = measure.measure_facts(chats(), measure.homes_schema())
    assert score.precision >= 0.97, score
    assert score.recall >= 0.92, score
    assert score.booked / score.dialogues >= 0.97, score
    assert score.empty == 0, score


def test_renamed_keys_and_other_words_cost_little():
    score = measure.measure_facts(chats(), measure.renamed_schema(), measure.RENAMED, measure.rephrased)
    assert score.precision >= 0.95, score
    assert score.recall >= 0.90, score
    assert score.booked / score.dialogues >= 0.93, score


def test_answers_hold_their_measured_floor():
    questions = measure.load("docs_xquad/questions_en.jsonl")[::12]
    found = measure.measure_answers(questions, measure.load("docs_xquad/docs_en.jsonl"))
    assert found.cited >= 0.82, found
    assert found.quoted >= 0.78, found
    assert found.refused >= 0.80, found
