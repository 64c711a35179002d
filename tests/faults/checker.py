"""The checker: judges a folder of evidence after the fact, and shares no code with what it judges.

Each rule is a function from the evidence to its violations. I1 to I7 hold on every run; A, S and H are about one answer
that wins, one mission a key, and one holder at a time; E is about streams (see streams.py for what it reads).
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.faults.evidence import Evidence, load

Row = dict[str, Any]
_REST = {"completed", "blocked", "rejected", "cancelled", "expired", "failed", "awaiting_approval"}
_LONGER = 0.1
_RUN_BEGINS = {"mission.resumed", "stage.entered"}


@dataclass(frozen=True)
class Violation:
    """One promise that was not kept."""

    rule: str
    mission_id: str | None
    what: str


Found = Iterator[tuple[str | None, str]]


def i1_every_accepted_mission_ends_or_waits(e: Evidence) -> Found:
    stored = {m["mission_id"]: m for m in e.of("missions")}
    for mission_id in {h["mission_id"] for h in e.history if h["op"] == "submit" and h["kind"] == "ok"}:
        if mission_id not in stored:
            yield mission_id, "was accepted and is not stored"
    for mission_id, mission in stored.items():
        if mission["status"] not in _REST:
            yield mission_id, f"neither ended nor waits: {mission['status']} at {mission['stage']}"


def i2_at_most_one_effect_per_approved_proposal(e: Evidence) -> Found:
    done = Counter(
        _said(effect["tenant_id"], effect["lead_id"], effect["operation"], effect["body"]) for effect in e.effects
    )
    granted = Counter(_of_grant(grant) for grant in e.of("grants"))
    for what, times in done.items():
        if times > max(granted[what], 1):
            yield None, f"the root was written {times} times, {granted[what]} were approved: {what}"
    for row in e.of("writebacks"):
        what = _said(
            row["tenant_id"], row["payload"]["target"]["id"], row["payload"]["operation"], row["payload"]["after"]
        )
        if row["status"] == "applied" and not done[what]:
            yield row["mission_id"], f"recorded as applied, and the root never did it: {what}"
        if row["status"] in {"conflicted", "failed"} and done[what]:
            yield row["mission_id"], f"recorded as {row['status']}, and the root did it: {what}"


def i3_events_are_gapless_and_the_chain_verifies(e: Evidence) -> Found:
    missions = {m["mission_id"]: m for m in e.of("missions")}
    for mission_id, events in _by_mission(e.of("events")).items():
        events.sort(key=lambda event: event["seq"])
        if [event["seq"] for event in events] != list(range(1, len(events) + 1)):
            yield mission_id, "the events have a gap"
        before = "0" * 64
        for event in events:
            made = hashlib.sha256(f"{before}\n{event['seq']}\n{event['content']}".encode()).hexdigest()
            if (event["prev_hash"], event["hash"]) != (before, made):
                yield mission_id, f"the chain breaks at event {event['seq']}"
                break
            if json.loads(event["content"])["payload"] != event["payload"]:
                yield mission_id, f"event {event['seq']} shows another payload than it hashed"
            before = event["hash"]
        mission = missions.get(mission_id)
        if mission and (mission["seq"], mission["head"]) != (events[-1]["seq"], events[-1]["hash"]):
            yield mission_id, "the mission knows another last event"


def i4_nothing_is_written_under_a_stale_epoch(e: Evidence) -> Found:
    """The observer numbers writes while their writer holds the mission's row, so the writers' epochs rise with them."""
    present = {m["mission_id"]: m["epoch"] for m in e.of("missions")}
    for mission_id, writes in _by_mission(e.of("writes")).items():
        highest = 0
        for write in sorted(writes, key=lambda write: write["write_id"]):
            if write["epoch"] is None or write["epoch"] < highest:
                yield (
                    mission_id,
                    f"{write['table']}: {write['operation']} as {write['epoch']} after {highest} had begun",
                )
            highest = max(highest, write["epoch"] or 0)
    for mission_id, rows in _by_mission([row for row in e.rows if row["fenced"]]).items():
        if max(row["epoch"] for row in rows) > present.get(mission_id, 0):
            yield mission_id, "a row carries an epoch that its mission never reached"
    for mission_id, events in _by_mission(e.of("events")).items():
        epochs = [event["epoch"] for event in sorted(events, key=lambda event: event["seq"])]
        if epochs != sorted(epochs):
            yield mission_id, "the epoch falls as seq rises"


def i5_spend_stays_within_budget_and_calls_in_flight(e: Evidence) -> Found:
    """Calls in flight may turn out a little longer than they were counted; none begins that the budget can't cover."""
    calls = _by_mission(e.of("model_calls"))
    at_once = int(e.facts.get("max_workers_per_mission", 4))
    for budget in e.of("budgets"):
        mission_id = budget["mission_id"]
        tokens = sorted((call["tokens"] for call in calls.get(mission_id, [])), reverse=True)
        spent = budget["tokens_in"] + budget["tokens_out"]
        if spent != sum(tokens):
            yield mission_id, f"charged {spent} tokens, the calls used {sum(tokens)}"
        if spent > budget["token_budget"] + _LONGER * sum(tokens[:at_once]):
            yield mission_id, f"spent {spent} of {budget['token_budget']} tokens"


