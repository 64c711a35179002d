"""The REST surface: what each call answers, key by key."""

import asyncio
import io
import zipfile
from pathlib import Path

import httpx

from contracts.mission import MissionEnvelope
from server import shapes, shapes_approval
from tests.server.tokens import Issuer
from tests.support import GOAL, Service, pretty

API = "/api/colony"
LINKS = {"self", "events", "artifacts", "checkpoints", "bundle"}
MISSION = {
    "mission_id", "mission_type", "status", "stage", "envelope", "risk_level", "sensitivity_class", "usage", "packet",
    "pending_approval", "failure", "lineage", "graph_version", "created_at", "updated_at", "links", "trace_id",
}  # fmt: skip
PACKET = {
    "summary", "claims", "facts", "answer", "metrics", "findings", "next_steps", "drafts", "contradictions",
    "open_questions", "writebacks", "taint", "review",
}  # fmt: skip
PROPOSAL = {
    "proposal_id", "target", "operation", "precondition", "before", "after", "rationale", "citations", "taint",
    "risk_level", "payload_sha256",
}  # fmt: skip
CLAIM = {
    "claim_id", "text", "subject", "attribute", "value", "unit", "polarity", "time", "citations", "confidence",
    "status",
}  # fmt: skip
EVENT = {
    "event_id", "mission_id", "tenant_id", "seq", "trace_id", "span_id", "actor", "intent", "artifact_id", "phase",
    "event_type", "schema_version", "timestamp", "payload", "prev_hash", "hash",
}  # fmt: skip
KINDS = [
    "task", "prompt_package", "librarian_pass", "research_artifact", "worker_result", "aggregation_packet",
    "review_packet", "policy_decision", "writeback",
]  # fmt: skip
BODY = {"mission_type": "crm_lead_intelligence", "user_goal": GOAL, "inputs": {"lead_id": "L-1"}}


async def waiting(service: Service) -> dict[str, object]:
    await service.seed_lead()
    mission = await service.settled(await service.submit())
    assert mission["status"] == "awaiting_approval", pretty(mission)
    return mission


async def test_a_submission_is_accepted_with_its_trace_and_where_it_is(service: Service) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}

    answer = await service.client.post(f"{API}/missions", json=BODY, headers=headers)

    assert answer.status_code == 202
    body = answer.json()
    assert set(body) == {"mission_id", "status", "trace_id", "links"}
    assert (body["status"], body["trace_id"], set(body["links"])) == ("received", trace, LINKS)
    assert answer.headers["Location"] == body["links"]["self"]
    assert (await service.client.get(answer.headers["Location"])).json()["mission_id"] == body["mission_id"]


async def test_a_mission_has_the_documented_fields_and_no_other(service: Service) -> None:
    mission = await waiting(service)

    shapes.Mission.model_validate(mission)
    assert set(mission) == MISSION
    assert set(mission["envelope"]) == set(MissionEnvelope.model_fields) == set(shapes.Envelope.model_fields)
    assert set(mission["usage"]) == {"tokens_in", "tokens_out", "cost_usd", "model_calls"}
    assert set(mission["lineage"]) == {"parent_mission_id", "parent_checkpoint_id", "kind"}
    assert mission["failure"] is None
    packet = mission["packet"]
    assert set(packet) == PACKET
    assert all(set(claim) == CLAIM for claim in packet["claims"])
    assert all(set(fact) == {"key", "value", "claim_id"} for fact in packet["facts"])
    pending = mission["pending_approval"]
    assert {"mission_id", "interrupt_id", "proposals", "reasons", "expires_at", "age_ms"} < set(pending)
    assert (pending["required"], pending["given"]) == (1, 0)
    assert pending["proposals"]
    assert all(set(proposal) == PROPOSAL for proposal in pending["proposals"])
    assert all(set(p["target"]) == {"system", "entity", "id"} for p in pending["proposals"])


