import asyncio

import pytest

KANBAN_ORDER = ["new", "contacted", "qualified", "viewing", "offer", "won", "lost"]


def change(etag, key=None):
    return {"If-Match": etag} | ({"Idempotency-Key": key} if key else {})


async def test_a_lead_is_its_id_and_attributes_with_the_etag_in_the_header_only(http, lead):
    await lead(budget_min=1000)
    answer = await http.get("/api/crm/leads/L-1")
    assert answer.json() == {"lead_id": "L-1", "name": "Ada", "stage": "new", "budget_min": 1000}
    assert answer.headers["ETag"] == '"1"'


async def test_leads_are_listed_in_pages_that_together_hold_each_once(http, add):
    await add("leads", *({"lead_id": f"L-{n}", "attributes": {}} for n in range(7)))
    seen, cursor = [], None
    for _ in range(4):
        page = (await http.get("/api/crm/leads", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [item["lead_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [f"L-{n}" for n in range(7)]
    assert cursor is None


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        pytest.param({"stage": "won"}, ["L-2"], id="stage"),
        pytest.param({"owner": "Maren"}, ["L-1"], id="owner"),
        pytest.param({"source": "portal"}, ["L-1", "L-2"], id="source"),
        pytest.param({"q": "100%"}, ["L-2"], id="a-percent-sign-is-itself"),
        pytest.param({"q": "l-1"}, ["L-1"], id="the-id-in-another-case"),
        pytest.param({"q": "_"}, [], id="an-underscore-is-itself"),
    ],
)
async def test_leads_are_filtered(http, add, params, expected):
    await add(
        "leads",
        {"lead_id": "L-1", "attributes": {"stage": "new", "owner": "Maren", "source": "portal"}},
        {"lead_id": "L-2", "attributes": {"stage": "won", "source": "portal", "notes": "100% sure"}},
    )
    found = (await http.get("/api/crm/leads", params=params)).json()["items"]
    assert [item["lead_id"] for item in found] == expected


async def test_a_patch_merges_fields_takes_away_nulls_and_moves_the_etag(http, lead):
    await lead(phone="1", prefs={"beds": 2, "pets": True})
    answer = await http.patch(
        "/api/crm/leads/L-1",
        json={"stage": "viewing", "phone": None, "prefs": {"pets": None, "baths": 1}},
        headers=change('"1"'),
    )
    assert answer.status_code == 200
    expected = {"lead_id": "L-1", "name": "Ada", "stage": "viewing", "prefs": {"beds": 2, "baths": 1}}
    assert answer.json() == expected
    again = await http.get("/api/crm/leads/L-1")
    assert again.json() == expected
    assert again.headers["ETag"] == answer.headers["ETag"] == '"2"'


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        pytest.param({}, 428, "precondition_required", id="none"),
        pytest.param({"If-Match": '"7"'}, 412, "precondition_stale", id="stale"),
        pytest.param({"If-Match": 'W/"1"'}, 412, "precondition_stale", id="weak-never-matches"),
        pytest.param({"If-Match": '"9", "1"'}, 200, None, id="one-of-several"),
        pytest.param({"If-Match": "*"}, 200, None, id="any-version"),
    ],
)
async def test_a_patch_needs_the_etag_of_the_present_version(http, lead, headers, status, code):
    await lead()
    answer = await http.patch("/api/crm/leads/L-1", json={"stage": "won"}, headers=headers)
    assert answer.status_code == status
    assert answer.json().get("code") == code
    assert (await http.get("/api/crm/leads/L-1")).json()["stage"] == ("won" if status == 200 else "new")


@pytest.mark.parametrize("kind", ["notes", "tasks", "messages"])
async def test_what_is_added_to_a_lead_is_listed_and_leaves_its_etag(http, lead, kind):
    await lead()
    for text in ("first", "second"):
        answer = await http.post(f"/api/crm/leads/L-1/{kind}", json={"text": text}, headers=change('"1"'))
        assert answer.status_code == 201
    listed = (await http.get(f"/api/crm/leads/L-1/{kind}", params={"limit": 1})).json()
    rest = (await http.get(f"/api/crm/leads/L-1/{kind}", params={"cursor": listed["next_cursor"]})).json()
    assert [item["text"] for item in listed["items"] + rest["items"]] == ["first", "second"]
    assert rest["items"] == [answer.json()]
    counts = (await http.get("/api/crm/leads/L-1/writes")).json()
    assert counts == {"version": 1, "notes": 0, "tasks": 0, "messages": 0} | {kind: 2}


async def test_a_note_against_a_stale_lead_is_refused(http, lead):
    await lead()
    await http.patch("/api/crm/leads/L-1", json={"stage": "won"}, headers=change('"1"'))
    answer = await http.post("/api/crm/leads/L-1/notes", json={"text": "late"}, headers=change('"1"'))
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_stale")
    assert (await http.get("/api/crm/leads/L-1/notes")).json()["items"] == []


