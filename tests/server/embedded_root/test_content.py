import pytest


def document(name, text, title="T"):
    return {"document_id": name, "title": title, "source": f"{name}.md", "media_type": "text/markdown", "text": text}


async def test_documents_are_listed_without_text_unless_asked_for(http, add):
    await add("documents", document("d1", "alpha"))
    listed = (await http.get("/api/oracle/documents")).json()["items"]
    assert listed == [
        {"document_id": "d1", "title": "T", "source": "d1.md", "media_type": "text/markdown", "characters": 5}
    ]
    with_text = (await http.get("/api/oracle/documents", params={"include": "text"})).json()["items"]
    assert with_text == [{**listed[0], "text": "alpha"}]
    one = await http.get("/api/oracle/documents/d1")
    assert one.json() == with_text[0]
    assert one.headers["ETag"] == '"1"'


async def test_a_question_finds_the_documents_with_any_of_its_words_best_first_over_pages(http, add):
    await add(
        "documents",
        document("a", "Parking is free."),
        document("b", "The cancellation fee is 200. Cancellation after noon doubles the cancellation fee."),
        document("c", "A fee is charged."),
        document("d", "Nothing here."),
    )
    seen, cursor = [], ""
    while cursor is not None:
        params = {"q": "What is the cancellation fee?", "limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await http.get("/api/oracle/documents", params=params)).json()
        seen += [item["document_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ["b", "c"]


async def test_a_question_of_stop_words_finds_nothing(http, add):
    await add("documents", document("a", "the and of"))
    assert (await http.get("/api/oracle/documents", params={"q": "the of"})).json()["items"] == []


async def test_a_page_is_changed_against_its_etag(http, add):
    await add("pages", {"page_id": "home", "attributes": {"title": "Home", "body": "old"}})
    path = "/api/oracle/pages/home"
    assert (await http.get(path)).json() == {"page_id": "home", "title": "Home", "body": "old"}
    assert (await http.patch(path, json={"body": "new"})).status_code == 428
    changed = await http.patch(path, json={"body": "new"}, headers={"If-Match": '"1"'})
    assert changed.json() == {"page_id": "home", "title": "Home", "body": "new"}
    assert (await http.patch(path, json={"body": "x"}, headers={"If-Match": '"1"'})).status_code == 412
    assert [p["body"] for p in (await http.get("/api/oracle/pages")).json()["items"]] == ["new"]


async def test_a_page_is_made_only_where_there_is_none(http):
    path = "/api/oracle/pages/fresh"
    assert (await http.patch(path, json={"body": "a"}, headers={"If-Match": "*"})).status_code == 404
    made = await http.patch(path, json={"body": "a"}, headers={"If-None-Match": "*"})
    assert (made.status_code, made.json()) == (200, {"page_id": "fresh", "body": "a"})
    assert (await http.patch(path, json={"body": "b"}, headers={"If-None-Match": "*"})).status_code == 412


async def test_a_campaign_gives_its_rows_as_they_were_imported_in_pages(http, add):
    rows = [{"date": f"2026-10-0{n}", "spend": "640.00"} for n in range(1, 6)]
    record = {"campaign_id": "C", "columns": ["date", "spend"], "total": 5, "rows": rows}
    assert await add("campaigns", record) == {"created": 5, "replaced": 0, "unchanged": 0, "rejected": []}
    whole = await http.get("/api/catalyst/campaigns/C")
    assert whole.json() == {
        "campaign_id": "C",
        "columns": ["date", "spend"],
        "total": 5,
        "rows": rows,
        "next_cursor": None,
    }
    first = (await http.get("/api/catalyst/campaigns/C", params={"limit": 3})).json()
    rest = (await http.get("/api/catalyst/campaigns/C", params={"cursor": first["next_cursor"]})).json()
    assert first["rows"] + rest["rows"] == rows
    listed = (await http.get("/api/catalyst/campaigns")).json()["items"]
    assert listed == [{"campaign_id": "C", "columns": ["date", "spend"]}]


async def test_a_shorter_campaign_replaces_a_longer_one_and_the_same_one_changes_nothing(http, add):
    record = {"campaign_id": "C", "columns": ["n"], "total": 3, "rows": [{"n": "1"}, {"n": "2"}, {"n": "3"}]}
    await add("campaigns", record)
    again = await add("campaigns", record)
    assert (again["unchanged"], (await http.get("/api/catalyst/campaigns/C")).headers["ETag"]) == (3, '"1"')
    await add("campaigns", {**record, "total": 1, "rows": [{"n": "1"}]})
    shorter = await http.get("/api/catalyst/campaigns/C")
    assert (shorter.json()["rows"], shorter.headers["ETag"]) == ([{"n": "1"}], '"2"')


async def test_signals_of_a_lead(http, add, lead):
    await lead()
    await add("signals", {"lead_id": "L-1", "signal_id": "s1", "attributes": {"kind": "churn", "score": 0.4}})
    answer = await http.get("/api/sentinel/leads/L-1/signals")
    assert answer.json()["items"] == [{"signal_id": "s1", "lead_id": "L-1", "kind": "churn", "score": 0.4}]


async def test_an_imported_record_moves_its_version_only_when_it_differs(http, add):
    record = {"lead_id": "L-1", "attributes": {"stage": "new"}}
    assert await add("leads", record) == {"created": 1, "replaced": 0, "unchanged": 0, "rejected": []}
    assert await add("leads", record) == {"created": 0, "replaced": 0, "unchanged": 1, "rejected": []}
    changed = {"lead_id": "L-1", "attributes": {"stage": "won"}}
    assert await add("leads", changed) == {"created": 0, "replaced": 1, "unchanged": 0, "rejected": []}
    assert (await http.get("/api/crm/leads/L-1")).headers["ETag"] == '"2"'


async def test_a_bad_record_of_a_batch_is_named_and_the_others_go_in(http, add):
    outcome = await add(
        "leads",
        {"lead_id": "L-1", "attributes": {}},
        {"lead_id": "a/b", "attributes": {}},
        {"attributes": {}},
        {"lead_id": "L-2", "attributes": {"note": "nul \u0000"}},
        {"lead_id": "L-3", "attributes": {}},
    )
    assert outcome["created"] == 2
    assert [r["index"] for r in outcome["rejected"]] == [1, 2, 3]
    chat = {"conversation_id": "c", "channel": "email", "messages": [{"author": "lead", "text": "hi"}]}
    outcome = await add("chats", {**chat, "lead_id": "nobody"}, {**chat, "lead_id": "L-3"})
    assert (outcome["created"], outcome["rejected"]) == (1, [{"index": 0, "reason": "no such lead"}])


@pytest.mark.parametrize(
    ("path", "code"),
    [
        pytest.param("/api/oracle/documents/x", "document_not_found", id="document"),
        pytest.param("/api/oracle/pages/x", "page_not_found", id="page"),
        pytest.param("/api/catalyst/campaigns/x", "campaign_not_found", id="campaign"),
        pytest.param("/api/sentinel/leads/x/signals", "lead_not_found", id="signals"),
        pytest.param("/api/nothing", "not_found", id="no-such-route"),
    ],
)
async def test_what_is_not_there_is_a_problem_with_its_code(http, path, code):
    answer = await http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert answer.json()["trace_id"]
