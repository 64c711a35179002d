"""The checker: judges a folder of evidence after the fact, and shares no code with what it judges.

Each rule is a function from the evidence to its violations. I1 to I7 hold on every run, and so do L and T: nothing is
lost, and nothing that is finished is done again. A, S and H are about one answer that wins, one mission a key, and one
holder at a time; E is about streams (see streams.py for what it reads).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults import losses, races
from tests.faults.evidence import Evidence, load
from tests.faults.reading import Found, by_mission, of_grant, payload_hash, said

_REST = {"completed", "blocked", "rejected", "cancelled", "expired", "failed", "awaiting_approval"}
_LONGER = 0.1
_LEDGER = "ledger "


@dataclass(frozen=True)
class Violation:
    """One promise that was not kept."""

    rule: str
    mission_id: str | None
    what: str


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
        said(effect["tenant_id"], effect["lead_id"], effect["operation"], effect["body"]) for effect in e.effects
    )
    granted = Counter(of_grant(grant) for grant in e.of("grants"))
    for what, times in done.items():
        if times > max(granted[what], 1):
            yield None, f"the root was written {times} times, {granted[what]} were approved: {what}"
    for row in e.of("writebacks"):
        what = said(
            row["tenant_id"], row["payload"]["target"]["id"], row["payload"]["operation"], row["payload"]["after"]
        )
        if row["status"] == "applied" and not done[what]:
            yield row["mission_id"], f"recorded as applied, and the root never did it: {what}"
        if row["status"] in {"conflicted", "failed"} and done[what]:
            yield row["mission_id"], f"recorded as {row['status']}, and the root did it: {what}"


def i3_events_are_gapless_and_the_chain_verifies(e: Evidence) -> Found:
    missions = {m["mission_id"]: m for m in e.of("missions")}
    for mission_id, events in by_mission(e.of("events")).items():
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
    for mission_id, writes in by_mission(e.of("writes")).items():
        highest = 0
        for write in sorted(writes, key=lambda write: write["write_id"]):
            if write["epoch"] is None or write["epoch"] < highest:
                yield (
                    mission_id,
                    f"{write['table']}: {write['operation']} as {write['epoch']} after {highest} had begun",
                )
            highest = max(highest, write["epoch"] or 0)
    for mission_id, rows in by_mission([row for row in e.rows if row["fenced"]]).items():
        if max(row["epoch"] for row in rows) > present.get(mission_id, 0):
            yield mission_id, "a row carries an epoch that its mission never reached"
    for mission_id, events in by_mission(e.of("events")).items():
        epochs = [event["epoch"] for event in sorted(events, key=lambda event: event["seq"])]
        if epochs != sorted(epochs):
            yield mission_id, "the epoch falls as seq rises"


def i5_spend_stays_within_budget_and_calls_in_flight(e: Evidence) -> Found:
    """Calls in flight may turn out a little longer than they were counted; none begins that the budget can't cover.

    What a mission spent is what its calls used as the workers saw it, the calls of those among them that were killed
    before they could store it.
    """
    calls = by_mission(e.of("model_calls"))
    seen = by_mission([line for line in e.points if line["what"] == "spent"])
    at_once = int(e.facts.get("max_workers_per_mission", 4))
    for budget in e.of("budgets"):
        mission_id = budget["mission_id"]
        tokens = sorted((call["tokens"] for call in calls.get(mission_id, [])), reverse=True)
        charged = budget["tokens_in"] + budget["tokens_out"]
        if charged != sum(tokens):
            yield mission_id, f"charged {charged} tokens, the calls used {sum(tokens)}"
        used = sorted((line["tokens"] for line in seen.get(mission_id, [])), reverse=True)
        spent, longer = max(charged, sum(used)), max(sum(tokens[:at_once]), sum(used[:at_once]))
        if spent > budget["token_budget"] + _LONGER * longer:
            yield mission_id, f"spent {spent} of {budget['token_budget']} tokens"


def i6_no_row_crosses_tenants(e: Evidence) -> Found:
    tenant = {m["mission_id"]: m["tenant_id"] for m in e.of("missions")}
    for row in e.rows:
        # A leaf is of a mission, or of the ledger of a tenant or of all.
        ledger = row["mission_id"].removeprefix(_LEDGER) if row["mission_id"].startswith(_LEDGER) else None
        if (ledger or tenant.get(row["mission_id"])) != row["tenant_id"]:
            yield row["mission_id"], f"{row['table']} has a row of {row['tenant_id']}"
    for line in e.history:
        if line["op"] == "list" and line["kind"] == "ok":
            for mission_id in line["missions"]:
                if tenant.get(mission_id) != line["tenant_id"]:
                    yield mission_id, f"was shown to {line['tenant_id']}"
    owners = {grant["content"] and of_grant(grant)[1]: grant["tenant_id"] for grant in e.of("grants")}
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
        if grant["payload_sha256"] != payload_hash(payload):
            yield grant["mission_id"], f"the grant of {grant['proposal_id']} is bound to another payload"
        answers = {a["proposal_id"]: a for a in decided.get(name, {}).get("answers", [])}
        shown = {p["proposal_id"]: p["payload_sha256"] for p in asked.get(name, {}).get("proposals", [])}
        answer = answers.get(grant["proposal_id"])
        if answer is None or answer["verdict"] not in {"approve", "edit"}:
            yield grant["mission_id"], f"{grant['proposal_id']} is granted, and nobody approved it"
        elif answer["payload_sha256"] != shown.get(grant["proposal_id"]):
            yield grant["mission_id"], f"{grant['proposal_id']} was approved with a hash that was not shown"
        else:
            allowed.add(of_grant(grant))
    for line in e.history:
        if line["op"] == "answer" and line["kind"] == "ok":
            shown = asked.get((line["mission_id"], line["interrupt_id"]), {}).get("proposals", [])
            if not set(line["hashes"]) <= {p["payload_sha256"] for p in shown}:
                yield line["mission_id"], "an answer to another payload was accepted"
    for effect in e.effects:
        what = said(effect["tenant_id"], effect["lead_id"], effect["operation"], effect["body"])
        if what not in allowed:
            yield None, f"the root was written without an approval: {what}"


RULES: dict[str, Callable[[Evidence], Found]] = {
    "I1": i1_every_accepted_mission_ends_or_waits,
    "I2": i2_at_most_one_effect_per_approved_proposal,
    "I3": i3_events_are_gapless_and_the_chain_verifies,
    "I4": i4_nothing_is_written_under_a_stale_epoch,
    "I5": i5_spend_stays_within_budget_and_calls_in_flight,
    "I6": i6_no_row_crosses_tenants,
    "I7": i7_no_effect_without_an_approval_of_that_payload,
    "L": losses.l_nothing_is_lost,
    "T": losses.t_finished_work_is_not_done_again,
    "A": races.a_one_answer_wins,
    "S": races.s_one_mission_a_key,
    "H": races.h_one_holder_at_a_time,
    "E": races.e_a_stream_shows_every_event_once,
    "Q": races.q_only_the_poison_is_given_up,
    "R": races.r_topics_hold_what_is_stored,
}


def judge(evidence: Evidence) -> list[Violation]:
    """Return every promise that was not kept."""
    return [Violation(name, mission, what) for name, rule in RULES.items() for mission, what in rule(evidence)]


def judged(folder: Path) -> list[Violation]:
    """Judge a folder of evidence."""
    return judge(load(folder))
