"""Artifacts: each is what its name says, and whatever the chain refers to is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from server.verify.contents import Contents
from server.verify.plain import Broken, Record, canonical, digest

PREFIXES = {
    "plan": "pl_",
    "task": "tk_",
    "prompt_package": "pp_",
    "librarian_pass": "lp_",
    "research_artifact": "ra_",
    "worker_result": "wr_",
    "aggregation_packet": "ap_",
    "review_packet": "rp_",
    "policy_decision": "pd_",
}
_REF, _SET_REF = {"id", "sha256"}, {"kind", "revision", "count", "sha256"}


def contents(c: Contents) -> str:
    """Recompute every artifact's hash: it is the artifact's name, and claims and events refer to that name.

    Raises:
        Broken: an artifact was changed, is not listed, or is listed and not there.
    """
    listed = set()
    for row in c.index:
        kind, artifact_id = row.text("kind"), row.text("artifact_id")
        row.whole("revision")
        content = c.artifact(artifact_id, PREFIXES.get(kind, "?"))
        sha256 = c.hashes[artifact_id]
        if artifact_id != PREFIXES[kind] + sha256[:32] or row.text("sha256") != sha256:
            raise Broken(
                f"{_said(kind)} {artifact_id} was changed: its content no longer has the hash that is its name"
            )
        if row.text("file") != content.where or content.where != f"artifacts/{kind}/{artifact_id}.json":
            raise Broken(f"{_said(kind)} {artifact_id} is not where the index says")
        if content.fields.get("task_key", "") != row.text("task_key"):
            raise Broken(f"{_said(kind)} {artifact_id} is listed under another task")
        listed.add(artifact_id)
    if extra := sorted(c.artifacts.keys() - listed):
        raise Broken(f"{extra[0]} is in the bundle, but not in the index of artifacts")
    return f"{len(listed)} artifacts, each named by the hash of its content"


def _said(kind: str) -> str:
    return {"research_artifact": "the evidence", "policy_decision": "the policy decision"}.get(kind, f"the {kind}")


def references(c: Contents) -> str:
    """Follow every reference in the event chain.

    Raises:
        Broken: an event refers to something that is not there or not what it was.
    """
    proposals = {p.text("proposal_id") for packet in c.of("aggregation_packet") for p in packet.records("writebacks")}
    sets = _sets(c)
    count = 0
    for event in c.events:
        named = event.fields.text_or_none("artifact_id")
        if named is not None and named not in c.artifacts and named not in proposals:
            raise Broken(f"event {event.seq} ({event.type}) refers to {named[:60]}, which the bundle does not hold")
        count += named is not None
        for found in _refs(event.payload.fields):
            count += 1
            ref = Record(f"event {event.seq} ({event.type})", found)
            if not _holds(ref, c, sets):
                raise Broken(f"{ref.where} refers to artifacts that are not in the bundle as they were then")
    return f"{count} references from events to artifacts and proposals, each to something that is there"


def complete(c: Contents) -> str:
    """See that nothing was left out that no event names: the plan's tasks, and as much evidence as was gathered.

    Raises:
        Broken: a task or a piece of evidence is missing.
    """
    planned = {canonical(task.fields) for plan in c.of("plan") for task in plan.records("tasks")}
    if planned != {canonical(task.fields) for task in c.of("task")}:
        raise Broken("the tasks in the bundle are not those of the plan")
    gathered = c.events_of("evidence.gathered")
    rows = [row for row in c.index if row.text("kind") == "research_artifact"]
    newest = max((row.whole("revision") for row in rows), default=0)
    held = sum(row.whole("revision") == newest for row in rows)
    if gathered and held < gathered[-1].payload.whole("artifacts"):
        raise Broken(f"{gathered[-1].payload.whole('artifacts')} pieces of evidence were gathered, {held} are here")
    return f"{len(planned)} tasks as planned, {held} pieces of evidence as gathered"


_Sets = dict[tuple[str, int], tuple[int, str]]
_EMPTY = (0, digest([]))


def _sets(c: Contents) -> _Sets:
    """Return how many artifacts there are of each kind and revision, and the hash of their names and hashes."""
    sets: dict[tuple[str, int], set[tuple[str, str]]] = defaultdict(set)
    for row in c.index:
        sets[row.text("kind"), row.whole("revision")].add((row.text("artifact_id"), row.text("sha256")))
    return {key: (len(held), digest([list(one) for one in sorted(held)])) for key, held in sets.items()}


def _refs(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if set(one) in (_REF, _SET_REF):
                yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _holds(ref: Record, c: Contents, sets: _Sets) -> bool:
    if "id" in ref.fields:
        if ref.text("id") == c.mission_id:
            return digest(c.mission.value("envelope")) == ref.text("sha256")
        return c.hashes.get(ref.text("id")) == ref.text("sha256")
    held = sets.get((ref.text("kind"), ref.whole("revision")), _EMPTY)
    return held == (ref.whole("count"), ref.text("sha256"))
