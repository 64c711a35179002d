"""Searching a root for passages: within the ids that were asked for, however the root answers."""

import json

import pytest

from adapters.root.documents import DocumentSearch
from contracts.errors import NotFound, RootRefused
from tests.adapters.root.conftest import http_answer


def answer(*items, status=200):
    return http_answer(status, json.dumps({"items": list(items)}).encode())


def passage(document_id="d", text="A fee.", score=1.0, **over):
    return {
        "document_id": document_id,
        "title": "T",
        "start": 5,
        "end": 5 + len(text),
        "text": text,
        "score": score,
    } | over


NO_SUCH_ROUTE = http_answer(404)


async def test_ids_go_out_as_a_filter_in_parts_that_fit_a_url_and_the_best_come_first(root, client):
    root.answers(answer(passage("document-1", score=0.5)), answer(passage("document-190", score=2.0)))
    ids = [f"document-{n}" for n in range(200)]
    found = await DocumentSearch(client, "t").passages("What is the fee?", ids)
    assert [item["id"] for item in found] == ["document-190", "document-1"]
    assert len(root.asked_for) == 2
    assert all(len(line) < 8_000 for line in root.asked_for)
    assert sum(line.count("document_id=") for line in root.asked_for) == 200


async def test_no_ids_at_all_read_nothing(root, client):
    assert await DocumentSearch(client, "t").passages("What is the fee?", []) == []
    assert await DocumentSearch(client, "t").passages("?!", None) == []
    assert root.requests == []


async def test_a_root_that_ignores_the_filter_is_refused(root, client):
    root.answers(answer(passage("d"), passage("secret")))
    with pytest.raises(RootRefused) as refused:
        await DocumentSearch(client, "t").passages("What is the fee?", ["d"])
    assert refused.value.code == "root_answer_out_of_scope"


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(passage(end=99), id="offsets-that-do-not-fit"),
        pytest.param({k: v for k, v in passage().items() if k != "text"}, id="no-text"),
        pytest.param(passage(start="five"), id="offsets-that-are-no-numbers"),
    ],
)
async def test_what_is_no_passage_is_refused(root, client, row):
    root.answers(answer(row))
    with pytest.raises(RootRefused):
        await DocumentSearch(client, "t").passages("What is the fee?", None)


async def test_of_a_root_without_passages_whole_documents_are_cut_here(root, client):
    text = "\n\n".join(f"Paragraph {n} says something about fees." * 9 for n in range(40))
    root.answers(NO_SUCH_ROUTE, answer({"document_id": "d", "title": "T", "text": text}))
    found = await DocumentSearch(client, "t").passages("What is the fee?", None)
    assert len(found) > 3
    assert all(text[i["data"]["start"] : i["data"]["end"]] == i["data"]["text"] for i in found)


async def test_a_document_that_is_not_there_is_said_to_be_missing(root, client):
    root.answers(NO_SUCH_ROUTE)
    with pytest.raises(NotFound) as missing:
        await DocumentSearch(client, "t").passages("What is the fee?", ["gone"])
    assert missing.value.code == "document_not_found"


async def test_of_a_question_too_long_for_a_url_the_end_is_asked(root, client):
    root.answers(answer())
    question = " ".join(f"context{n}" for n in range(500)) + " What is the cancellation fee?"
    await DocumentSearch(client, "t").passages(question, None)
    [line] = root.asked_for
    assert len(line) < 4_000
    assert "cancellation" in line
