"""A mission for people: what was found, on what ground, and what it would change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from server.cli.output import Screen, one_line

NOTHING = "\N{EM DASH}"
_LONG_NAME = 24
ARROW = "\N{RIGHTWARDS ARROW}"
Sources = Mapping[str, str]


def sources_of(artifacts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return where each piece of evidence comes from, by its id."""
    return {a["artifact_id"]: _source(a["payload"]) for a in artifacts}


def _source(artifact: Mapping[str, Any]) -> str:
    source = artifact["source"]
    name, title = source["id"], source["title"]
    if title and len(name) > _LONG_NAME:
        # A conversation without an id of its own has a hash for one, which tells nobody anything.
        name = title
    elif title and title not in {name, source["entity"]}:
        name += f" ({title})"
    return f"{source['entity']} {name}, {artifact['trust']}"


def header(screen: Screen, mission: Mapping[str, Any]) -> None:
    """Say which mission this is and where it stands."""
    envelope, usage = mission["envelope"], mission["usage"]
    lineage = mission["lineage"]
    rows = [
        ("mission", mission["mission_id"]),
        ("class", mission["mission_type"]),
        ("status", f"{mission['status']} (stage {mission['stage']})"),
        ("goal", envelope.get("user_goal", "")),
        ("inputs", as_text(envelope.get("inputs", {}))),
        ("risk", f"{mission['risk_level'] or NOTHING}, {mission['sensitivity_class'] or NOTHING}"),
        ("usage", f"{usage['model_calls']} model calls, {usage['tokens_in']} tokens in, {usage['tokens_out']} out"),
        ("created", mission["created_at"]),
        ("trace", mission["trace_id"]),
    ]
    if lineage["parent_mission_id"]:
        rows.append((lineage["kind"], f"of {lineage['parent_mission_id']} at {lineage['parent_checkpoint_id']}"))
    for name, value in rows:
        screen.line(f"{name:<8} {one_line(value)}")


def failure(screen: Screen, mission: Mapping[str, Any]) -> None:
    """Say why a mission did not complete."""
    found = mission["failure"]
    if found is not None:
        screen.heading("Why it ended")
        screen.line(f"{found['code']} at {found['stage']}: {one_line(found['reason'])}", "red")
        if found["hint"]:
            screen.line(one_line(found["hint"]))


def packet(screen: Screen, mission: Mapping[str, Any], sources: Sources) -> None:
    """Show everything that was released, each statement with its verbatim quote."""
    found = mission["packet"]
    if found is None:
        return
    if found["answer"] is not None:
        screen.heading(f"Answer ({found['answer']['status']})")
        screen.line(found["answer"]["text"])
    _claims(screen, found, sources)
    if found["metrics"]:
        screen.heading("Metrics")
        columns = ("name", "value", "unit", "group", "formula", "rows")
        screen.table(columns, ([metric.get(c) for c in columns] for metric in found["metrics"]))
    _contradictions(screen, found)
    for title, items in (
        ("Findings", found["findings"]),
        ("Next steps", found["next_steps"]),
        ("Open questions", found["open_questions"]),
        ("Drafts", [f"to {d.get('to', NOTHING)}: {d.get('text', '')}" for d in found["drafts"]]),
    ):
        if items:
            screen.heading(title)
        for item in items:
            screen.line(f"  - {one_line(item)}")


def _claims(screen: Screen, found: Mapping[str, Any], sources: Sources) -> None:
    claims = {claim["claim_id"]: claim for claim in found["claims"]}
    facts = {fact["claim_id"] for fact in found["facts"]}
    if found["facts"]:
        screen.heading("Facts")
        rows = ([f["key"], f["value"], *_ground(claims.get(f["claim_id"]), sources)] for f in found["facts"])
        screen.table(("fact", "value", "verbatim quote", "source"), rows)
    others = [claim for claim in found["claims"] if claim["claim_id"] not in facts]
    if others:
        screen.heading("Claims")
        rows = ([claim["text"], *_ground(claim, sources)] for claim in others)
        screen.table(("claim", "verbatim quote", "source"), rows)


def _ground(claim: Mapping[str, Any] | None, sources: Sources) -> tuple[str, str]:
    citations = claim["citations"] if claim else []
    if not citations:
        return NOTHING, NOTHING
    first = citations[0]
    more = f" and {len(citations) - 1} more" if len(citations) > 1 else ""
    source = sources.get(first["artifact_id"], first["artifact_id"])
    return f'"{first["quote"]}"', f"{source}, {first['start']}-{first['end']}{more}"


