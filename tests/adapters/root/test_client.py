import gzip
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache

import pytest
from pydantic import SecretStr

from adapters.root.client import Patience, RootClient
from adapters.root.paths import lead_path
from adapters.root.records import LeadRecord
from adapters.root.tools import RootTools
from contracts.errors import (
    BadInput,
    NotFound,
    OutcomeUnknown,
    PreconditionStale,
    RootRefused,
    RootUnavailable,
)
from tests.adapters.root.conftest import CLOSE, HANG, http_answer

LEAD = http_answer(200, b'{"lead_id": "L-1"}', ETag='"7"')
PROBLEM = json.dumps({"code": "stage_invalid", "title": "No", "detail": "secret detail"}).encode()


def write(client):
    return client.write("t", "POST", lead_path("L-1", "notes"), {"text": "x"}, '"7"', "key-1")


async def test_a_lead_comes_with_its_etag(root, client):
    root.answers(LEAD)
    assert (await client.get_lead("acme", "L-1"))[:2] == ({"lead_id": "L-1"}, '"7"')
    head = root.requests[0][0].decode()
    assert head.startswith("GET /root/api/crm/leads/L-1 HTTP/1.1")
    assert "x-colony-tenant: acme" in head.lower()


async def test_the_key_is_sent_and_never_shown(root):
    root.answers(LEAD)
    client = RootClient(root.url, SecretStr("open sesame"))
    await client.get_lead("t", "L-1")
    await client.aclose()
    assert b"Authorization: Bearer open sesame" in root.requests[0][0]
    assert "sesame" not in repr(vars(client))


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        pytest.param(http_answer(404, PROBLEM), NotFound, "lead_not_found", id="404"),
        pytest.param(http_answer(412, PROBLEM), PreconditionStale, "precondition_stale", id="412"),
        pytest.param(http_answer(428, PROBLEM), PreconditionStale, "precondition_stale", id="428"),
        pytest.param(http_answer(400, PROBLEM), RootRefused, "root_refused", id="400"),
        pytest.param(http_answer(401), RootRefused, "root_key_refused", id="401"),
        pytest.param(http_answer(409, PROBLEM), RootRefused, "root_refused", id="409"),
        pytest.param(http_answer(422, PROBLEM), RootRefused, "root_refused", id="422"),
        pytest.param(http_answer(302, Location="http://evil.example"), RootRefused, "root_refused", id="redirect"),
    ],
)
@pytest.mark.parametrize("call", [lambda c: c.get_lead("t", "L-1"), write], ids=["read", "write"])
async def test_a_refusal_is_told_once_without_repeating_the_body(root, client, call, answer, error, code):
    root.answers(answer)
    with pytest.raises(error) as caught:
        await call(client)
    assert type(caught.value) is error
    assert caught.value.code == code
    assert "secret" not in str(caught.value)
    assert len(root.requests) == 1


async def test_a_refusal_names_the_roots_own_code(root, client):
    root.answers(http_answer(422, PROBLEM))
    with pytest.raises(RootRefused, match=r"422 \(stage_invalid\)"):
        await write(client)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"not json", id="not-json"),
        pytest.param(b"1", id="not-an-object"),
        pytest.param(b"[" * 100_000, id="too-deep"),
        pytest.param(b"", id="empty"),
    ],
)
async def test_an_unusable_answer_to_a_read_is_refused_but_a_write_has_happened(root, client, body):
    root.answers(http_answer(200, body))
    with pytest.raises(RootRefused) as caught:
        await client.get_lead("t", "L-1")
    assert caught.value.code == "malformed_payload"
    assert (await write(client))[:2] == ({}, None)


async def test_an_answer_over_16_mb_is_refused(root, client):
    root.answers(http_answer(200, b'{"a": "' + b"x" * (17 * 1024 * 1024) + b'"}'))
    with pytest.raises(RootRefused) as caught:
        await client.get_lead("t", "L-1")
    assert caught.value.code == "root_answer_too_large"


