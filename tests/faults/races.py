"""The checker's rules about what races, streams, topics and poison."""

import json
from collections import Counter, defaultdict
from itertools import pairwise

from tests.faults.evidence import Evidence
from tests.faults.reading import Found, Row, by_mission

_RUN_BEGINS = {"mission.resumed", "stage.entered"}


def a_one_answer_wins(e: Evidence) -> Found:
    """Of several answers to one question at most one is accepted, and what is stored is that one."""
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
    """A lease lasts: nobody takes a mission from one that took it less than a lease ago and did not give it back."""
    returned = {(row["mission_id"], row["epoch"]) for row in e.of("returned")}
    lease_s = e.facts.get("lease_ms", 1_500) / 1000
    for mission_id, events in by_mission(e.of("events")).items():
        events.sort(key=lambda event: event["seq"])
        began: dict[int, float] = {}
        for event in events:
            if event["event_type"] == "mission.resumed" or event["epoch"] not in began:
                began.setdefault(event["epoch"], event["at"])
            if event["event_type"] == "mission.resumed":
                since = began.get(event["epoch"] - 1)
                held = [x for x in events if x["epoch"] == event["epoch"] - 1 and x["event_type"] in _RUN_BEGINS]
                given_back = (mission_id, event["epoch"] - 1) in returned
                if held and not given_back and since is not None and event["at"] - since < lease_s * 0.95:
                    yield mission_id, f"taken over {event['at'] - since:.2f} s after another took it, lease {lease_s} s"


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