def i6_no_row_crosses_tenants(e: Evidence) -> Found:
    tenant = {m["mission_id"]: m["tenant_id"] for m in e.of("missions")}
    for row in e.rows:
        if tenant.get(row["mission_id"]) != row["tenant_id"]:
            yield row["mission_id"], f"{row['table']} has a row of {row['tenant_id']}"
    for line in e.history:
        if line["op"] == "list" and line["kind"] == "ok":
            for mission_id in line["missions"]:
                if tenant.get(mission_id) != line["tenant_id"]:
                    yield mission_id, f"was shown to {line['tenant_id']}"
    owners = {grant["content"] and _of_grant(grant)[1]: grant["tenant_id"] for grant in e.of("grants")}
    for effect in e.effects:
        if owners.get(effect["lead_id"], effect["tenant_id"]) != effect["tenant_id"]:
            yield None, f"the root was written for {effect['tenant_id']}: {effect['lead_id']}"


def i7_no_effect_without_an_approval_of_that_payload(e: Evidence) -> Found:
    decided = {
        (a["mission_id"], a["interrupt_id"]): json.loads(a["decision"]) for a in e.of("approvals") if a["decision"]
    }
    asked = {(a["mission_id"], a["interrupt_id"]): json.loads(a["content"]) for a in e.of("approvals")}
    allowed = set()
    for grant in e.of("grants"):
        name = (grant["mission_id"], grant["interrupt_id"])
        payload = json.loads(grant["content"])
        if grant["payload_sha256"] != _payload_hash(payload):
            yield grant["mission_id"], f"the grant of {grant['proposal_id']} is bound to another payload"
        answers = {a["proposal_id"]: a for a in decided.get(name, {}).get("answers", [])}
        shown = {p["proposal_id"]: p["payload_sha256"] for p in asked.get(name, {}).get("proposals", [])}
        answer = answers.get(grant["proposal_id"])
        if answer is None or answer["verdict"] not in {"approve", "edit"}:
            yield grant["mission_id"], f"{grant['proposal_id']} is granted, and nobody approved it"
        elif answer["payload_sha256"] != shown.get(grant["proposal_id"]):
            yield grant["mission_id"], f"{grant['proposal_id']} was approved with a hash that was not shown"
        else:
            allowed.add(_of_grant(grant))
    for line in e.history:
        if line["op"] == "answer" and line["kind"] == "ok":
            shown = asked.get((line["mission_id"], line["interrupt_id"]), {}).get("proposals", [])
            if not set(line["hashes"]) <= {p["payload_sha256"] for p in shown}:
                yield line["mission_id"], "an answer to another payload was accepted"
    for effect in e.effects:
        what = _said(effect["tenant_id"], effect["lead_id"], effect["operation"], effect["body"])
        if what not in allowed:
            yield None, f"the root was written without an approval: {what}"


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
    """A lease lasts: no process takes a mission from one that took it less than a lease ago, unless told to."""
    lease_s = e.facts.get("lease_ms", 1_500) / 1000
    for mission_id, events in _by_mission(e.of("events")).items():
        events.sort(key=lambda event: event["seq"])
        began: dict[int, float] = {}
        for event in events:
            if event["event_type"] == "mission.resumed" or event["epoch"] not in began:
                began.setdefault(event["epoch"], event["at"])
            if event["event_type"] == "mission.resumed":
                since = began.get(event["epoch"] - 1)
                held = [x for x in events if x["epoch"] == event["epoch"] - 1 and x["event_type"] in _RUN_BEGINS]
                if held and since is not None and event["at"] - since < lease_s * 0.95:
                    yield mission_id, f"taken over {event['at'] - since:.2f} s after another took it, lease {lease_s} s"


def e_a_stream_shows_every_event_once(e: Evidence) -> Found:
    """Over all its connections a stream's ids strictly rise, and together they are the events that are stored."""
    stored = _by_mission(e.of("events"))
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


RULES: dict[str, Callable[[Evidence], Found]] = {
    "I1": i1_every_accepted_mission_ends_or_waits,
    "I2": i2_at_most_one_effect_per_approved_proposal,
    "I3": i3_events_are_gapless_and_the_chain_verifies,
    "I4": i4_nothing_is_written_under_a_stale_epoch,
    "I5": i5_spend_stays_within_budget_and_calls_in_flight,
    "I6": i6_no_row_crosses_tenants,
    "I7": i7_no_effect_without_an_approval_of_that_payload,
    "A": a_one_answer_wins,
    "S": s_one_mission_a_key,
    "H": h_one_holder_at_a_time,
    "E": e_a_stream_shows_every_event_once,
    "Q": q_only_the_poison_is_given_up,
    "R": r_topics_hold_what_is_stored,
}


def judge(evidence: Evidence) -> list[Violation]:
    """Return every promise that was not kept."""
    return [Violation(name, mission, what) for name, rule in RULES.items() for mission, what in rule(evidence)]


def judged(folder: Path) -> list[Violation]:
    """Judge a folder of evidence."""
    return judge(load(folder))


def _by_mission(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["mission_id"]].append(row)
    return found


def _said(tenant: str, lead_id: str, operation: str, body: Any) -> tuple[str, str, str, str]:
    return tenant, lead_id, operation, json.dumps(body, sort_keys=True)


def _of_grant(grant: Row) -> tuple[str, str, str, str]:
    payload = json.loads(grant["content"])
    return _said(grant["tenant_id"], payload["target"]["id"], payload["operation"], payload["after"])


def _payload_hash(payload: Row) -> str:
    bound = {name: payload[name] for name in ("target", "operation", "precondition", "before", "after")}
    plain = json.dumps(bound, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(plain.encode()).hexdigest()
