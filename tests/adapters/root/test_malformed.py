"""What a root answers that can't be understood is one error with one code; nothing else ever comes of it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.root import catalyst, crm, oracle, sentinel
from adapters.root.reading import Fetched, cursor_of, version_of
from adapters.root.tools import RootTools
from contracts.errors import RootRefused
from tests.adapters.root.conftest import http_answer

LEAD, PAGE, CAMPAIGN = {"lead_id": "L"}, {"page_id": "P"}, {"campaign_id": "C"}
CASES = [
    pytest.param("get_lead", LEAD, {"name": "Ada"}, id="a-lead-without-an-id"),
    pytest.param("get_lead", LEAD, {"lead_id": "M"}, id="another-lead"),
    pytest.param("get_lead", LEAD, {"lead_id": ["L"]}, id="an-id-that-is-a-list"),
    pytest.param("get_lead", LEAD, [], id="a-list-for-a-lead"),
    pytest.param("get_lead", LEAD, {"id": "L", "stage": ["new"]}, id="a-stage-that-is-a-list"),
    pytest.param("get_chat", LEAD, {"ok": True}, id="no-conversations"),
    pytest.param("get_chat", LEAD, {"items": [7]}, id="a-conversation-that-is-a-number"),
    pytest.param("get_chat", LEAD, {"items": [{"messages": [{"text": "hi"}]}]}, id="nobody-wrote-it"),
    pytest.param(
        "get_chat", LEAD, {"items": [{"messages": [{"author": "?", "text": "hi"}]}]}, id="a-stranger-wrote-it"
    ),
    pytest.param("get_chat", LEAD, {"items": [{"messages": [{"author": "lead"}]}]}, id="a-message-without-a-text"),
    pytest.param("get_chat", LEAD, {"items": [{"messages": []}, {"text": "hi", "role": "user"}]}, id="mixed"),
    pytest.param(
        "get_chat", LEAD, {"items": [{"messages": {"items": [], "next_cursor": "x"}}]}, id="messages-held-back"
    ),
    pytest.param("get_chat", LEAD, {"items": [], "next_cursor": "same"}, id="a-list-that-does-not-end"),
    pytest.param("get_kanban", {}, {"columns": [{"color": "red"}]}, id="a-stage-without-a-name"),
    pytest.param("get_kanban", {}, {}, id="no-board"),
    pytest.param("get_page", PAGE, {"title": "x"}, id="a-page-without-an-id"),
    pytest.param("get_campaign", CAMPAIGN, {"campaign_id": "C", "rows": "many"}, id="rows-that-are-a-text"),
    pytest.param("get_campaign", CAMPAIGN, {"campaign_id": "C", "columns": ["a"], "rows": [[1, 2]]}, id="a-long-row"),
    pytest.param("get_campaign", CAMPAIGN, {"campaign_id": "C", "columns": 3, "rows": []}, id="columns-are-a-number"),
    pytest.param("get_signals", LEAD, {"signals": "none"}, id="signals-that-are-a-text"),
]


@pytest.mark.parametrize(("tool", "arguments", "body"), CASES)
async def test_it_is_one_error_that_repeats_nothing(
    root: Any, client: Any, tool: str, arguments: Any, body: Any
) -> None:
    root.answers(http_answer(200, json.dumps(body).encode()))
    with pytest.raises(RootRefused) as caught:
        await RootTools(client, "t").call("k", f"root.{tool}", arguments)
    assert caught.value.code == "malformed_payload"
    assert caught.value.message.startswith("malformed payload: the root's ")


NAMES = [
    "lead_id",
    "id",
    "stage",
    "name",
    "data",
    "lead",
    "items",
    "conversations",
    "messages",
    "author",
    "sender",
    "role",
    "text",
    "body",
    "at",
    "timestamp",
    "order",
    "columns",
    "stages",
    "rows",
    "campaign_id",
    "page_id",
    "document_id",
    "start",
    "end",
    "score",
    "content",
    "signals",
    "signal_id",
    "next_cursor",
    "meta",
    "version",
    "etag",
]
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["L", "lead", "x", ""])
)
ANY = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner))
OBJECTS = st.dictionaries(st.sampled_from(NAMES), ANY, max_size=6)


@settings(max_examples=400, deadline=None)
@given(OBJECTS)
def test_whatever_comes_it_is_read_or_it_is_malformed(data: dict[str, Any]) -> None:
    readers = [
        lambda: crm.title(crm.lead(data, "L")),
        lambda: crm.conversations([data], "L"),
        lambda: crm.board(data),
        lambda: oracle.page(data, "L"),
        lambda: oracle.document(data),
        lambda: oracle.passage(data),
        lambda: catalyst.campaign([data], "L"),
        lambda: catalyst.headers(data),
        lambda: sentinel.signals([data]),
        lambda: cursor_of(data, "list"),
        lambda: version_of(Fetched(data, None), data, "lead"),
    ]
    for read in readers:
        try:
            json.dumps(read())
        except RootRefused as exc:
            if exc.code != "malformed_payload":
                raise
