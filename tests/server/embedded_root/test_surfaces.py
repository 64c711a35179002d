"""Each surface's border, held to one contract: over our own root, and over one that speaks quite differently."""

import json

import pytest
import pytest_asyncio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from adapters.root.client import Patience, RootClient
from adapters.root.tools import RootTools
from adapters.root.writer import RootWriter
from contracts.errors import NotFound, RootRefused
from contracts.evidence import Target
from tests.policies.build import proposal
from tests.server.embedded_root.conftest import serving

LEAD = "7001"
SAID = [("lead", "Is it free on Friday?"), ("agent", "Yes, at ten."), ("lead", "Then Friday at ten.")]
CONTRACT = {
    "root.get_lead": {"lead_id": LEAD},
    "root.get_chat": {"lead_id": LEAD},
    "root.get_kanban": {},
    "root.get_page": {"page_id": "pricing"},
    "root.get_campaign": {"campaign_id": "C-1"},
    "root.get_signals": {"lead_id": LEAD},
    "root.search_documents": {"query": "What is the fee?"},
}


class Foreign:
    """A root as other people build one: other names, envelopes, numbers as texts, nulls, versions, newest first."""

    def __init__(self):
        self.writes = []

    def app(self):
        app = FastAPI()
        app.add_api_route("/api/{path:path}", self.answer, methods=["GET", "POST", "PATCH"])
        return app

    async def answer(self, request: Request):
        path, cursor = request.url.path.removeprefix("/api/"), request.query_params.get("cursor")
        if request.method != "GET":
            self.writes.append((request.method, path, request.headers.get("if-match"), await request.json()))
            return JSONResponse({"ok": True, "id": 9}, 201)
        if path == "oracle/pages/pricing":
            return JSONResponse({"slug": "pricing", "title": "Prices", "blocks": []}, headers={"ETag": 'W/"9"'})
        found = self.reads().get((path, cursor))
        return JSONResponse({"error": "no such thing"}, 404) if found is None else JSONResponse(found)

    def reads(self):
        lead = {"id": 7001, "full_name": "Ada Marsh", "stage": {"id": 3, "name": "contacted"}, "version": 12}
        newest = {"direction": "inbound", "body": SAID[2][1], "timestamp": 1_790_000_300}
        older = {"direction": "outbound", "body": SAID[1][1], "timestamp": 1_790_000_200}
        first = {"sender": {"type": "Customer", "name": "Ada"}, "content": SAID[0][1], "timestamp": 1_790_000_100}
        thread = {"id": 55, "channel": {"name": "whatsapp"}, "messages": {"items": [newest, older, first]}}
        empty = {"id": 56, "channel": None, "messages": None}
        table = {"id": "C-1", "columns": ["day", "clicks"]}
        documents = [{"id": "d1", "name": "Fees", "content": "The fee is 2 %."}]
        return {
            ("crm/leads/7001", None): {"data": {**lead, "budget_max": "350000", "email": None}},
            ("crm/leads/7001/chat", None): {"conversations": [thread], "meta": {"next_cursor": 2}},
            ("crm/leads/7001/chat", "2"): {"conversations": [empty], "meta": {"next_cursor": None}},
            ("crm/kanban", None): {"columns": [{"id": 1, "title": "new"}, {"id": 2, "title": "contacted"}]},
            ("catalyst/campaigns/C-1", None): {
                "campaign": {**table, "rows": [["2026-10-01", "12"]]},
                "pagination": {"next_cursor": "b"},
            },
            ("catalyst/campaigns/C-1", "b"): {"campaign": {**table, "rows": [["2026-10-02", None]]}},
            ("sentinel/leads/7001/signals", None): [{"id": 1, "type": "opened_email", "score": "0.9"}],
            ("oracle/documents", None): {"results": documents, "next_cursor": None},
        }


async def imported(add):
    await add("leads", {"lead_id": LEAD, "attributes": {"name": "Ada Marsh", "stage": "contacted", "email": None}})
    messages = [{"author": author, "text": text} for author, text in SAID]
    chat = {"lead_id": LEAD, "conversation_id": "55", "channel": "whatsapp", "messages": messages}
    await add("chats", chat, {**chat, "conversation_id": "56", "messages": []})
    await add("board", {"stages": ["new", "contacted"]})
    await add("pages", {"page_id": "pricing", "attributes": {"title": "Prices"}})
    rows = [{"day": "2026-10-01", "clicks": "12"}, {"day": "2026-10-02", "clicks": ""}]
    await add("campaigns", {"campaign_id": "C-1", "columns": ["day", "clicks"], "total": 2, "rows": rows})
    await add("signals", {"lead_id": LEAD, "signal_id": "1", "attributes": {"type": "opened_email", "score": "0.9"}})
    text = {"media_type": "text/plain", "text": "The fee is 2 %."}
    await add("documents", {"document_id": "d1", "title": "Fees", "source": "fees.txt", **text})


