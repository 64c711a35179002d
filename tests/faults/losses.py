"""The checker's rules about what may not get lost, and what may not be done again.

How a mission ended must be somebody's doing: of a person, as the history says, or of the fault, where that can't be
mended. A checker that takes any end for a good one would be green for a product that fails whatever it was killed in.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from tests.faults.evidence import Evidence
from tests.faults.reading import Found, by_mission

_ENDED = {"completed", "blocked", "rejected", "cancelled", "expired", "failed"}


def l_nothing_is_lost(e: Evidence) -> Found:
    """Every end is explained, every wait is for an open question, every grant and every intention has an outcome."""
    yield from _ends(e)
    yield from _waits(e)
    yield from _grants(e)
    yield from _intentions(e)


def _ends(e: Evidence) -> Found:
    asked: dict[str, set[str]] = defaultdict(set)
    for line in e.history:
        if line["kind"] in {"ok", "unknown", "fault"} and line.get("mission_id"):
            asked[line["mission_id"]] |= {line["op"], f"{line['op']} {line.get('verdict', '')}"}
            asked[line["mission_id"]] |= {"tight"} if line.get("token_budget") else set()
    overdue = {a["mission_id"] for a in e.of("approvals") if a["status"] == "expired" and a["expires_at"] <= a["at"]}
    for mission in e.of("missions"):
        mission_id, status, code = mission["mission_id"], mission["status"], mission["code"]
        explained = {
            "completed": True,
            "rejected": "answer reject" in asked[mission_id],
            "cancelled": "cancel" in asked[mission_id],
            "expired": mission_id in overdue,
            "failed": _explained(code, asked[mission_id], e),
        }
        if status in _ENDED and not explained.get(status, False):
            yield mission_id, f"ended as {status} ({code}), which nobody asked for and no fault explains"


def _explained(code: str | None, asked: set[str], e: Evidence) -> bool:
    """Tell whether this run gave a mission reason to fail with this code."""
    return {
        "root_unavailable": bool(e.facts.get("misbehaved")),
        "quarantined": "poison" in asked,
        "token_budget_exceeded": "tight" in asked,
        "failed_by_operator": "fail" in asked,
    }.get(code or "", False)


def _waits(e: Evidence) -> Found:
    pending = Counter(a["mission_id"] for a in e.of("approvals") if a["status"] == "pending")
    for mission in e.of("missions"):
        waits, questions = mission["status"] == "awaiting_approval", pending[mission["mission_id"]]
        if questions != int(waits):
            yield mission["mission_id"], f"is {mission['status']}, with {questions} open questions"


def _grants(e: Evidence) -> Found:
    """What was granted is written when its mission is completed; a root that behaved has taken it."""
    status = {m["mission_id"]: m["status"] for m in e.of("missions")}
    written = {(w["mission_id"], w["proposal_id"], w["payload_sha256"]): w["status"] for w in e.of("writebacks")}
    for grant in e.of("grants"):
        outcome = written.get((grant["mission_id"], grant["proposal_id"], grant["payload_sha256"]))
        if status.get(grant["mission_id"]) == "completed" and outcome is None:
            yield grant["mission_id"], f"completed, and {grant['proposal_id']}, which was granted, was never written"
        elif status.get(grant["mission_id"]) == "completed" and outcome != "applied" and not e.facts.get("misbehaved"):
            yield grant["mission_id"], f"completed, {grant['proposal_id']} is {outcome}, and the root did nothing wrong"


def _intentions(e: Evidence) -> Found:
    status = {m["mission_id"]: m["status"] for m in e.of("missions")}
    for row in e.of("writebacks"):
        if status.get(row["mission_id"]) in _ENDED and row["status"] == "intended":
            yield row["mission_id"], f"has ended, and what became of {row['proposal_id']} is not recorded"


def t_finished_work_is_not_done_again(e: Evidence) -> Found:
    """A task is completed once in a revision of the plan, and not begun again; a stage is entered once.

    Only a person's retry lets a stage be entered again, and a review's wish for a revision; tasks keep their results.
    """
    for mission_id, events in by_mission(e.of("events")).items():
        revision, entered, completed = 1, Counter[str](), set[tuple[int, str]]()
        excused = 0
        for event in sorted(events, key=lambda event: event["seq"]):
            kind, payload = event["event_type"], event["payload"]
            excused += kind in {"mission.retried", "review.revised"}
            revision += kind == "review.revised"
            if kind in {"task.started", "task.completed"} and (revision, payload["task_key"]) in completed:
                yield mission_id, f"{kind} after {payload['task_key']} had been completed in revision {revision}"
            if kind == "task.completed":
                completed.add((revision, payload["task_key"]))
            if kind == "stage.entered":
                entered[payload["stage"]] += 1
        for stage in _more_than(1 + excused, entered):
            yield mission_id, f"{stage} was entered {entered[stage]} times"


def _more_than(most: int, counted: Counter[str]) -> Iterable[str]:
    return (name for name, times in counted.items() if times > most)
