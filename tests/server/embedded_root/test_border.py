"""Tenants, keys and bad input: what the root lets in."""

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from server.embedded_root.app import create_root_app
from tests.server.embedded_root.conftest import serving

TABLES = [
    "leads",
    "chats",
    "activities",
    "boards",
    "pages",
    "documents",
    "passages",
    "campaigns",
    "campaign_rows",
    "signals",
    "idempotency",
]


async def test_another_tenants_lead_does_not_exist(http, lead):
    await lead()
    other = {"X-Colony-Tenant": "other"}
    assert (await http.get("/api/crm/leads/L-1", headers=other)).status_code == 404
    assert (await http.get("/api/crm/leads", headers=other)).json()["items"] == []
    patch = await http.patch("/api/crm/leads/L-1", json={"stage": "won"}, headers={**other, "If-Match": "*"})
    note = await http.post("/api/crm/leads/L-1/notes", json={"text": "x"}, headers=other)
    assert [patch.status_code, note.status_code] == [404, 404]
    assert (await http.get("/api/crm/leads/L-1")).headers["ETag"] == '"1"'


async def test_two_tenants_may_use_the_same_ids_and_keys(http, add, lead):
    await lead()
    other = {"X-Colony-Tenant": "same-ids"}
    item = {"lead_id": "L-1", "attributes": {"name": "Bo"}}
    await http.post("/import/leads", json={"items": [item]}, headers=other)
    key = {"Idempotency-Key": "k"}
    mine = await http.post("/api/crm/leads/L-1/notes", json={"text": "mine"}, headers=key)
    theirs = await http.post("/api/crm/leads/L-1/notes", json={"text": "theirs"}, headers={**other, **key})
    assert [mine.json()["text"], theirs.json()["text"]] == ["mine", "theirs"]


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_tenant_no_row_of_any_table_is_visible(pool, http, lead, table):
    await lead()
    await http.post("/api/crm/leads/L-1/notes", json={"text": "x"}, headers={"Idempotency-Key": "k"})
    async with pool.connection() as conn:
        row = await (await conn.execute(f"select count(*) as n from root.{table}")).fetchone()
    assert row == {"n": 0}


async def test_every_table_of_the_root_forces_row_level_security(pool):
    query = """select relname, relforcerowsecurity and relrowsecurity as forced from pg_class
               where relnamespace = 'root'::regnamespace and relkind = 'r'"""
    async with pool.connection() as conn:
        rows = await (await conn.execute(query)).fetchall()
    assert {row["relname"]: row["forced"] for row in rows} == dict.fromkeys(TABLES, True)


@pytest.mark.parametrize("table", ["public.colony_missions", "public.colony_events", "public.checkpoints"])
async def test_the_roots_role_reads_nothing_of_colonys(pool, table):
    async with pool.connection() as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute(f"select from {table}")


async def test_a_text_of_ever_new_words_can_be_stored_and_found(http, add):
    text = " ".join(chr(0x20000 + n) for n in range(40_000)) + " needle"
    await add(
        "documents",
        "passages",
        {"document_id": "d", "title": "D", "source": "d.txt", "media_type": "text/plain", "text": "needle " + text},
    )
    found = (await http.get("/api/oracle/documents", params={"q": "needle"})).json()["items"]
    assert [d["document_id"] for d in found] == ["d"]


KEY = SecretStr("open sesame")
BEARER = {"Authorization": "Bearer open sesame"}