@pytest.fixture
def foreign():
    return Foreign()


@pytest_asyncio.fixture(params=["embedded", "foreign"])
async def root(request, foreign, base_url, tenant, add):
    """A client of a root, and the tools over it."""
    async with serving(foreign.app()) as url:
        if request.param == "embedded":
            await imported(add)
        client = RootClient(url if request.param == "foreign" else base_url, patience=Patience(backoff_s=0.001))
        yield request.param, client, RootTools(client, tenant)
        await client.aclose()


async def test_every_surface_is_read_alike(root):
    kind, _, tools = root
    got = {tool: (await tools.call("t", tool, arguments))["items"] for tool, arguments in CONTRACT.items()}
    lead = got["root.get_lead"][0]
    assert (lead["id"], lead["title"], lead["data"]["lead_id"], lead["data"]["stage"]) == (
        (LEAD, "Ada Marsh", LEAD, "contacted")
    )
    assert lead["etag"] == ('"12"' if kind == "foreign" else '"1"')
    chats = got["root.get_chat"]
    assert [(c["id"], len(c["data"]["messages"])) for c in chats] == [("55", 3), ("56", 0)]
    assert [(m["author"], m["text"]) for m in chats[0]["data"]["messages"]] == SAID
    assert chats[0]["title"] == "whatsapp"
    assert got["root.get_kanban"][0]["data"] == {"order": ["new", "contacted"]}
    page = got["root.get_page"][0]
    assert (page["id"], page["title"], page["data"]["page_id"]) == ("pricing", "Prices", "pricing")
    assert page["etag"] == ('W/"9"' if kind == "foreign" else '"1"')
    table = got["root.get_campaign"][0]["data"]
    assert table["columns"] == ["day", "clicks"]
    assert [[row.get(c) or "" for c in table["columns"]] for row in table["rows"]] == (
        [["2026-10-01", "12"], ["2026-10-02", ""]]
    )
    signal = {"signal_id": "1", "type": "opened_email", "score": "0.9"}
    assert [signal.items() <= s.items() for s in got["root.get_signals"][0]["data"]["items"]] == [True]
    document = got["root.search_documents"][0]
    assert (document["id"], document["data"]["text"]) == ("d1", "The fee is 2 %.")
    assert (document["data"]["start"], document["data"]["end"]) == (0, 15)


async def test_what_is_not_there_is_not_found(root):
    _, _, tools = root
    for tool, name in (("get_lead", "lead_id"), ("get_signals", "lead_id"), ("get_page", "page_id")):
        with pytest.raises(NotFound):
            await tools.call("t", f"root.{tool}", {name: "9999"})


async def test_proposals_become_the_products_writes_as_they_were_approved(root, tenant, foreign):
    kind, client, tools = root
    writer = RootWriter(client, "m")
    lead = (await tools.call("t", "root.get_lead", {"lead_id": LEAD}))["items"][0]
    page = (await tools.call("t", "root.get_page", {"page_id": "pricing"}))["items"][0]
    sent = [
        proposal(target_id=LEAD, operation="note", precondition=None, after={"text": "called"}),
        proposal(target_id=LEAD, precondition=lead["etag"], after={"stage": "new"}),
        proposal(entity="page", target_id="pricing", precondition=page["etag"], after={"body": "2 %"}),
    ]
    for n, one in enumerate(sent):
        await writer.send(tenant, one, one.precondition, f"k{n}")
    if kind == "foreign":
        assert foreign.writes == [
            ("POST", "crm/leads/7001/notes", None, {"text": "called"}),
            ("PATCH", "crm/leads/7001", '"12"', {"stage": "new"}),
            ("PATCH", "oracle/pages/pricing", 'W/"9"', {"body": "2 %"}),
        ]
    else:
        assert (await tools.call("t", "root.get_lead", {"lead_id": LEAD}))["items"][0]["data"]["stage"] == "new"


@pytest.mark.parametrize("entity", ["signal", "signals", "campaign", "sentinel", "board", "document"])
async def test_sentinel_and_catalyst_have_no_write(root, tenant, entity, foreign):
    _, client, _ = root
    one = proposal(operation="note").model_copy(update={"target": Target(system="root", entity=entity, id=LEAD)})
    with pytest.raises(RootRefused) as caught:
        await RootWriter(client).send(tenant, one, None, "k")
    assert caught.value.code == "unknown_write"
    assert json.dumps(foreign.writes) == "[]"
