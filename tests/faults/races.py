"""The checker's rules about what races, streams, topics and poison."""

import json
from collections import Counter, defaultdict
from itertools import pairwise

from tests.faults.evidence import Evidence
from tests.faults.reading import Found, Row, by_mission


def a_one_answer_wins(e: Evidence) -> Found:
    """Of several answers to one question at most one is accepted, and what is stored is that one.

    An expiry and a cancellation are answers of a kind, and an edit grants what it says.
    """
    yield from _closed_once(e)
    yield from _granted_as_answered(e)
    accepted: dict[tuple[str, str], list[Row]] = defaultdict(list)
    doubtful: Counter[tuple[str, str]] = Counter()
    for line in e.history:
        if line["op"] == "answer" and line["kind"] in {"ok", "unknown"}:
            name = (line["mission_id"], line["interrupt_id"])
            accepted[name] += [line] if line["kind"] == "ok" else []
            doubtful[name] += line["kind"] == "unknown"
    decided = {(a["mission_id"], a["interrupt_id"]): a for a in e.of("approvals") if a["decision"]}
    for name, lines in accepted.items():
        if len(lines) > 1:
            yield name[0], f"{len(lines)} answers to one question were accepted"
        if lines and name not in decided:
            yield name[0], "an answer was accepted and is not stored"
        if len(lines) == 1 and name in decided:
            stored = json.loads(decided[name]["decision"])
            verdicts = {answer["verdict"] for answer in stored["answers"]}
            if verdicts != {lines[0]["verdict"]} or decided[name]["decided_by"] != lines[0]["subject"]:
                yield name[0], "another answer is stored than the one that was accepted"


def _closed_once(e: Evidence) -> Found:
    """An answer, an expiry and a cancellation race for a question: after one of them, none of the others has it."""
    ends = {"mission.cancelled": "cancelled", "mission.expired": "expired"}
    status = {m["mission_id"]: m["status"] for m in e.of("missions")}
    for mission_id, events in by_mission(e.of("events")).items():
        closed: Row | None = None
        for event in sorted(events, key=lambda event: event["seq"]):
            kind = event["event_type"]
            if kind == "mission.retried":
                closed = None
            # A mission that was answered may be cancelled; nothing else follows an answer, and nothing an end.
            if closed is not None and kind in {*ends, "approval.decided"}:
                before = closed["event_type"]
                if (before, kind) != ("approval.decided", "mission.cancelled"):
                    yield mission_id, f"{kind} after {before}"
            if kind in {*ends, "approval.decided"}:
                closed = event
        if closed is not None and status.get(mission_id) != ends.get(closed["event_type"], status.get(mission_id)):
            yield mission_id, f"is {status.get(mission_id)} after {closed['event_type']}"
    cancelled = Counter(h["mission_id"] for h in e.history if h["op"] == "cancel" and h["kind"] == "ok")
    for mission_id, times in cancelled.items():
        if times > 1 or status.get(mission_id) != "cancelled":
            yield mission_id, f"is {status.get(mission_id)}, and {times} cancellations were accepted"


def _granted_as_answered(e: Evidence) -> Found:
    """What an edit grants is what the person wrote, and what an approval grants is what was shown."""
    shown = {
        (a["mission_id"], a["interrupt_id"], p["proposal_id"]): p["after"]
        for a in e.of("approvals")
        for p in json.loads(a["content"])["proposals"]
    }
    said: dict[tuple[str, str, str], Row] = {}
    for line in e.history:
        if line["op"] == "answer" and line["kind"] == "ok":
            for proposal_id, after in (line.get("edits") or {}).items():
                said[line["mission_id"], line["interrupt_id"], proposal_id] = after
    for grant in e.of("grants"):
        name = (grant["mission_id"], grant["interrupt_id"], grant["proposal_id"])
        if json.loads(grant["content"])["after"] != said.get(name, shown.get(name)):
            yield grant["mission_id"], f"{grant['proposal_id']} is granted otherwise than it was answered"