async def test_a_repeat_gets_the_first_answer_byte_for_byte_and_has_no_effect(http, lead):
    await lead()
    first = await http.post("/api/crm/leads/L-1/notes", json={"text": "once"}, headers={"Idempotency-Key": "k"})
    again = await http.post("/api/crm/leads/L-1/notes", json={"text": "once"}, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert len((await http.get("/api/crm/leads/L-1/notes")).json()["items"]) == 1


async def test_a_repeated_patch_gets_the_first_answer_though_its_etag_is_stale_by_now(http, lead):
    await lead()
    answers = [
        await http.patch("/api/crm/leads/L-1", json={"stage": "won"}, headers=change('"1"', "k")) for _ in range(2)
    ]
    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["ETag"] == '"2"'
    assert (await http.get("/api/crm/leads/L-1/writes")).json()["version"] == 2


async def test_of_many_at_once_with_one_key_one_takes_effect_and_all_get_its_answer(http, lead):
    await lead()

    async def add_note():
        return await http.post("/api/crm/leads/L-1/notes", json={"text": "once"}, headers={"Idempotency-Key": "k"})

    answers = await asyncio.gather(*(add_note() for _ in range(12)))
    assert {(a.status_code, a.content) for a in answers} == {(201, answers[0].content)}
    assert len((await http.get("/api/crm/leads/L-1/notes")).json()["items"]) == 1


async def test_of_many_patches_at_once_from_one_version_one_wins(http, lead):
    await lead()
    patches = (
        http.patch("/api/crm/leads/L-1", json={"owner": f"o{n}"}, headers=change('"1"', f"k{n}")) for n in range(8)
    )
    statuses = [answer.status_code for answer in await asyncio.gather(*patches)]
    assert sorted(statuses) == [200] + [412] * 7
    assert (await http.get("/api/crm/leads/L-1/writes")).json()["version"] == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/api/crm/leads/L-1/notes", {"text": "another"}, id="another-body"),
        pytest.param("/api/crm/leads/L-1/tasks", {"text": "once"}, id="another-path"),
    ],
)
async def test_a_key_used_for_another_call_is_refused(http, lead, path, body):
    await lead()
    await http.post("/api/crm/leads/L-1/notes", json={"text": "once"}, headers={"Idempotency-Key": "k"})
    answer = await http.post(path, json=body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_refused_write_does_not_use_its_key_up(http, lead):
    await lead()
    stale = await http.patch("/api/crm/leads/L-1", json={"stage": "won"}, headers=change('"5"', "k"))
    fresh = await http.patch("/api/crm/leads/L-1", json={"stage": "won"}, headers=change('"1"', "k"))
    assert [stale.status_code, fresh.status_code] == [412, 200]


async def test_a_chat_has_its_conversations_in_order_and_an_etag_that_follows_its_content(http, add, lead):
    await lead()
    say = {"author": "lead", "text": "hello"}
    for name in ("b", "a"):
        record = {"lead_id": "L-1", "conversation_id": name, "channel": "email", "messages": [say]}
        await add("chats", record)
    before = await http.get("/api/crm/leads/L-1/chat")
    assert before.json()["items"] == [
        {"conversation_id": "b", "channel": "email", "messages": [say]},
        {"conversation_id": "a", "channel": "email", "messages": [say]},
    ]
    await add("chats", {**record, "messages": [say, {**say, "text": "again"}]})
    after = await http.get("/api/crm/leads/L-1/chat")
    assert after.json()["items"][1]["messages"][1]["text"] == "again"
    assert before.headers["ETag"] != after.headers["ETag"]


async def test_an_empty_board_has_the_shipped_stages(http):
    board = (await http.get("/api/crm/kanban")).json()
    assert board["order"] == KANBAN_ORDER
    assert board["stages"][0] == {"stage": "new", "leads": 0}


async def test_a_board_counts_its_leads_and_puts_unknown_stages_before_the_closed_ones(http, add):
    stages = ["nurture", "new", "new", "Won", None]
    await add("leads", *({"lead_id": f"L-{n}", "attributes": {"stage": s}} for n, s in enumerate(stages)))
    board = (await http.get("/api/crm/kanban")).json()
    assert board["order"] == ["new", "contacted", "qualified", "viewing", "offer", "nurture", "Won", "lost"]
    assert {s["stage"]: s["leads"] for s in board["stages"] if s["leads"]} == {"new": 2, "nurture": 1, "Won": 1}
    assert board["unstaged"] == 1


async def test_a_board_of_other_stages_is_not_mixed_with_the_shipped_one(http, add):
    stages = ["Engaging", "Won", "Prospecting"]
    await add("leads", *({"lead_id": f"L-{n}", "attributes": {"stage": s}} for n, s in enumerate(stages)))
    assert (await http.get("/api/crm/kanban")).json()["order"] == ["Engaging", "Prospecting", "Won"]


async def test_an_imported_board_rules(http, add, lead):
    await lead(stage="surprise")
    await add("board", {"stages": ["lead in", "visit", "lost"]})
    assert (await http.get("/api/crm/kanban")).json()["order"] == ["lead in", "visit", "surprise", "lost"]


async def test_demographics_count_by_source_stage_and_language(http, add):
    await add(
        "leads",
        {"lead_id": "L-1", "attributes": {"source": "portal", "stage": "new", "language": "pt"}},
        {"lead_id": "L-2", "attributes": {"source": "portal", "stage": "won", "preferred_language": "en"}},
        {"lead_id": "L-3", "attributes": {"stage": "new"}},
    )
    assert (await http.get("/api/crm/demographics")).json() == {
        "leads": 3,
        "source": [{"value": "portal", "leads": 2}, {"value": None, "leads": 1}],
        "stage": [{"value": "new", "leads": 2}, {"value": "won", "leads": 1}],
        "language": [{"value": "en", "leads": 1}, {"value": "pt", "leads": 1}, {"value": None, "leads": 1}],
    }


@pytest.mark.parametrize("path", ["", "/chat", "/notes", "/tasks", "/messages", "/writes"])
async def test_an_unknown_lead_is_not_found_anywhere(http, path):
    answer = await http.get(f"/api/crm/leads/nobody{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "lead_not_found")
    assert answer.headers["Content-Type"] == "application/problem+json"