def _contradictions(screen: Screen, found: Mapping[str, Any]) -> None:
    if not found["contradictions"]:
        return
    screen.heading("Contradictions")
    rows = (
        [c["subject"], c["attribute"], " / ".join(v["value"] for v in c["values"]), c["resolution"]]
        for c in found["contradictions"]
    )
    screen.table(("subject", "attribute", "values", "resolution"), rows)


def approval(screen: Screen, pending: Mapping[str, Any]) -> None:
    """Show what waits for people, field by field: on what ground, by whose text, who has agreed, what comes of it."""
    screen.heading("Waits for approval")
    screen.line(f"interrupt {pending['interrupt_id']}, until {pending['expires_at']}")
    if pending["escalated_at"]:
        screen.line(f"escalated at {pending['escalated_at']}", "yellow")
    needed = "one person" if pending["required"] == 1 else f"{pending['required']} different people"
    screen.line(f"asked for by {one_line(pending['requested_by'])}; needs {needed}, {pending['given']} agreed so far")
    for given in pending["answers"]:
        behalf = f" for {one_line(given['on_behalf_of'])}" if given["on_behalf_of"] else ""
        said = ", ".join(f"{verdict} {name}" for name, verdict in given["verdicts"].items())
        why = f": {one_line(given['reason'])}" if given["reason"] else ""
        screen.line(f"  {given['at']}  {one_line(given['actor_id'])}{behalf}: {said}{why}")
    for reason in pending["reasons"]:
        screen.line(f"  - {one_line(reason)}")
    if not pending["proposals"]:
        screen.line("  Nothing would be written; a person must look at the result.")
    standings = {s["proposal_id"]: s for s in pending["standings"]}
    proposals(screen, ({**p, **standings[p["proposal_id"]]} for p in pending["proposals"]))
    screen.line()
    for what, then in pending["consequences"].items():
        screen.line(f"{what:<8} {one_line(then)}", "dim")


def proposals(screen: Screen, items: Iterable[Mapping[str, Any]]) -> None:
    """Show proposals: what each would change, why, and how it ended if it was written."""
    for number, item in enumerate(items, start=1):
        target = item["target"]
        status = f", {item['status']}" if item.get("status") else ""
        if item.get("standing", "open") != "open":
            status = f", {item['standing'].replace('_', ' ')}"
        screen.line()
        screen.line(
            f"{number}. {item['proposal_id']}  {item['operation']} {target['entity']} {target['id']}"
            f"  (risk {item['risk_level']}{status})",
            "bold",
        )
        tainted = {taint["field"]: _by(taint) for taint in item["taint"]}
        rows = (
            [
                field,
                before,
                ARROW,
                after,
                tainted[top] if (top := field.split(".")[0]) in tainted else "",
            ]
            for field, before, after in changes(item["before"], item["after"])
        )
        screen.table(("field", "before", "", "after", "taint"), rows, indent=3)
        screen.line(f"   because {one_line(item['rationale'])} ({len(item['citations'])} citations)")
        _ground_of(screen, item)
        screen.line(f"   payload sha256 {item['payload_sha256']}", "dim")


def _by(taint: Mapping[str, Any]) -> str:
    """Say whose text a field comes from, and by which evidence, the cited first."""
    ids = taint["artifact_ids"]
    more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
    return f"from {taint['trust']} text, {ids[0]}{more}" if ids else f"from {taint['trust']} text"


def _ground_of(screen: Screen, item: Mapping[str, Any]) -> None:
    """Say of a pending proposal where its quotes come from, which rules asked for people, and who has said what."""
    for source in item.get("sources", ()):
        quotes = [c["quote"] for c in item["citations"] if c["artifact_id"] == source["artifact_id"]]
        name = one_line(f"{source['entity']} {source['title'] or source['id']}, {source['trust']}")
        screen.line(f"   from {name}: " + one_line(" / ".join(f'"{quote}"' for quote in quotes)))
    if item.get("rules"):
        screen.line(f"   rules {', '.join(item['rules'])}")
    if item.get("edited_by"):
        screen.line(f"   edited by {one_line(item['edited_by'])}; proposed was {as_text(item['proposed'])}", "yellow")
    if item.get("given_by"):
        people = ", ".join(one_line(name) for name in item["given_by"])
        screen.line(f"   {item['given']} of {item['required']} agreed to exactly this: {people}")


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield each field that is written, with what it was and what it becomes."""
    was, becomes = dict(_flat(before)), dict(_flat(after))
    for field in becomes:
        yield field, as_text(was.get(field)), as_text(becomes[field])
    for field in was:
        if field not in becomes and not any(other.startswith(f"{field}.") for other in becomes):
            yield field, as_text(was[field]), NOTHING


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, dict) and item:
            yield from _flat(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", item


def as_text(value: object) -> str:
    """Return a JSON value as people read it."""
    if value is None:
        return NOTHING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
