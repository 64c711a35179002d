"""Somebody changes one thing and makes the manifest fit again: which check finds it, and what it says."""

import json

import pytest

from contracts.canonical import canonical_bytes, sha256_hex
from server.bundle import packed
from server.verify import CHECKS, render, verify_bytes
from tests.server.verify.forge import (
    archived,
    changed,
    found,
    lines,
    named,
    put_lines,
    replaced,
    sealed,
)
from tests.server.verify.story import Story


def test_an_untouched_bundle_verifies_by_every_check(bundle):
    report = verify_bytes(bundle)
    assert report.ok, render(report)
    assert [c.name for c in report.checks] == ["archive", "inventory", "form", *CHECKS]


@pytest.mark.parametrize("chapters", range(1, 8))
def test_a_mission_under_way_verifies_at_every_point(chapters):
    story = Story()
    told_so_far = (story.begin, story.plan, story.work, story.ask, story.answer, story.write, story.end)
    for chapter in told_so_far[:chapters]:
        chapter()
    story.status = {4: "awaiting_approval", 7: "completed"}.get(chapters, "running")
    report = verify_bytes(packed(story.record()))
    assert report.ok, render(report)


def both(files, field, value, name="approvals.jsonl"):
    """Change what a person was asked or answered, with the hash that stands beside it."""
    changed(files, name, lambda row: row.update({field: value, f"{field}_sha256": sha256_hex(value.encode())}), 0)


def request_rewritten(files):
    request = lines(files, "approvals.jsonl")[0]["request"]
    both(files, "request", request.replace("450000", "950000"))


def request_changed(files):
    request = lines(files, "approvals.jsonl")[0]["request"]
    changed(files, "approvals.jsonl", lambda r: r.update(request=request.replace("450000", "950000")), 0)


def decision_rewritten(files):
    decision = json.loads(lines(files, "approvals.jsonl")[0]["decision"])
    decision["granted"][0]["after"]["budget_max"] = 950_000
    both(files, "decision", canonical_bytes(decision).decode())


def grant_rewritten(files):
    def change(row):
        row["content"] = row["content"].replace("450000", "950000")
        row["sha256"] = sha256_hex(row["content"].encode())

    rows = lines(files, "grants.jsonl")
    change(next(row for row in rows if "450000" in row["content"]))
    put_lines(files, "grants.jsonl", rows)


def without_line(name, number):
    def change(files):
        rows = lines(files, name)
        del rows[number]
        put_lines(files, name, rows)

    return change


def twice(name):
    return lambda files: put_lines(files, name, [row for row in lines(files, name) for _ in range(2)])


def released_after_all(files):
    withheld = json.loads(files[named(files, "artifacts/worker_result")])["claims"]
    claims = withheld if len(withheld) > 1 else []
    changed(files, "packet.json", lambda p: p["claims"].append({**(claims or p["claims"])[-1], "status": "verified"}))


def swapped(files):
    rows = lines(files, "events.jsonl")
    rows[5], rows[6] = rows[6], rows[5]
    put_lines(files, "events.jsonl", rows)


def tail_cut(files):
    put_lines(files, "events.jsonl", rows := lines(files, "events.jsonl")[:-1])
    changed(files, "manifest.json", lambda m: m.update(events={"seq": len(rows), "head": rows[-1]["hash"]}))


def without_artifact(kind):
    def change(files):
        gone = named(files, f"artifacts/{kind}")
        del files[gone]
        put_lines(files, "artifacts.jsonl", [r for r in lines(files, "artifacts.jsonl") if r["file"] != gone])

    return change


def extra_artifact(files):
    content = files[named(files, "artifacts/research_artifact")].replace(b"dog", b"cat")
    files[f"artifacts/research_artifact/ra_{sha256_hex(content)[:32]}.json"] = content


def text(start, was, now):
    return lambda files: replaced(files, start, was, now)


def row(name, **fields):
    return lambda files: changed(files, name, lambda r: r.update(fields), 0)


def whole(name, **fields):
    return lambda files: changed(files, name, lambda value: value.update(fields))