def s_one_mission_a_key(e: Evidence) -> Found:
    """However often and however much at once a key is used, there is one mission, and everybody is told its name."""
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in e.history:
        if line["op"] == "submit" and line["kind"] == "ok" and line.get("key"):
            told[line["tenant_id"], line["key"]].add(line["mission_id"])
    kept = {(s["tenant_id"], s["idempotency_key"]): s["mission_id"] for s in e.of("submissions")}
    for name, missions in told.items():
        if len(missions) > 1:
            yield None, f"the key {name[1]} made {len(missions)} missions"
        elif missions != {kept.get(name)}:
            yield next(iter(missions)), f"the key {name[1]} is stored for {kept.get(name)}"
    accepted = {h["mission_id"] for h in e.history if h["op"] == "submit" and h["kind"] == "ok"}
    doubtful = sum(h["op"] == "submit" and h["kind"] == "unknown" for h in e.history)
    strangers = [m["mission_id"] for m in e.of("missions") if m["mission_id"] not in accepted]
    if len(strangers) > doubtful:
        yield strangers[0], f"{len(strangers)} missions that nobody was told of, {doubtful} submissions in doubt"


def h_one_holder_at_a_time(e: Evidence) -> Found:
    """A lease lasts: nobody takes a mission within a lease of its holder's last renewal, unless it was given back."""
    lease_s = e.facts.get("lease_ms", 1_500) / 1000
    for mission_id, writes in by_mission(e.of("leases")).items():
        held: Row | None = None
        for write in sorted(writes, key=lambda write: write["write_id"]):
            taken = write["held"] and held is not None and write["epoch"] != held["epoch"]
            if held is not None and taken and (since := write["at"] - held["at"]) < lease_s * 0.95:
                yield mission_id, f"taken over {since:.2f} s after its holder renewed it, lease {lease_s} s"
            held = write if write["held"] else None


def e_a_stream_shows_every_event_once(e: Evidence) -> Found:
    """Over all its connections a stream's ids strictly rise, and together they are the events that are stored."""
    stored = by_mission(e.of("events"))
    seen: dict[str, list[Row]] = defaultdict(list)
    for line in e.history:
        if line["op"] == "stream" and line["kind"] == "seen":
            seen[line["mission_id"]].append(line)
        if line["op"] == "stream" and line["kind"] == "fail":
            yield line["mission_id"], "the stream did not come to the mission's last event"
    for mission_id, lines in seen.items():
        seqs = [line["seq"] for line in lines]
        if any(b <= a for a, b in pairwise(seqs)):
            yield mission_id, "the stream's ids do not strictly rise"
        if set(seqs) != {event["seq"] for event in stored[mission_id]}:
            yield mission_id, "the stream's events are not those that are stored"
        types = {event["seq"]: event["event_type"] for event in stored[mission_id]}
        if any(types.get(line["seq"]) != line["event"] for line in lines):
            yield mission_id, "an event was shown as another"
        if len({line["connection"] for line in lines}) < 2:
            yield mission_id, "there was no event on both sides of the kill: this run proves nothing"


def q_only_the_poison_is_given_up(e: Evidence) -> Found:
    """A mission that kills its workers ends as failed, and no other mission is taken for one."""
    poison = {line["mission_id"] for line in e.history if line["op"] == "poison"}
    for mission in e.of("missions"):
        if poison and (mission["mission_id"] in poison) != (mission["code"] == "quarantined"):
            yield mission["mission_id"], f"is {mission['status']} ({mission['code']})"


def r_topics_hold_what_is_stored(e: Evidence) -> Found:
    """What a consumer sees is what is stored: the backbone's own judge noted what was lost, changed or out of order."""
    for line in e.history:
        if line["op"] == "relay" and line["kind"] == "fail":
            yield None, line["what"]
