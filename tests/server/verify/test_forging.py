"""Somebody also hashes the chain anew, or gives artifacts new names: what they made must still fit everything else."""

import json

import pytest

from contracts.canonical import canonical_bytes, digest, sha256_hex
from server.bundle import packed
from server.verify import render, verify_bytes
from tests.server.verify.forge import bodies, found, lines, rechained, renamed, replaced, sealed
from tests.server.verify.story import told


def dropped(kind):
    return lambda b: [e for e in b if e["event_type"] != kind]


def said(kind, **payload):
    return lambda b: [e | {"payload": e["payload"] | payload} if e["event_type"] == kind else e for e in b]


def made_of(kind, **fields):
    return lambda b: [e | fields if e["event_type"] == kind else e for e in b]


def moved(kind, to):
    def change(all_of_them):
        chosen = [e for e in all_of_them if e["event_type"] == kind]
        rest = [e for e in all_of_them if e["event_type"] != kind]
        return rest[:to] + chosen + rest[to:]

    return change


REHASHED = {
    "gate-outcome": (said("gate.release", outcome="passed"), "decisions", "but the stored decision says escalate"),
    "gate-reasons": (said("gate.scope", reasons=["it is fine"]), "decisions", "other reasons"),
    "no-admission": (dropped("gate.admission"), "gates", "before the admission policy"),
    "no-routing": (dropped("gate.routing"), "gates", "before the routing policy"),
    "work-first": (moved("task.started", 2), "gates", "before the scope policy"),
    "routing-of-another-task": (said("gate.routing", subject="other"), "gates", "without a passed routing decision"),
    "pass-of-another-task": (said("gate.scope", subject="other"), "gates", "another task's pass"),
    "no-release": (dropped("gate.release"), "gates", "the release policy had not let pass"),
    "write-before-the-answer": (moved("writeback.applied", 8), "gates", "the release policy had not let pass"),
    "nobody-decided": (dropped("approval.decided"), "gates", "before a person had decided"),
    "task-never-done": (dropped("task.completed"), "claims", "not made by any task"),
    "somebody-else-decided": (made_of("approval.decided", actor="eve"), "answers", "another person's answer"),
    "answered-unasked": (moved("approval.decided", 23), "answers", "answered before it was asked"),
    "other-grants": (said("approval.decided", granted=[]), "answers", "other grants"),
    "not-announced": (dropped("writeback.intended"), "writebacks", "does not record the intent"),
    "announced-too-late": (moved("writeback.intended", -1), "writebacks", "does not record the intent"),
    "another-packet": (said("mission.completed", packet={"id": "ap_x", "sha256": "x"}), "references", "as they were"),
    "other-effects": (said("mission.completed", effects={}), "ending", "other effects"),
    "of-another-mission": (made_of("task.started", mission_id="msn_2"), "identity", "another mission"),
    "another-plane": (made_of("task.started", phase="gate"), "identity", "the wrong plane"),
    "another-beginning": (dropped("intent.received"), "identity", "does not begin"),
    "no-review": (dropped("review.completed"), "packet", "no review let it through"),
}


@pytest.mark.parametrize(("tamper", "check", "sentence"), REHASHED.values(), ids=REHASHED)
def test_a_chain_that_was_hashed_anew_must_still_fit_everything_else(files, tamper, check, sentence):
    rechained(files, tamper(bodies(files)))
    found(sealed(files), check, sentence)


def reference(files, kind):
    sha256 = sha256_hex(canonical_bytes(json.loads(files["mission.json"])["envelope"]))
    if kind == "envelope":
        return {"id": "msn_1", "sha256": sha256}
    rows = [r for r in lines(files, "artifacts.jsonl") if r["kind"] == "worker_result" and r["revision"] == 2]
    pairs = sorted([r["artifact_id"], r["sha256"]] for r in rows)
    return {"kind": "worker_result", "revision": 2, "count": 1, "sha256": digest(pairs)}


@pytest.mark.parametrize("kind", ["envelope", "set-of-artifacts"])
def test_whatever_an_event_refers_to_by_its_hash_is_looked_up(files, kind):
    right = reference(files, kind)
    rechained(files, said("plan.created", of=right)(bodies(files)))
    assert verify_bytes(sealed(files)).ok
    rechained(files, said("plan.created", of=right | {"sha256": "0" * 64})(bodies(files)))
    found(sealed(files), "references", "not in the bundle as they were then")


def test_forged_evidence_does_not_fit_the_chain_that_names_what_was_built_on_it(files):
    replaced(files, "artifacts/research", "dog", "cat")
    renamed(files, "events.jsonl")
    found(sealed(files), "references", "which the bundle does not hold")


def test_forged_evidence_with_a_forged_chain_does_not_fit_what_the_person_was_shown(files):
    replaced(files, "artifacts/research", "dog", "cat")
    renamed(files, "approvals.jsonl", "grants.jsonl")
    rechained(files, bodies(files))
    found(sealed(files), "requests", "is not one that the review let through")


def test_a_wholly_re_made_bundle_verifies_and_only_its_head_tells(bundle):
    """What the module says a bundle can't prove, so that nobody believes otherwise."""
    other = packed(told("lead: My budget is 450k 😀.\nlead: 3 bedrooms\nlead: The dog stays with my sister").record())
    was, now = verify_bytes(bundle), verify_bytes(other)
    assert now.ok, render(now)
    assert now.head != was.head
    assert now.bundle_sha256 != was.bundle_sha256