CASES = {
    "evidence-text": (text("artifacts/research", "450k", "540k"), "artifacts", "the evidence ra_"),
    "evidence-trust": (text("artifacts/research", "customer", "operator"), "artifacts", "the evidence ra_"),
    "decision-outcome": (text("artifacts/policy", "escalate", "allow"), "artifacts", "the policy decision pd_"),
    "review-withholds-nothing": (text("artifacts/review", "withheld", "withdrew"), "artifacts", "review_packet rp_"),
    "artifact-left-out": (without_artifact("review_packet"), "references", "which the bundle does not hold"),
    "artifact-put-in": (extra_artifact, "artifacts", "not in the index"),
    "evidence-left-out": (without_artifact("research_artifact"), "complete", "1 pieces of evidence were gathered, 0"),
    "task-left-out": (without_artifact("task"), "complete", "not those of the plan"),
    "packet-claim-text": (text("packet.json", "budget: 450k", "budget: 950k"), "packet", "`claims` is not what"),
    "packet-quote": (text("packet.json", "3 bedrooms", "9 bedrooms"), "packet", "`claims` is not what"),
    "packet-summary": (whole("packet.json", summary="Sell at once."), "packet", "`summary` is not what"),
    "packet-fact": (whole("packet.json", facts=[]), "packet", "`facts` is not what"),
    "packet-extra": (whole("packet.json", note="x"), "packet", "`note` is not what"),
    "packet-withheld-claim": (released_after_all, "packet", "`claims` is not what"),
    "packet-left-out": (lambda files: files.pop("packet.json"), "packet", "missing from the bundle"),
    "event-body": (text("events.jsonl", "escalated", "passed"), "chain", "was changed after it was recorded"),
    "event-dropped": (without_line("events.jsonl", 8), "chain", "event 9 is missing"),
    "events-swapped": (swapped, "chain", "event 6 is missing"),
    "event-twice": (twice("events.jsonl"), "chain", "event 2 is missing"),
    "tail-cut": (without_line("events.jsonl", -1), "chain", "its tail was cut"),
    "tail-cut-and-head-moved": (tail_cut, "ending", "the chain does not end so"),
    "manifest-head": (whole("manifest.json", events={"seq": 31, "head": "0" * 64}), "chain", "tail was cut"),
    "manifest-status": (whole("manifest.json", status="blocked"), "mission", "`status` is not the mission's"),
    "manifest-tenant": (whole("manifest.json", tenant_id="other"), "mission", "`tenant_id`"),
    "manifest-created": (whole("manifest.json", created_at="2020"), "mission", "`created_at`"),
    "manifest-rules": (whole("manifest.json", rules=["6" * 64]), "decisions", "rule sets"),
    "manifest-format": (whole("manifest.json", format="colony-bundle/9"), "mission", "is not that of a"),
    "manifest-more": (whole("manifest.json", signed=True), "mission", "is not that of a"),
    "goal": (
        text("mission.json", '"user_goal":"Understand', '"user_goal":"Please'),
        "mission",
        "envelope's `user_goal`",
    ),
    "risk": (text("mission.json", '"risk_level":"medium"', '"risk_level":"low"'), "mission", "no admission decision"),
    "budget": (text("mission.json", '"token_budget":100000,', '"token_budget":900000,'), "mission", "`token_budget`"),
    "owner": (whole("mission.json", actor_id="eve"), "mission", "another person"),
    "tenant": (whole("mission.json", tenant_id="eve"), "identity", "is of another tenant"),
    "status": (whole("mission.json", status="running"), "mission", "`status` is not the mission's"),
    "request-changed": (request_changed, "requests", "was changed afterwards"),
    "request-changed-with-its-hash": (request_rewritten, "requests", "hash of what it would write"),
    "approval-hash": (row("approvals.jsonl", request_sha256="0" * 64), "requests", "was changed afterwards"),
    "approval-left-out": (without_line("approvals.jsonl", 0), "requests", "other requests"),
    "approval-twice": (twice("approvals.jsonl"), "requests", "lists a request twice"),
    "decision-changed-with-its-hash": (decision_rewritten, "answers", "not the one that the chain records"),
    "decided-by-another": (row("approvals.jsonl", decided_by="eve"), "answers", "another mission, request, person"),
    "decision-undone": (row("approvals.jsonl", status="pending"), "answers", "status and its decision disagree"),
    "grant-after": (text("grants.jsonl", "450000", "950000"), "grants", "changed after the person approved it"),
    "grant-after-with-its-hash": (grant_rewritten, "grants", "no decision of a person grants this"),
    "grant-left-out": (without_line("grants.jsonl", 0), "grants", "differ"),
    "grant-twice": (twice("grants.jsonl"), "grants", "differ"),
    "grant-in-another-name": (row("grants.jsonl", actor_id="eve"), "grants", "another person's name"),
    "write-status": (row("writebacks.jsonl", status="failed"), "writebacks", "its status is failed"),
    "write-outcome": (row("writebacks.jsonl", outcome={"etag": '"9"'}), "writebacks", "outcome's `etag`"),
    "write-twice": (twice("writebacks.jsonl"), "writebacks", "was written twice"),
    "write-of-another-payload": (row("writebacks.jsonl", payload_sha256="0" * 64), "writebacks", "without a grant"),
    "write-under-another-key": (row("writebacks.jsonl", idempotency_key="0" * 64), "writebacks", "idempotency key"),
    "write-left-out": (without_line("writebacks.jsonl", 0), "writebacks", "not among the writebacks"),
    "tool-argument": (row("tool_calls.jsonl", arguments={"lead_id": "L-2"}), "tools", "outside what the task's pass"),
    "tool-name": (row("tool_calls.jsonl", tool="root.patch_lead"), "tools", "outside what the task's pass"),
    "tool-call-left-out": (without_line("tool_calls.jsonl", 0), "tools", "not those that the chain records"),
    "tool-call-said-to-be-refused": (row("tool_calls.jsonl", status="refused"), "tools", "not those that the chain"),
    "model-tokens": (row("model_calls.jsonl", tokens_in=0), "models", "says otherwise"),
    "model-call-left-out": (without_line("model_calls.jsonl", 0), "models", "missing or says otherwise"),
}


@pytest.mark.parametrize(("tamper", "check", "sentence"), CASES.values(), ids=CASES)
def test_what_was_changed_is_found_and_named(files, tamper, check, sentence):
    tamper(files)
    found(sealed(files), check, sentence)


@pytest.mark.parametrize(
    "name", ["artifacts/research", "packet.json", "events.jsonl", "approvals.jsonl", "grants.jsonl", "mission.json"]
)
def test_a_changed_character_is_found_by_the_file_s_own_hash(files, name):
    name = named(files, name)
    files[name] = files[name].replace(b"e", b"E", 1)
    found(archived(files), "inventory", f"{name} is not the file that the manifest lists")
