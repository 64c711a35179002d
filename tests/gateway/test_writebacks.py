"""The root's side of a write: asked before a person is, asked again before the write, and never given anything else."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import pytest_asyncio
from fastapi import Depends, FastAPI, Request, Response
from pydantic import SecretStr

from adapters.root.client import Patience, RootClient
from adapters.root.validator import RootValidator
from adapters.root.writer import RootWriter
from colony_gateway import (
    ApprovedWrite,
    ApprovedWrites,
    ColonyGateway,
    GatewaySettings,
    Reason,
    WritebackCheck,
    writebacks_router,
)
from colony_gateway.writebacks import Proposal
from contracts.errors import RootUnavailable
from contracts.evidence import Target, payload_sha256
from graph.effects import GrantedEffects
from server.settings import RootValidation
from server.verify import verify_bytes
from tests.gateway.conftest import says, serving_app
from tests.graph.lab import AS_IT_IS, Lab, Swaps, open_lab
from tests.nodes.bench import crm, mission
from tests.policies.build import proposal
from tests.saboteurs.test_effects import DiesBeforeTheOutcome

JSON = "Content-Type: application/json"
WRITTEN = "what the root had refused was written"
AUTO = Swaps(environment={"root_validation": RootValidation.AUTO})


@dataclass
class Root:
    """A product's root: it passes reads on, and takes only writes that Colony says were approved."""

    upstream: httpx.AsyncClient
    colony: ColonyGateway
    against: dict[tuple[str, str], str] = field(default_factory=dict)
    asked: list[WritebackCheck] = field(default_factory=list)
    let_in: list[str] = field(default_factory=list)

    async def judge(self, check: WritebackCheck) -> Sequence[Reason]:
        self.asked.append(check)
        code = self.against.get((check.phase, check.proposal.operation))
        return [Reason(code=code, detail="not with us")] if code else []

    def app(self) -> FastAPI:
        app = FastAPI()

        async def admit(request: Request) -> None:
            assert request.headers["X-Colony-Tenant"] == "demo"

        app.include_router(writebacks_router(self.judge, admit=admit))
        patched = ApprovedWrites(self.colony, entity="lead", operation="patch", target="lead_id")
        noted = ApprovedWrites(self.colony, entity="lead", operation="note", target="lead_id")
        tasked = ApprovedWrites(self.colony, entity="lead", operation="task", target="lead_id")
        messaged = ApprovedWrites(self.colony, entity="lead", operation="message", target="lead_id")

        @app.patch("/api/crm/leads/{lead_id}")
        async def patch(request: Request, write: Annotated[ApprovedWrite, Depends(patched)]) -> Response:
            return await self.taken(request, write)

        @app.post("/api/crm/leads/{lead_id}/notes")
        async def note(request: Request, write: Annotated[ApprovedWrite, Depends(noted)]) -> Response:
            return await self.taken(request, write)

        @app.post("/api/crm/leads/{lead_id}/tasks")
        async def task(request: Request, write: Annotated[ApprovedWrite, Depends(tasked)]) -> Response:
            return await self.taken(request, write)

        @app.post("/api/crm/leads/{lead_id}/messages")
        async def message(request: Request, write: Annotated[ApprovedWrite, Depends(messaged)]) -> Response:
            return await self.taken(request, write)

        @app.get("/{path:path}")
        async def read(request: Request) -> Response:
            return await self.passed(request)

        return app

    async def taken(self, request: Request, write: ApprovedWrite) -> Response:
        self.let_in.append(write.proposal.operation)
        return await self.passed(request)

    async def passed(self, request: Request) -> Response:
        kept = {k: v for k, v in request.headers.items() if k.startswith(("x-", "if-", "idem", "content-type"))}
        url = f"/root{request.url.path}?{request.url.query}"
        answer = await self.upstream.request(request.method, url, headers=kept, content=await request.body())
        headers = {"ETag": answer.headers["ETag"]} if "ETag" in answer.headers else {}
        return Response(answer.content, answer.status_code, headers, media_type=answer.headers["content-type"])


@dataclass
class Stand:
    lab: Lab
    root: Root
    http: httpx.AsyncClient

    async def asked(self, **against: str) -> dict[str, Any]:
        self.root.against = {tuple(name.split("__")): code for name, code in against.items()}  # type: ignore[misc]
        await self.lab.service.seed_lead()
        return await self.lab.mission(AUTO)

    async def verified(self, mission_id: str) -> bool:
        bundle = await self.lab.service.client.get(f"/api/colony/missions/{mission_id}/bundle")
        report = verify_bytes(bundle.content)
        assert report.ok, report.first_failure
        return True


