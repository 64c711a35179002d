"""The client against the real embedded root: what it promises holds end to end."""

import asyncio

import pytest

from adapters.root.paths import lead_path, page_path
from contracts.errors import NotFound, PreconditionStale, RootRefused


async def test_every_read_of_the_tools(client, tenant, add, lead):
    await lead()
    message = {"author": "lead", "text": "hi"}
    await add("chats", {"lead_id": "L-1", "conversation_id": "c", "channel": "email", "messages": [message]})
    await add(
        "documents",
        {"document_id": "d", "title": "D", "source": "d.md", "media_type": "text/markdown", "text": "fees"},
    )
    await add("pages", {"page_id": "p", "attributes": {"body": "b"}})
    await add("campaigns", {"campaign_id": "C", "columns": ["n"], "total": 1, "rows": [{"n": "1"}]})
    await add("signals", {"lead_id": "L-1", "signal_id": "s", "attributes": {"kind": "k"}})
    assert (await client.get_lead(tenant, "L-1"))[:2] == ({"lead_id": "L-1", "name": "Ada", "stage": "new"}, '"1"')
    assert (await client.get_chat(tenant, "L-1")).data["items"][0]["messages"] == [message]
    assert (await client.get_kanban(tenant)).data["stages"][0] == {"stage": "new", "leads": 1}
    assert (await client.get_demographics(tenant)).data["leads"] == 1
    assert (await client.list_documents(tenant, q="fees", text=True)).data["items"][0]["text"] == "fees"
    assert (await client.get_document(tenant, "d")).data["text"] == "fees"
    assert (await client.get_page(tenant, "p")).data == {"page_id": "p", "body": "b"}
    assert (await client.get_campaign(tenant, "C")).data["rows"] == [{"n": "1"}]
    assert (await client.get_signals(tenant, "L-1")).data["items"][0]["kind"] == "k"


async def test_a_write_is_done_once_however_often_it_is_sent(client, tenant, lead):
    await lead()
    etag = (await client.get_lead(tenant, "L-1")).etag

    async def move():
        return await client.write(tenant, "PATCH", lead_path("L-1"), {"stage": "won"}, etag, "mission-1")

    answers = await asyncio.gather(*(move() for _ in range(6)))
    assert {tuple(answer.data.items()) for answer in answers} == {tuple(answers[0].data.items())}
    assert (await client.get_lead(tenant, "L-1"))[:2] == (answers[0].data, '"2"')


async def test_a_note_is_found_again_by_a_read_back(client, tenant, lead):
    await lead()
    written = await client.write(tenant, "POST", lead_path("L-1", "notes"), {"text": "x"}, None, "k")
    assert (await client.list_activities(tenant, "L-1", "notes")).data["items"] == [written.data]


async def test_a_stale_write_and_one_without_a_precondition_are_both_stale(client, tenant, lead, add):
    await lead()
    await add("pages", {"page_id": "p", "attributes": {}})
    with pytest.raises(PreconditionStale):
        await client.write(tenant, "PATCH", lead_path("L-1"), {"stage": "won"}, '"9"', "k1")
    with pytest.raises(PreconditionStale):
        await client.write(tenant, "PATCH", page_path("p"), {"body": "x"}, None, "k2")


async def test_refusals_of_the_real_root(client, tenant, lead):
    await lead()
    with pytest.raises(NotFound, match="lead"):
        await client.get_lead("another", "L-1")
    with pytest.raises(RootRefused, match="stage_invalid"):
        await client.write(tenant, "PATCH", lead_path("L-1"), {"stage": ""}, '"1"', "k")
