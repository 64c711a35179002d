"""A fixed slice of XQuAD as whole missions over REST; `make eval-oracle` runs all of it."""

from pathlib import Path

import pytest

from benchmarks.advisory import imported, spread, xquad
from tests.adapters.models.measure import load
from tests.support import Service

QUESTIONS = 12


@pytest.mark.long
async def test_a_slice_of_real_questions_is_answered_and_refused(service: Service, shared_data: Path) -> None:
    passages = {f"{p['doc_id']}.txt": str(p["text"]) for p in load("docs_xquad/docs_en.jsonl")}
    await imported(service, passages)
    found = (await xquad(service, passages, spread(load("docs_xquad/questions_en.jsonl"), QUESTIONS)))["xquad"]
    assert found["questions"] == QUESTIONS
    assert found["gold_passage_cited"] >= 0.74, found
    assert found["answer_in_quote"] >= 0.66, found
    assert found["unsupported_without_gold"] >= 0.74, found