async def test_a_quote_is_found_where_its_citation_says(service: Service) -> None:
    mission = await waiting(service)
    texts = {
        a["artifact_id"]: a["payload"]["text"]
        for a in await service.artifacts(mission["mission_id"], "research_artifact")
    }
    citations = [c for claim in mission["packet"]["claims"] for c in claim["citations"]]
    assert citations
    assert all(texts[c["artifact_id"]][c["start"] : c["end"]] == c["quote"] for c in citations)


async def test_a_mission_can_be_looked_at_before_a_worker_has_it(serve) -> None:
    service = await serve(MAX_CONCURRENT_MISSIONS="1")
    colony = service.colony
    await colony.worker.stop()

    mission = await service.mission(await service.submit())

    shapes.Mission.model_validate(mission)
    assert mission["status"] == "received"
    assert mission["envelope"]["user_goal"] == GOAL
    assert mission["envelope"]["risk_level"] is None


async def test_every_kind_of_artifact_is_listed_and_can_be_asked_for_alone(service: Service) -> None:
    mission_id = str((await waiting(service))["mission_id"])
    await service.post(mission_id, "approve")
    await service.settled(mission_id)

    everything = (await service.client.get(f"{API}/missions/{mission_id}/artifacts")).json()

    shapes.Artifacts.model_validate(everything)
    assert {a["kind"] for a in everything["items"]} == set(KINDS)
    for kind in KINDS:
        assert await service.artifacts(mission_id, kind) == [a for a in everything["items"] if a["kind"] == kind]
    unknown = await service.client.get(f"{API}/missions/{mission_id}/artifacts", params={"kind": "plan_b"})
    assert unknown.status_code == 422


async def test_events_are_listed_from_a_seq_on(service: Service) -> None:
    mission_id = str((await waiting(service))["mission_id"])

    events = await service.events(mission_id)

    shapes.Events.model_validate({"items": events})
    assert all(set(event) == EVENT for event in events)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    tail = await service.client.get(f"{API}/missions/{mission_id}/events", params={"after": 5})
    assert tail.json()["items"] == events[5:]
    beyond = await service.client.get(f"{API}/missions/{mission_id}/events", params={"after": len(events) + 9})
    assert beyond.json() == {"items": []}


async def test_the_queue_shows_what_waits_and_no_longer_what_was_answered(service: Service) -> None:
    mission = await waiting(service)

    queue = (await service.client.get(f"{API}/approvals")).json()

    shapes_approval.Approvals.model_validate(queue)
    (waits,) = queue["items"]
    assert {k: v for k, v in waits.items() if k != "age_ms"} == {
        k: v for k, v in mission["pending_approval"].items() if k != "age_ms"
    }
    await service.post(mission["mission_id"], "reject", reason="not now")
    assert (await service.client.get(f"{API}/approvals")).json() == {"items": []}
    assert (await service.settled(mission["mission_id"]))["status"] == "rejected"