@pytest_asyncio.fixture
async def stand(database: str, tmp_path: Path) -> AsyncIterator[Stand]:
    async with open_lab(database, tmp_path) as lab:
        base = str(lab.service.client.base_url).rstrip("/")
        async with ColonyGateway(GatewaySettings(base_url=base)) as gateway:
            root = Root(lab.service.client, gateway)
            async with serving_app(root.app()) as url, httpx.AsyncClient(base_url=url) as http:
                client = RootClient(url, None, Patience(total_s=5, backoff_s=0.001))
                lab.root, own = client, lab.root
                yield Stand(lab, root, http)
                lab.root = own
                await client.aclose()


def by_operation(mission: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {w["operation"]: w for w in mission["packet"]["writebacks"]}


async def test_a_root_is_asked_before_and_after_the_approval_and_is_given_only_what_was_approved(stand: Stand) -> None:
    waiting = await stand.asked()
    proposed = [p["proposal_id"] for p in waiting["pending_approval"]["proposals"]]
    assert sorted(c.proposal.proposal_id for c in stand.root.asked) == sorted(proposed)
    assert {(c.phase, c.approval) for c in stand.root.asked} == {("before_approval", None)}
    ended = await stand.lab.approved(waiting["mission_id"], AUTO)
    assert {w["status"] for w in ended["packet"]["writebacks"]} == {"applied"}
    after = [c for c in stand.root.asked if c.phase == "before_write"]
    assert sorted(c.proposal.proposal_id for c in after) == sorted(proposed)
    assert {c.approval.approved_by for c in after if c.approval} == {("developer",)}
    assert sorted(stand.root.let_in) == sorted(w["operation"] for w in ended["packet"]["writebacks"])
    assert await stand.verified(waiting["mission_id"])
    note = by_operation(ended)["note"]
    replayed = await stand.http.post(NOTES, json=note["after"], headers=named(ended["mission_id"], note))
    assert (replayed.status_code, replayed.json()["detail"]["code"]) == (409, "not_approved")


NOTES = "/api/crm/leads/L-1/notes"


def named(mission_id: str, one: dict[str, Any]) -> dict[str, str]:
    return {
        "X-Colony-Tenant": "demo",
        "X-Colony-Mission-Id": mission_id,
        "X-Colony-Proposal-Id": one["proposal_id"],
        "X-Colony-Payload-Sha256": one["payload_sha256"],
    }


async def forged_writes_are_refused(stand: Stand, died: dict[str, Any]) -> None:
    """An approved write is under way; who knows its names still gets nothing else in."""
    before = await stand.lab.service.writes()
    note = by_operation(died)["note"]
    assert note["status"] == "intended"
    names, body = named(died["mission_id"], note), note["after"]
    other_body = await stand.http.post(NOTES, json={"text": "give them a discount"}, headers=names)
    other_target = await stand.http.post("/api/crm/leads/L-2/notes", json=body, headers=names)
    other_kind = await stand.http.post("/api/crm/leads/L-1/tasks", json=body, headers=names)
    for answer in (other_body, other_target, other_kind):
        assert (answer.status_code, answer.json()["detail"]["code"]) == (409, "payload_changed")
    for header, value in (("X-Colony-Tenant", "other"), ("X-Colony-Payload-Sha256", "0" * 64)):
        answer = await stand.http.post(NOTES, json=body, headers=names | {header: value})
        assert (answer.status_code, answer.json()["detail"]["code"]) == (409, "not_approved")
    assert (await stand.http.post(NOTES, json=body)).status_code == 409
    assert await stand.lab.service.writes() == before


async def test_what_the_root_would_not_take_is_withheld_and_nobody_is_asked_about_it(stand: Stand) -> None:
    waiting = await stand.asked(before_approval__patch="stage_unknown")
    assert "patch" not in {p["operation"] for p in waiting["pending_approval"]["proposals"]}
    assert any("would not take 1" in reason for reason in waiting["pending_approval"]["reasons"])
    held = by_operation(waiting)["patch"]
    assert (held["status"], held["outcome"]) == ("withheld", {"code": "stage_unknown", "reason": "not with us"})
    ended = await stand.lab.approved(waiting["mission_id"], AUTO)
    shown = {name: w["status"] for name, w in by_operation(ended).items()}
    assert shown.pop("patch") == "withheld"
    assert set(shown.values()) == {"applied"}
    assert (await stand.lab.service.lead())["stage"] == "contacted"
    assert await stand.verified(waiting["mission_id"])


async def what_is_refused_after_the_approval_is_never_written(stand: Stand, swaps: Swaps) -> None:
    """The check: approved by a person, and yet nothing of it goes out."""
    waiting = await stand.asked(before_write__patch="precondition_stale", before_write__note="frozen")
    ended = await stand.lab.approved(waiting["mission_id"], swaps)
    assert "patch" not in stand.root.let_in, WRITTEN
    shown = {name: w["status"] for name, w in by_operation(ended).items()}
    assert (shown["patch"], shown["note"], shown["task"]) == ("conflicted", "failed", "applied")
    assert by_operation(ended)["note"]["outcome"] == {"code": "frozen", "reason": "not with us"}
    assert "note" not in stand.root.let_in
    assert ended["status"] == "completed"
    assert await stand.verified(waiting["mission_id"])


async def test_what_the_root_refuses_after_the_approval_is_never_written(stand: Stand) -> None:
    await what_is_refused_after_the_approval_is_never_written(stand, AUTO)


async def test_without_the_second_question_it_is_written(stand: Stand) -> None:
    with pytest.raises(AssertionError, match=WRITTEN):
        await what_is_refused_after_the_approval_is_never_written(stand, AS_IT_IS)


async def test_a_process_that_dies_after_sending_does_not_ask_again(stand: Stand) -> None:
    """Asked again the root would say that the object has changed: by this very write."""
    waiting = await stand.asked()
    writer = DiesBeforeTheOutcome(RootWriter(stand.lab.root, waiting["mission_id"]))
    validator = RootValidator(stand.lab.root, required=True)

    def rewire(ports: Any, ledger: Any, record: Any) -> Any:
        asking = stand.lab.asking(ledger, record)
        return replace(ports, effects=GrantedEffects(ports.mission, ledger, writer, asking, validator))

    swaps = Swaps(rewire=rewire)
    died = await stand.lab.approved(waiting["mission_id"], swaps)
    assert died["status"] == "running"
    await forged_writes_are_refused(stand, died)
    stand.root.against = {("before_write", "note"): "precondition_stale"}
    stand.lab.forget_leases()
    ended = await stand.lab.run(waiting["mission_id"], swaps)
    assert {w["status"] for w in ended["packet"]["writebacks"]} == {"applied"}
    assert (await stand.lab.service.writes())["notes"] == 1


@asynccontextmanager
async def validator(url: str, *, required: bool = False) -> AsyncIterator[RootValidator]:
    client = RootClient(url, SecretStr("k"), Patience(total_s=1, backoff_s=0.001))
    yield RootValidator(client, required=required)
    await client.aclose()


NO_REASON = '{"verdict": "refuse", "reasons": null}'


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param(says("200 OK", '{"verdict": "accept", "more": 1}', JSON), None, id="accepted"),
        pytest.param(says("404 Not Found", "<html>", "Content-Type: text/html"), None, id="no-hook"),
        pytest.param(says("405 Method Not Allowed", "", JSON), None, id="no-such-method"),
        pytest.param(says("200 OK", '{"ok": true}', JSON), "malformed_payload", id="no-verdict"),
        pytest.param(says("200 OK", "yes", JSON), "malformed_payload", id="not-json"),
        pytest.param(says("200 OK", NO_REASON, JSON), "root_refused", id="no-reason"),
        pytest.param(
            says("403 Forbidden", '{"code": "key_unknown"}', JSON), "root_key_refused", id="the-key-is-refused"
        ),
    ],
)
async def test_an_answer_that_is_not_a_yes_is_a_no(answer: Any, code: str | None, stand_in: Any) -> None:
    async with validator(await stand_in(answer)) as asking:
        refusal = await asking.refusal(mission(crm()), proposal(), '"1"', None)
        assert (refusal.code if refusal else None) == code


async def test_a_root_that_must_have_the_hook_and_has_none_takes_nothing(stand_in: Any) -> None:
    async with validator(await stand_in(says("404 Not Found", "", JSON)), required=True) as asking:
        refusal = await asking.refusal(mission(crm()), proposal(), '"1"', None)
        assert refusal is not None
        assert refusal.code == "validation_missing"


async def test_a_root_that_is_away_is_said_to_be() -> None:
    async with validator("http://127.0.0.1:9") as asking:
        with pytest.raises(RootUnavailable):
            await asking.refusal(mission(crm()), proposal(), '"1"', None)


def test_both_sides_hash_alike() -> None:
    target = Target(system="crm", entity="lead", id="L-1")
    after = {"é": [1, 2.5, None, True, {"z": "a\n\u2028", "a": -0.0}], "b": 1e21, "c": 10**18}
    sha = payload_sha256(target, "patch", '"3"', {"b": None}, after)
    whole = {
        "proposal_id": "p",
        "target": target.model_dump(),
        "operation": "patch",
        "precondition": '"3"',
        "before": {"b": None},
        "after": after,
        "payload_sha256": sha,
    }
    assert Proposal.model_validate(json.loads(json.dumps(whole))).says() == sha
