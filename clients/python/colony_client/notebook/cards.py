"""A mission on one card, and lists of missions and checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from colony_client.notebook.markup import Markup, Shown, brief, joined, shown, status_chip, table, tag
from colony_client.notebook.values import text_of
from colony_client.types import Approval, HistoryCheckpoint, Mission, MissionSummary, Node, Packet, WritebackProposal

_LISTED = 24
_PROPOSED = ["change", "field", "was", "would be", "because"]


def mission_card(found: Mission) -> Shown:
    """Show where a mission stands: what it found, what waits for a person, or why it ended."""
    envelope = found["envelope"]
    head = joined(status_chip(found["status"]), " ", tag("b", envelope["user_goal"]))
    about = f"{found['mission_type']} · {text_of(envelope['inputs'])} · {found['mission_id']}"
    lines = [f"{found['status']}: {envelope['user_goal']}", about]
    parts: list[Markup] = [tag("p", head), tag("p", tag("small", about))]
    for words, markup in _sections(found):
        lines += words
        parts.append(markup)
    return shown(lines, *parts, data=found)


Section = tuple[list[str], Markup]


def _sections(found: Mission) -> Iterator[Section]:
    lineage, failure, packet = found["lineage"], found["failure"], found["packet"]
    if lineage["parent_mission_id"]:
        of = f"{lineage['kind']} of {lineage['parent_mission_id']}"
        yield [of], tag("p", tag("small", of))
    if failure is not None:
        said = f"{failure['code']} at {failure['stage']}: {failure['reason']}"
        yield [said, failure["hint"]], joined(tag("p", said, class_="bad"), tag("p", failure["hint"]))
    if packet is not None:
        yield from _released(packet)
    if found["pending_approval"] is not None:
        yield _pending(found["pending_approval"])


def _released(packet: Packet) -> Iterator[Section]:
    if packet["answer"] is not None:
        answer = packet["answer"]
        yield (
            [f"answer ({answer['status']}): {answer['text']}"],
            tag("p", tag("b", answer["status"] + ": "), answer["text"]),
        )
    if packet["facts"]:
        rows = [[fact["key"], fact["value"]] for fact in packet["facts"]]
        yield [f"  {key}: {value}" for key, value in rows], joined(tag("h4", "Facts"), table(["fact", "value"], rows))
    if packet["metrics"]:
        yield _metrics([dict(one) for one in packet["metrics"]])
    for title, items in (("Findings", packet["findings"]), ("Next steps", packet["next_steps"])):
        if items:
            listed = tag("ul", *(tag("li", one) for one in _first(items)))
            yield [f"{title}:", *(f"  - {one}" for one in _first(items))], joined(tag("h4", title), listed)
    written = [[one["status"], _target(one)] for one in packet["writebacks"] if one["status"] != "proposed"]
    if written:
        yield [f"  {a}: {b}" for a, b in written], joined(tag("h4", "Changes"), table(["status", "change"], written))


def _metrics(found: Sequence[Mapping[str, Any]]) -> Section:
    """Show the totals and rates of the whole; those of groups are many, and are counted."""
    whole = [one for one in found if not one.get("group")]
    columns = ("name", "value", "unit", "formula")
    cells = [[text_of(one.get(column)) for column in columns] for one in whole[:_LISTED]]
    left = len(found) - len(cells)
    more = [f"… and {left} more"] if left else []
    lines = ["Metrics:", *("  " + "  ".join(row) for row in cells), *more]
    return lines, joined(tag("h4", "Metrics"), table(columns, cells), *(tag("small", one) for one in more))


def _first(items: Sequence[str]) -> list[str]:
    return [*items[:_LISTED], *([f"… and {len(items) - _LISTED} more"] if len(items) > _LISTED else [])]


def _target(one: Mapping[str, Any]) -> str:
    return f"{one['operation']} {one['target']['entity']} {one['target']['id']}"


def _pending(pending: Approval) -> Section:
    rows = [row for one in pending["proposals"] for row in _proposal(one)]
    needed = f"Waits for {pending['required']} to agree, {pending['given']} did so far."
    words = [needed, *(f"  {' | '.join(map(str, row))}" for row in rows)]
    return words, joined(tag("h4", "Waits for a person"), tag("p", needed), table(_PROPOSED, rows))


def _proposal(one: WritebackProposal) -> Iterator[list[str]]:
    tainted = {taint["field"]: taint["trust"] for taint in one["taint"]}
    for field in one["after"]:
        origin = f" (from {tainted[field]} text)" if field in tainted else ""
        was, becomes = text_of(one["before"].get(field)), brief(text_of(one["after"][field]), 200)
        yield [_target(one), f"{field}{origin}", was, becomes, one["rationale"]]


def mission_list(found: Sequence[MissionSummary]) -> Shown:
    """Show missions, one a row."""
    heads = ["mission", "class", "status", "stage", "goal", "created"]
    lines = [f"{one['mission_id']}  {one['status']:<18} {brief(one['envelope']['user_goal'], 60)}" for one in found]
    rows = (
        [
            tag("code", one["mission_id"]),
            one["mission_type"],
            status_chip(one["status"]),
            one["stage"],
            brief(one["envelope"]["user_goal"], 80),
            one["created_at"],
        ]
        for one in found
    )
    return shown(lines or ["No missions."], table(heads, rows), data=found)


def checkpoint_list(found: Sequence[HistoryCheckpoint]) -> Shown:
    """Show checkpoints, oldest first: after which stage each was written, what it changed and what came next."""
    heads = ["step", "after", "changed", "next", "checkpoint"]
    rows = [
        [
            str(one["step"]),
            one["stage"] or "start",
            ", ".join(one["changed"]),
            ", ".join(one["next"]),
            one["checkpoint_id"],
        ]
        for one in found
    ]
    lines = [f"{row[0]:>3}  {row[1]:<14} -> {row[3]:<14} {row[2]}" for row in rows]
    return shown(lines, table(heads, ([*row[:4], tag("code", row[4])] for row in rows)), data=found)


def family(first: Node) -> Shown:
    """Show a mission with everything that was made from it."""
    return shown(_family_lines(first, 0), tag("ul", _family_item(first)), data=first)


def _family_lines(node: Node, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}{node['kind'] or 'mission'} {node['mission_id']} {node['status']}"
    for child in node["children"]:
        yield from _family_lines(child, depth + 1)


def _family_item(node: Node) -> Markup:
    below = tag("ul", *(_family_item(child) for child in node["children"])) if node["children"] else None
    return tag(
        "li", f"{node['kind'] or 'mission'} ", tag("code", node["mission_id"]), " ", status_chip(node["status"]), below
    )