async def test_pages_hold_every_mission_once_while_new_ones_come_in(service: Service) -> None:
    first = [await service.submit(inputs={"lead_id": f"N-{n}"}) for n in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await service.client.get(f"{API}/missions", params=params)).json()
        shapes.MissionPage.model_validate(page)
        seen += [item["mission_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await service.submit(inputs={"lead_id": "late"})
    assert seen == first[::-1]


async def test_a_list_is_filtered_by_status_and_by_type(service: Service) -> None:
    lead = str((await waiting(service))["mission_id"])
    asked = await service.submit("oracle_advisory", inputs={"question": "What is known?"})
    await service.settled(asked)

    async def listed(**params: str) -> list[str]:
        answer = await service.client.get(f"{API}/missions", params=params)
        return [item["mission_id"] for item in answer.json()["items"]]

    assert await listed(status="awaiting_approval") == [lead]
    assert await listed(type="oracle_advisory") == [asked]
    assert await listed(type="oracle_advisory", status="awaiting_approval") == []
    assert await listed() == [asked, lead]


WRONG_PARAMETERS = [
    {"limit": "0"},
    {"limit": "201"},
    {"limit": "many"},
    {"status": "sleeping"},
    {"type": "free_form"},
    {"cursor": "made up"},
    {"cursor": "99999999999999999999_msn_1"},
    {"cursor": "\x00"},
]


async def test_a_wrong_parameter_of_a_list_is_refused_by_name(service: Service) -> None:
    for params in WRONG_PARAMETERS:
        answer = await service.client.get(f"{API}/missions", params=params)
        assert answer.status_code == 422, params
        assert next(iter(params)) in answer.json()["detail"]


async def test_a_repeat_under_the_same_key_has_the_first_answer(service: Service) -> None:
    await service.seed_lead()
    key = {"Idempotency-Key": "order 66"}
    first = await service.client.post(f"{API}/missions", json=BODY, headers=key)
    await service.settled(first.json()["mission_id"])

    again = await service.client.post(f"{API}/missions", json={**BODY, "origin_surface": "api"}, headers=key)

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Location"] == first.headers["Location"]
    assert len((await service.client.get(f"{API}/missions")).json()["items"]) == 1


async def test_a_key_that_was_used_for_another_body_is_refused(service: Service) -> None:
    key = {"Idempotency-Key": "k"}
    await service.client.post(f"{API}/missions", json=BODY, headers=key)
    answer = await service.client.post(f"{API}/missions", json={**BODY, "user_goal": "Another."}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_of_twenty_submissions_at_once_under_one_key_one_mission_is_made(service: Service) -> None:
    calls = [service.client.post(f"{API}/missions", json=BODY, headers={"Idempotency-Key": "one"}) for _ in range(20)]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len((await service.client.get(f"{API}/missions")).json()["items"]) == 1


async def test_a_key_that_is_none_is_refused(service: Service) -> None:
    for key in (b"", b"x" * 201, "ü".encode("latin-1")):
        answer = await service.client.post(f"{API}/missions", json=BODY, headers=[(b"Idempotency-Key", key)])
        assert answer.status_code == 422, key
        assert "idempotency-key" in answer.json()["detail"].lower()


ROUTES = [
    ("GET", ""),
    ("GET", "/artifacts"),
    ("GET", "/events"),
    ("GET", "/bundle"),
    ("GET", "/checkpoints"),
    ("GET", "/checkpoints/c-1"),
    ("GET", "/diff?from=a&to=b"),
    *(("POST", f"/{name}") for name in ("approve", "reject", "cancel", "retry", "fail", "replay", "fork")),
]


async def test_an_unknown_mission_and_another_tenants_look_the_same(serve, tmp_path: Path) -> None:
    issuer = Issuer()
    service = await serve(**issuer.settings(tmp_path))
    mine, theirs = issuer.bearer(), issuer.bearer(tenant="umbrella")
    made = await service.client.post(f"{API}/missions", json=BODY, headers=mine)
    there = made.json()["mission_id"]

    for method, path in ROUTES:
        answers = [
            await service.client.request(method, f"{API}/missions/{mission_id}{path}", headers=theirs)
            for mission_id in (there, "msn_" + "0" * 32, "x" * 300, "%00", "%7F", "%F0%9F%92%A9")
        ]
        bodies = [{k: v for k, v in answer.json().items() if k != "trace_id"} for answer in answers]
        assert {answer.status_code for answer in answers} == {404}, path
        assert bodies == [bodies[0]] * len(bodies), path
        assert bodies[0]["code"] == "mission_not_found"
    assert (await service.client.get(f"{API}/missions", headers=theirs)).json()["items"] == []
    assert (await service.client.get(f"{API}/missions", headers=mine)).json()["items"]


async def test_what_is_decided_or_ended_refuses_a_further_command(service: Service) -> None:
    mission = await waiting(service)
    mission_id = str(mission["mission_id"])
    pending = mission["pending_approval"]

    def answers(**changes: str) -> list[dict[str, str]]:
        return [
            {"proposal_id": p["proposal_id"], "payload_sha256": p["payload_sha256"], "verdict": "approve", **changes}
            for p in pending["proposals"]
        ]

    async def refused(command: str, **body: object) -> tuple[int, str]:
        answer = await service.post(mission_id, command, **body)
        return answer.status_code, answer.json()["code"]

    assert await refused("retry") == (409, "not_failed")
    assert await refused("approve", interrupt_id="another", decisions=[]) == (409, "already_decided")
    changed = answers(payload_sha256="0" * 64)
    assert await refused("approve", interrupt_id=pending["interrupt_id"], decisions=changed) == (409, "payload_changed")

    accepted = await service.post(mission_id, "approve", interrupt_id=pending["interrupt_id"], decisions=answers())
    assert accepted.status_code == 202
    assert accepted.json() == {"mission_id": mission_id, "status": "running", "links": mission["links"]}
    assert await refused("approve", interrupt_id=pending["interrupt_id"], decisions=answers()) == (409, "not_pending")
    assert (await service.settled(mission_id))["status"] == "completed"
    for command in ("approve", "reject", "cancel", "retry", "fail"):
        assert (await refused(command))[0] == 409, command


async def test_a_mission_given_up_while_it_waited_asks_again_when_it_is_retried(service: Service) -> None:
    mission_id = str((await waiting(service))["mission_id"])
    assert (await service.post(mission_id, "fail", reason="wrong lead")).json()["status"] == "failed"
    failed = await service.mission(mission_id)
    assert failed["failure"] == {
        "code": "failed_by_operator", "reason": "wrong lead", "stage": "release_gate", "hint": failed["failure"]["hint"]
    }  # fmt: skip
    assert failed["pending_approval"] is None

    assert (await service.post(mission_id, "retry")).status_code == 202
    again = await service.settled(mission_id)
    assert again["status"] == "awaiting_approval"
    assert again["pending_approval"]["proposals"]
    assert (await service.post(mission_id, "approve")).status_code == 202
    assert (await service.settled(mission_id))["status"] == "completed"


async def test_a_cancelled_mission_says_so(service: Service) -> None:
    mission_id = str((await waiting(service))["mission_id"])
    answer = await service.post(mission_id, "cancel", reason="changed my mind")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    mission = await service.mission(mission_id)
    shapes.Mission.model_validate(mission)
    assert (mission["status"], mission["failure"]["reason"]) == ("cancelled", "changed my mind")


async def test_the_bundle_is_a_zip_under_the_missions_name(service: Service) -> None:
    mission_id = str((await waiting(service))["mission_id"])
    answer = await service.client.get(f"{API}/missions/{mission_id}/bundle")
    assert answer.headers["content-type"] == "application/zip"
    assert f'filename="{mission_id}.zip"' in answer.headers["content-disposition"]
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None


async def test_health_and_metrics_are_there_for_machines(service: Service) -> None:
    await waiting(service)
    assert (await service.client.get(f"{API}/health")).json() == {"status": "ok"}
    ready = await service.client.get(f"{API}/health/ready")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ok", "parts": {part: {"status": "ok"} for part in ("postgres", "constitution")}},
    )
    metrics = await service.client.get(f"{API}/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert 'colony_missions{status="awaiting_approval"} 1.0' in metrics.text
    assert "colony_approvals_pending 1.0" in metrics.text


async def test_a_deployment_that_is_switched_off_takes_no_missions(serve) -> None:
    service = await serve(COLONY_ENABLED="false")
    answer = await service.client.post(f"{API}/missions", json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (503, "disabled")
    assert (await service.client.get(f"{API}/missions")).json()["items"] == []


async def test_links_lead_somewhere(service: Service) -> None:
    mission = await service.mission(await service.submit())
    answers: list[httpx.Response] = [await service.client.get(link) for link in mission["links"].values()]
    assert {answer.status_code for answer in answers} <= {200, 501}
