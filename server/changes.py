"""What a counterfactual changed, and why: in the plan, the claims, the decisions and the proposals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contracts.stateflow import Stage
from contracts.tape import Channel, Taped
from graph.differences import leaves
from graph.past import newest

Row = Mapping[str, Any]
_MOST = 500


def changes_of(
    before: Sequence[Row], after: Sequence[Row], was: Sequence[Taped], now: Sequence[Taped]
) -> dict[str, Any]:
    """Return what differs between two missions' artifacts, and for each task why its result is another.

    Args:
        before: the original's artifacts, as rows with their payloads.
        after: the replay's.
        was: the original's tape.
        now: the replay's.
    """
    decisions = _decisions(_of(before, "policy_decision"), _of(after, "policy_decision"))
    return {
        "plan": _keyed(_tasks(before), _tasks(after), "task_key")[:_MOST],
        "claims": _keyed(_claims(before), _claims(after), "claim")[:_MOST],
        "proposals": _keyed(_proposals(before), _proposals(after), "proposal")[:_MOST],
        "decisions": decisions[:_MOST],
        "why": _why(before, after, was, now),
    }


def _of(rows: Iterable[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["kind"] == kind]


def _tasks(rows: Sequence[Row]) -> dict[str, Any]:
    return {row["task_key"]: row["payload"] for row in _of(rows, "task")}


def _results(rows: Sequence[Row]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in sorted(_of(rows, "worker_result"), key=lambda r: r["revision"]):
        found[row["task_key"]] = row
    return found


def _claims(rows: Sequence[Row]) -> dict[str, Any]:
    """Return what was claimed, by task, subject and attribute; claims of one name are told apart by their order."""
    found: dict[str, Any] = {}
    for task_key, row in sorted(_results(rows).items()):
        for claim in row["payload"]["claims"]:
            name = f"{task_key}: {claim['subject']} {claim['attribute']}"
            n = sum(other.split(" #")[0] == name for other in found)
            said = {key: claim[key] for key in ("value", "unit", "polarity", "time", "text")}
            found[f"{name} #{n + 1}" if n else name] = said | {"quotes": [c["quote"] for c in claim["citations"]]}
    return found


def _proposals(rows: Sequence[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in sorted(_of(rows, "aggregation_packet"), key=lambda r: r["revision"]):
        for p in row["payload"]["writebacks"]:
            target = p["target"]
            name = f"{p['operation']} {target['entity']} {target['id']}: {', '.join(sorted(p['after']))}"
            found[name] = {"after": p["after"], "risk_level": p["risk_level"]}
    return found


def _keyed(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for key in [*before, *(k for k in after if k not in before)]:
        if key not in after:
            found.append({name: key, "change": "gone", "values": []})
        elif key not in before:
            found.append({name: key, "change": "new", "values": list(leaves({}, after[key]))})
        elif differing := list(leaves(before[key], after[key])):
            found.append({name: key, "change": "changed", "values": differing})
    return found


def _decisions(before: Sequence[Row], after: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the questions that were decided otherwise, and those that only one of the two was asked.

    What judged people's answers is the original's alone: a replay asks nobody.
    """
    was = {row["payload"]["question_sha256"]: row["payload"] for row in before if row["revision"] > 0}
    now = {row["payload"]["question_sha256"]: row["payload"] for row in after}
    found = []
    for key in [*was, *(k for k in now if k not in was)]:
        one, two = was.get(key), now.get(key)
        if one is not None and two is not None and one["outcome"] == two["outcome"]:
            continue
        known = two or one or {}
        question = known["question"]
        found.append(
            {
                "layer": known["layer"],
                "action": question["action"],
                "resource": question["resource"]["id"],
                "change": "flipped" if one and two else "asked" if two else "not asked",
                "from": one and one["outcome"],
                "to": two and two["outcome"],
                "rules": known["rules"],
                "reasons": known["reasons"],
            }
        )
    return found


def _why(
    before: Sequence[Row], after: Sequence[Row], was: Sequence[Taped], now: Sequence[Taped]
) -> list[dict[str, Any]]:
    """Return, task by task, what led to another result: its prompt, its evidence, its answers, the tasks before it."""
    results = _results(before), _results(after)
    packages = ({r["task_key"]: r["sha256"] for r in _of(rows, "prompt_package")} for rows in (before, after))
    was_told, is_told = packages
    evidence = [{r["sha256"] for r in _of(rows, "research_artifact")} for rows in (before, after)]
    tasks, asked = _tasks(after), _requests(was)
    other = {k for k in results[0].keys() | results[1].keys() if _sha(results[0], k) != _sha(results[1], k)}
    found = []
    for key in sorted(other):
        calls = [one for one in newest(now) if one.stage is Stage.WORKERS and one.task_key == key]
        anew = sum(one.channel is Channel.MODEL and (key, one.request_sha256) not in asked for one in calls)
        reasons = ["its prompt is another"] if was_told.get(key) != is_told.get(key) else []
        reasons += ["the evidence is another"] if evidence[0] != evidence[1] else []
        reasons += [f"{anew} of its model requests were never asked before"] if anew else []
        reasons += [f"{up} came to another result" for up in tasks.get(key, {}).get("depends_on", []) if up in other]
        if key not in results[1]:
            reasons.append("it did not come to an end")
        found.append({"task_key": key, "because": reasons or ["its model or its code answered otherwise"]})
    return found


def _sha(rows: Mapping[str, Row], key: str) -> str | None:
    return rows[key]["sha256"] if key in rows else None


def _requests(tape: Sequence[Taped]) -> set[tuple[str, str]]:
    return {(one.task_key, one.request_sha256) for one in tape if one.channel is Channel.MODEL}