@pytest.mark.parametrize(
    ("api_key", "require_key", "headers", "status"),
    [
        pytest.param(None, False, {}, 200, id="developer-on-loopback"),
        pytest.param(None, False, {"X-Forwarded-For": "10.0.0.1"}, 401, id="through-a-proxy"),
        pytest.param(None, False, {"Host": "evil.example"}, 401, id="a-rebound-name"),
        pytest.param(None, False, {"Origin": "https://evil.example"}, 401, id="a-web-page"),
        pytest.param(None, False, {"Origin": "http://localhost:3000"}, 200, id="a-local-page"),
        pytest.param(None, True, {}, 401, id="nothing-configured-allows-nothing"),
        pytest.param(SecretStr(""), True, {"Authorization": "Bearer"}, 401, id="an-empty-key-is-none"),
        pytest.param(KEY, True, {}, 401, id="key-missing"),
        pytest.param(KEY, True, {"Authorization": "Bearer wrong"}, 401, id="key-wrong"),
        pytest.param(KEY, True, {"Authorization": "Basic open sesame"}, 401, id="another-scheme"),
        pytest.param(KEY, True, BEARER, 200, id="key-right"),
        pytest.param(KEY, False, {}, 200, id="key-not-needed-here"),
        pytest.param(KEY, False, {**BEARER, "X-Forwarded-For": "10.0.0.1"}, 200, id="key-through-a-proxy"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/api/crm/leads"), ("POST", "/import/leads")])
async def test_who_gets_in(store, tenant, api_key, require_key, headers, status, method, path):
    body = {"items": []} if method == "POST" else None
    app = create_root_app(store, api_key=api_key, require_key=require_key)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        answer = await http.request(method, path, json=body, headers={**headers, "X-Colony-Tenant": tenant})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param({"content": b"{"}, 400, id="broken-json"),
        pytest.param({"content": b"[]"}, 400, id="not-an-object"),
        pytest.param({"content": b'{"text": NaN}'}, 400, id="nan"),
        pytest.param({"content": b'{"text": 1e999}'}, 400, id="infinite"),
        pytest.param({"content": b'{"text": "\\u0000"}'}, 400, id="nul"),
        pytest.param({"content": b'{"text": "\\ud800"}'}, 400, id="half-a-surrogate-pair"),
        pytest.param({"content": b'{"text": "\xff"}'}, 400, id="not-utf-8"),
        pytest.param({"content": b'{"a":' * 40 + b"1" + b"}" * 40}, 400, id="deep"),
        pytest.param({"content": b"[" * 100_000}, 400, id="very-deep"),
        pytest.param({"content": b'{"text": ' + b"9" * 5_000 + b"}"}, 400, id="a-number-of-5000-digits"),
        pytest.param({"content": b'{"text": "' + b"x" * 9_000_000 + b'"}'}, 413, id="too-large"),
        pytest.param({"content": b"{}"}, 422, id="no-text"),
        pytest.param({"json": {"text": "x"}, "headers": {"Idempotency-Key": "k" * 300}}, 400, id="long-key"),
        pytest.param({"json": {"text": "x"}, "headers": {"X-Colony-Tenant": "a b"}}, 400, id="odd-tenant"),
    ],
)
async def test_bad_input_is_refused_as_a_problem_and_never_a_failure(http, lead, request_, status):
    await lead()
    answer = await http.post("/api/crm/leads/L-1/notes", **request_)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (await http.get("/api/crm/leads/L-1/notes")).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/api/crm/leads?limit=0", 422, id="limit-0"),
        pytest.param("/api/crm/leads?limit=x", 422, id="limit-x"),
        pytest.param("/api/crm/leads?cursor=!!", 400, id="not-a-cursor"),
        pytest.param("/api/crm/leads?cursor=WzFd", 400, id="another-lists-cursor"),
        pytest.param("/api/crm/leads?q=%00", 422, id="nul-in-a-query"),
        pytest.param("/api/crm/leads/%00", 422, id="nul-in-an-id"),
        pytest.param("/api/crm/leads/" + "x" * 5_000, 404, id="a-very-long-id"),
        pytest.param("/api/crm/leads/L-1%2Fnotes", 404, id="an-escaped-slash-is-no-way-in"),
        pytest.param("/api/crm/leads/L-1/secrets", 422, id="an-unknown-kind"),
        pytest.param("/api/oracle/documents?cursor=WyJ4IiwgImEiXQ", 422, id="a-forged-rank"),
        pytest.param("/api/catalyst/campaigns?cursor=W10", 400, id="an-empty-cursor"),
    ],
)
async def test_odd_addresses_are_refused_as_a_problem(http, lead, path, status):
    await lead()
    answer = await http.get(path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"lead_id": "L-2"}, id="another-id"),
        pytest.param({"stage": ""}, id="no-stage"),
        pytest.param({"stage": None}, id="stage-taken-away"),
        pytest.param({"stage": 3}, id="a-number-for-a-stage"),
    ],
)
async def test_a_patch_that_would_break_the_lead_is_refused(http, lead, changes):
    await lead()
    answer = await http.patch("/api/crm/leads/L-1", json=changes, headers={"If-Match": '"1"'})
    assert answer.status_code == 422


async def test_a_root_without_its_database_says_so(pool, http, lead):
    await lead()
    await pool.close()
    answer = await http.get("/api/crm/leads/L-1")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert answer.headers["Retry-After"] == "1"