async def test_a_packed_answer_is_refused_and_not_unpacked(root, client):
    root.answers(http_answer(200, gzip.compress(b'{"lead_id": "L-1"}'), Content_Encoding="gzip"))
    with pytest.raises(RootRefused) as caught:
        await client.get_lead("t", "L-1")
    assert caught.value.code == "root_answer_packed"
    assert len(root.requests) == 1


@cache
def large_pages():
    pages = [{"items": [], "pad": "x" * (15 * 1024 * 1024), "next_cursor": str(n)} for n in range(6)]
    return [http_answer(200, json.dumps(p).encode()) for p in pages]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        pytest.param("root.get_chat", {"lead_id": "L"}, id="pages"),
        pytest.param("root.get_dataset", {"dataset": "a file"}, id="documents"),
    ],
)
async def test_a_list_over_64_mb_is_refused_whatever_its_pages_hold(root, client, tool, arguments):
    root.answers(*large_pages())
    with pytest.raises(RootRefused) as caught:
        await RootTools(client, "t").call("k", tool, arguments)
    assert caught.value.code == "root_answer_too_large"
    assert len(root.requests) == 5


@pytest.mark.parametrize(
    "hiccup",
    [
        pytest.param(http_answer(500), id="500"),
        pytest.param(http_answer(503), id="503"),
        pytest.param(http_answer(429, Retry_After="0"), id="429"),
        pytest.param(CLOSE, id="closed"),
        pytest.param(b"HTTP/1.1 200 X\r\nContent-Length: 50\r\n\r\nhalf", id="cut-short"),
    ],
)
async def test_a_read_is_tried_again_after_a_hiccup(root, client, hiccup):
    root.answers(hiccup, hiccup, LEAD)
    assert (await client.get_lead("t", "L-1")).data == {"lead_id": "L-1"}
    assert len(root.requests) == 3


async def test_a_read_is_given_up_after_three_tries(root, client):
    root.answers(http_answer(500))
    with pytest.raises(RootUnavailable):
        await client.get_lead("t", "L-1")
    assert len(root.requests) == 3


@pytest.mark.parametrize(
    "retry_after",
    [
        pytest.param("3600", id="seconds"),
        pytest.param(format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), id="date"),
    ],
)
async def test_a_long_wait_is_not_waited_out(root, client, retry_after):
    root.answers(http_answer(503, Retry_After=retry_after))
    with pytest.raises(RootUnavailable):
        await client.get_lead("t", "L-1")
    assert len(root.requests) == 1


async def test_a_silent_root_is_unavailable_to_a_read_within_the_time_given(root, hasty):
    root.answers(HANG)
    with pytest.raises(RootUnavailable):
        await hasty.get_lead("t", "L-1")


async def test_a_root_that_trickles_is_given_up_within_the_time_given(root, hasty):
    root.answers(b"HTTP/1.1 200 X\r\nContent-Length: 50\r\n\r\n{", HANG)
    with pytest.raises(RootUnavailable):
        await hasty.get_lead("t", "L-1")


async def test_nobody_listening_is_unavailable_to_reads_and_writes_alike(dead_url):
    client = RootClient(dead_url, patience=Patience(backoff_s=0.001))
    with pytest.raises(RootUnavailable):
        await client.get_lead("t", "L-1")
    with pytest.raises(RootUnavailable):
        await write(client)
    await client.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(HANG, id="silent"),
        pytest.param(CLOSE, id="closed"),
        pytest.param(http_answer(500), id="500"),
        pytest.param(http_answer(503), id="503"),
        pytest.param(b"HTTP/1.1 201 X\r\nContent-Length: 50\r\n\r\nhalf", id="cut-short"),
        pytest.param(b"nonsense\r\n\r\n", id="not-http"),
    ],
)
async def test_a_write_without_a_whole_answer_has_an_unknown_outcome_and_is_not_repeated(root, hasty, answer):
    root.answers(answer)
    with pytest.raises(OutcomeUnknown):
        await write(hasty)
    assert len(root.requests) == 1


