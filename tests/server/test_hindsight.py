"""Looking back: an explanation is made of evaluations, and other rules flip exactly the decisions they are about."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from contracts.canonical import canonical_bytes, sha256_hex
from tests.acceptance.checks import rows
from tests.adapters.postgres.backdoor import Backdoor
from tests.server.cli.conftest import run
from tests.support import CHAT, Service

API = "/api/colony/policies"
HERE = str(Path(__file__).parents[2])
FORBIDS = """
@id("release.our-field")
@reason("nobody may set {{resource.fields}}")
forbid (principal, action in [Action::"release", Action::"edit", Action::"approve"], resource)
when {{ resource.fields.contains("{field}") }};
"""
BLAND = [("lead", "Hello, what do you have?"), ("agent", "Many things. What do you look for?"), ("lead", "Not sure.")]


async def past(service: Service) -> list[dict[str, Any]]:
    """Several missions that propose different things, one of them approved; returns them as they stand."""
    await service.seed_lead("L-1", budget_max=400_000)
    await service.seed_lead("L-2", BLAND)
    await service.seed_lead("L-3", [*CHAT, ("lead", "Two of us, and a dog.")])
    ids = [await service.submit(inputs={"lead_id": lead}) for lead in ("L-1", "L-2", "L-3")]
    missions = [await service.settled(one) for one in ids]
    assert (await service.post(ids[0], "approve")).status_code == 202
    missions[0] = await service.settled(ids[0])
    return missions


def decisions(database: str) -> list[dict[str, Any]]:
    found = rows(database, "select mission_id, artifact_id, payload from colony_policy_decisions")
    return [{"mission_id": r["mission_id"], "decision_id": r["artifact_id"], **r["payload"]} for r in found]


def touched(decision: dict[str, Any]) -> set[str]:
    return set(decision["question"]["resource"]["attrs"].get("fields", ()))


async def flips(service: Service, files: dict[str, str], **more: Any) -> tuple[set[tuple[str, str]], dict[str, Any]]:
    found, cursor, last = set(), None, {}
    while True:
        body = {"files": files, **more, **({"cursor": cursor} if cursor else {})}
        answer = await service.client.post(f"{API}/what-if", json=body)
        assert answer.status_code == 200, answer.text
        last = answer.json() | ({"total": last["total"]} if cursor else {})
        found |= {(f["mission_id"], f["decision_id"]) for f in last["flips"]}
        if (cursor := last["next_cursor"]) is None:
            return found, last


async def test_forbidding_a_field_flips_exactly_the_decisions_that_touch_it(
    service: Service, database: str, tmp_path: Path
) -> None:
    await past(service)
    made = decisions(database)
    of_change = [d for d in made if touched(d)]
    counted = Counter(field for d in of_change for field in touched(d))
    some = [field for field, times in counted.items() if times < len(of_change)]
    assert len(some) > 2, counted
    for field in some[:4]:
        expected = {
            (d["mission_id"], d["decision_id"])
            for d in of_change
            if field in touched(d)
            and d["question"]["action"] in {"release", "edit", "approve"}
            and d["outcome"] != "deny"
        }
        assert expected
        found, last = await flips(service, {"release.field.cedar": FORBIDS.format(field=field)}, limit=7)
        assert found == expected, field
        assert last["total"] == len(made)
    assert await flips(service, {}) == (set(), {**last, **(await flips(service, {}))[1]}), (
        "the shipped rules flip nothing"
    )
    soon = 253_402_300_799_000
    assert (await flips(service, {"release.field.cedar": FORBIDS.format(field=some[0])}, since_ms=soon))[0] == set()
    await by_command(service, tmp_path, FORBIDS.format(field=some[0]), made)


async def by_command(service: Service, tmp_path: Path, text: str, made: list[dict[str, Any]]) -> None:
    rules = tmp_path / "own"
    rules.mkdir()
    (rules / "release.field.cedar").write_text(text)
    there = {"COLONY_SERVICE_BASE_URL": str(service.client.base_url), "COLONY_HOME": str(tmp_path), "PYTHONPATH": HERE}
    ran = await run("policies", "what-if", "--rules", str(rules), "--json", cwd=tmp_path, **there)
    assert ran.code == 1
    assert ran.document["examined"] == len(made)
    assert ran.document["flips"][0]["rules_now"] == ["release.our-field"]
    decision = ran.document["flips"][0]["decision_id"]
    told = await run("policies", "explain", decision, cwd=tmp_path, **there)
    assert told.code == 0
    assert "release.person-decides" in told.out
    assert "What would have changed it" in told.out
    assert (await run("policies", "put", str(rules), cwd=tmp_path, **there)).code == 0
    assert (await run("policies", "activate", "1", cwd=tmp_path, **there)).code == 0
    assert (await service.client.get(API)).json()["active_version"] == 1
    (rules / "release.field.cedar").write_text(text.replace("contains", "holds"))
    broken = await run("policies", "put", str(rules), cwd=tmp_path, **there)
    assert (broken.code, broken.err.startswith("policy_invalid: tenant/release.field.cedar")) == (1, True)
    changed = await run("policies", "diff", "1", "2", cwd=tmp_path, **there)
    assert (changed.code, "+when { resource.fields.holds" in changed.out) == (1, True)
    refused = await run("policies", "activate", "2", cwd=tmp_path, **there)
    refused.error("policy_invalid")
    assert refused.code == 1


async def test_every_decision_is_explained_by_evaluations(service: Service, database: str) -> None:
    await past(service)
    some = {d["question"]["action"]: d for d in decisions(database)}
    assert set(some) == {"admit", "plan", "grant", "route", "call", "release", "approve_alone", "approve"}
    for action, decision in some.items():
        answer = await service.client.get(f"{API}/decisions/{decision['decision_id']}")
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["reproduced"], told["outcome"], told["action"]) == (True, decision["outcome"], action)
        assert told["inputs"] == {name: decision["question"][name] for name in ("principal", "resource", "context")}
        assert [r["rule_id"] for r in told["rules"]] == decision["rules"]
        assert all(f'"{r["rule_id"]}"' in r["text"] and r["text"].endswith(";") for r in told["rules"])
        assert told["without"][0] == {"removed": decision["rules"], "outcome": "deny", "rules": []}
        assert told["now"]["outcome"] == decision["outcome"]
    release = (await service.client.get(f"{API}/decisions/{some['release']['decision_id']}")).json()
    by_path = {c["path"]: c for c in release["changes"]}
    assert by_path["resource.own_target"]["rules"] == ["release.foreign-target"]
    assert by_path["context.change.autonomy_tier"]["instead"] == "advise"
    await a_tampered_decision_is_not_reproduced(service, database, some["release"]["decision_id"])


async def a_tampered_decision_is_not_reproduced(service: Service, database: str, decision_id: str) -> None:
    db = Backdoor(database)
    row = db.rows("select content from colony_policy_decisions where artifact_id = %s", decision_id)[0]
    said = canonical_bytes(json.loads(bytes(row["content"])) | {"outcome": "allow"})
    with db.connect() as conn:
        conn.execute("set session_replication_role = replica")
        changed = "update colony_policy_decisions set content = %s, sha256 = %s where artifact_id = %s"
        conn.execute(changed, [said, sha256_hex(said), decision_id])
    told = (await service.client.get(f"{API}/decisions/{decision_id}")).json()
    assert (told["outcome"], told["reproduced"]) == ("allow", False)


@pytest.mark.parametrize("name", ["pd_" + "0" * 32, "pd_x", "%00"])
async def test_an_unknown_decision_is_not_there(service: Service, name: str) -> None:
    assert (await service.client.get(f"{API}/decisions/{name}")).status_code == 404
