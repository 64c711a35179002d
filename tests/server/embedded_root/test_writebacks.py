"""What the embedded root says when it is asked whether it would take a write."""

from typing import Any

import pytest

from contracts.evidence import Target, payload_sha256

HOOK = "/api/colony/writebacks/validate"


def check(tenant: str, **changes: Any) -> dict[str, Any]:
    target = Target(system="crm", entity=changes.get("entity", "lead"), id=changes.get("name", "L-1"))
    operation, version, after = changes.get("operation", "patch"), changes.get("version"), changes["after"]
    proposal = {
        "proposal_id": "wp_1",
        "target": target.model_dump(),
        "operation": operation,
        "precondition": version,
        "before": {},
        "after": after,
        "payload_sha256": payload_sha256(target, operation, version, {}, after),
    }
    return {
        "phase": "before_approval",
        "mission_id": "m",
        "tenant_id": tenant,
        "proposal": proposal,
        "if_match": version,
        "approval": None,
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"after": {"stage": "viewing"}}, None, id="a-move"),
        pytest.param({"operation": "note", "after": {"text": "hello"}}, None, id="a-note"),
        pytest.param({"name": "L-9", "after": {"stage": "new"}}, "lead_not_found", id="no-such-lead"),
        pytest.param({"version": '"0"', "after": {"stage": "new"}}, "precondition_stale", id="an-old-version"),
        pytest.param({"version": None, "after": {"stage": "new"}}, "precondition_stale", id="no-version"),
        pytest.param({"after": {"lead_id": "L-2"}}, "field_not_allowed", id="another-id"),
        pytest.param({"after": {"stage": 7}}, "stage_invalid", id="a-stage-that-is-no-text"),
        pytest.param({"after": {"stage": "elsewhere"}}, "stage_unknown", id="a-stage-off-the-board"),
        pytest.param({"after": {"name": "a\x00b"}}, "invalid_value", id="what-can't-be-stored"),
        pytest.param({"operation": "task", "after": {"text": " "}}, "invalid_input", id="an-empty-task"),
        pytest.param({"entity": "campaign", "after": {"x": 1}}, "unknown_write", id="no-such-write"),
    ],
)
async def test_it_says_what_is_against_a_write(
    http: Any, lead: Any, add: Any, tenant: str, changes: dict[str, Any], code: str | None
) -> None:
    await lead("L-1")
    await add("board", {"stages": ["new", "viewing"]})
    etag = (await http.get("/api/crm/leads/L-1")).headers["ETag"]
    answer = await http.post(HOOK, json=check(tenant, **({"version": etag} | changes)))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["verdict"] == ("refuse" if code else "accept")
    assert [reason["code"] for reason in said["reasons"]] == ([code] if code else [])
    assert (await http.get("/api/crm/leads/L-1/writes")).json()["notes"] == 0