async def test_a_write_that_is_told_to_wait_was_not_done(root, client):
    root.answers(http_answer(429, Retry_After="1"))
    with pytest.raises(RootUnavailable):
        await write(client)
    assert len(root.requests) == 1


async def test_a_write_carries_its_key_its_precondition_and_its_body(root, client):
    root.answers(http_answer(201, b'{"note_id": "n"}', ETag='"8"'))
    assert (await write(client))[:2] == ({"note_id": "n"}, '"8"')
    head, body = root.requests[0]
    assert head.startswith(b"POST /root/api/crm/leads/L-1/notes ")
    assert b"idempotency-key: key-1" in head.lower()
    assert b'if-match: "7"' in head.lower()
    assert json.loads(body) == {"text": "x"}


async def test_a_write_without_a_precondition_names_none(root, client):
    root.answers(http_answer(201))
    await client.write("t", "POST", lead_path("L-1", "notes"), {"text": "x"}, None, "key-1")
    assert b"if-match" not in root.requests[0][0].lower()


@pytest.mark.parametrize("lead_id", ["../x", "..", ".", "", "a/b", "a\\b", "a\x00b", "a\nb", "\ud800"])
async def test_an_id_that_would_lead_elsewhere_is_never_sent(root, client, lead_id):
    root.answers(LEAD)
    with pytest.raises(BadInput) as caught:
        await client.get_lead("t", lead_id)
    assert caught.value.code == "invalid_id"
    assert root.requests == []


@pytest.mark.parametrize(
    ("lead_id", "encoded"),
    [("a b", "a%20b"), ("a?b#c", "a%3Fb%23c"), ("50%2e", "50%252e"), ("é", "%C3%A9"), ("x&y=z", "x%26y%3Dz")],
)
async def test_other_ids_are_encoded_as_one_segment(root, client, lead_id, encoded):
    root.answers(LEAD)
    await client.get_lead("t", lead_id)
    assert root.asked_for == [f"GET /root/api/crm/leads/{encoded} HTTP/1.1"]


@pytest.mark.parametrize(
    "path",
    ["api/x", "/api/../x", "/api/%2e%2e/x", "/api/x?y=1", "/api/x#y", "//evil.example/x", "/api/a%2Fb", "/a b", ""],
)
async def test_a_write_goes_to_plain_paths_only(root, client, path):
    root.answers(LEAD)
    with pytest.raises(BadInput) as caught:
        await client.write("t", "POST", path, {}, None, "k")
    assert caught.value.code == "invalid_path"
    assert root.requests == []


async def test_a_campaign_is_read_to_its_last_page(root, client):
    root.answers(
        http_answer(200, b'{"campaign_id": "C", "rows": [{"n": 1}, {"n": 2}], "next_cursor": "x"}', ETag='"1"'),
        http_answer(200, b'{"campaign_id": "C", "rows": [{"n": 3}], "next_cursor": null}', ETag='"1"'),
    )
    data, etag, _ = await client.get_campaign("t", "C")
    assert (data["rows"], etag) == ([{"n": 1}, {"n": 2}, {"n": 3}], '"1"')
    assert root.asked_for[1] == "GET /root/api/catalyst/campaigns/C?cursor=x HTTP/1.1"


async def test_a_campaign_that_changes_while_it_is_read_is_not_patched_together(root, client):
    root.answers(
        http_answer(200, b'{"rows": [1], "next_cursor": "x"}', ETag='"1"'),
        http_answer(200, b'{"rows": [2], "next_cursor": null}', ETag='"2"'),
    )
    with pytest.raises(PreconditionStale):
        await client.get_campaign("t", "C")


async def test_an_import_batch_is_tried_again_since_putting_twice_is_putting_once(root, client):
    root.answers(http_answer(503), http_answer(200, b'{"created": 1}'))
    outcome = await client.put("t", "leads", [LeadRecord(lead_id="L-1", attributes={})])
    assert outcome.created == 1
    assert root.asked_for == ["POST /root/import/leads HTTP/1.1"] * 2
