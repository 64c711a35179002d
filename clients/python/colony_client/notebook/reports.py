"""What comes of comparing: two missions, a replay and its original, past decisions under other rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from colony_client.notebook import values
from colony_client.notebook.markup import Markup, Shown, brief, chip, joined, shown, table, tag
from colony_client.notebook.values import Changed
from colony_client.types import Changes, Decided, Difference, Divergence, Keyed, ReplayReport, WhatIfPage

_MOST = 60
# In the order in which one comes of the other, so that the first place of a change is its cause.
_KINDS = (
    "plan",
    "task",
    "prompt_package",
    "librarian_pass",
    "research_artifact",
    "worker_result",
    "aggregation_packet",
    "review_packet",
)


def difference(found: Difference) -> Shown:
    """Show what two checkpoints differ in, value by value."""
    said = f"{len(found['artifacts'])} artifacts and {len(found['channels'])} channels differ."
    if not found["artifacts"] and not found["channels"]:
        said = "Nothing differs."
    lines, markup = values.told(_differing(found))
    return shown([said, *lines], tag("p", tag("b", said)), markup, data=found)


def _differing(found: Difference) -> Iterator[Changed]:
    for one in sorted(
        found["artifacts"], key=lambda a: _KINDS.index(a["kind"]) if a["kind"] in _KINDS else len(_KINDS)
    ):
        what = " ".join(filter(None, [one["kind"], one["task_key"], one["source"]]))
        if one["from"] is None or one["to"] is None:
            yield Changed(what, "", one["from"] and "was there", one["to"] and "is new")
        for change in one["changes"]:
            yield Changed(what, change["path"], change["from"], change["to"])
    for name, sides in found["channels"].items():
        if not _refers(sides["from"]) and not _refers(sides["to"]):
            yield Changed("state", name, sides["from"], sides["to"])


def _refers(value: Any) -> bool:
    """Tell whether a channel only names artifacts, whose own differences say more."""
    match value:
        case {"sha256": _} | [{"sha256": _}, *_]:
            return True
        case _:
            return False


def replayed(found: ReplayReport) -> Shown:
    """Show what a replay came to: identical, or the first thing that differs, what changed, and why."""
    same = f"{found['artifacts_identical']} of {found['artifacts']} artifacts and {found['calls']} recorded calls"
    said = f"{'identical' if found['identical'] else 'NOT identical'}: {same}"
    tone = "good" if found["identical"] else "wait"
    lines, parts = [said], [tag("p", chip(said.partition(":")[0], tone), f" {same}")]
    for words, markup in _findings(found):
        lines += words
        parts.append(markup)
    return shown(lines, *parts, data=found)


Finding = tuple[list[str], Markup]


def _findings(found: ReplayReport) -> Iterator[Finding]:
    if found["failure"] is not None:
        yield _paragraph(f"It ended early: {found['failure'].get('code')}: {found['failure'].get('reason')}", "bad")
    if found["stopped"]:
        yield _paragraph("Its original was stopped; they are compared as far as that came.")
    if found["under_other_rules"]:
        yield _paragraph(f"{found['under_other_rules']} decisions were made under other rules.")
    if found["first_divergence"] is not None:
        yield _paragraph(f"First divergence: {_place(found['first_divergence'])}.")
    call = found["first_call"]
    if call is not None:
        diff = call.get("diff") or []
        place = f"First call that differs: {_place(call)}."
        yield [place, *(f"  {line}" for line in diff)], joined(tag("p", place), tag("pre", *map(_line, diff)))
    if found["changes"] is not None:
        yield from _changes(found["changes"])


def _paragraph(text: str, tone: str | None = None) -> Finding:
    return [text], tag("p", text, class_=tone)


def _place(one: Divergence) -> str:
    task = f", task {one['task_key']}" if one["task_key"] else ""
    return f"{one['call']} at {one['stage']}{task}"


def _line(text: str) -> Markup:
    return joined(tag({"+": "ins", "-": "del"}.get(text[:1], "span"), text), "\n")


def _changes(changes: Changes) -> Iterator[Finding]:
    if changes["decisions"]:
        words = [f"decision {line}" for line in _decided(changes["decisions"])]
        yield words, _listed("Decisions", words)
    kinds: Mapping[str, Sequence[Keyed]] = {
        "Plan": changes["plan"],
        "Claims": changes["claims"],
        "Proposals": changes["proposals"],
    }
    for title, keyed in kinds.items():
        if keyed:
            lines, markup = values.told(change for one in keyed for change in _keyed(one))
            yield [f"{title}:", *lines], joined(tag("h4", title), markup)
    if changes["why"]:
        words = [f"{one['task_key']}: {', '.join(one['because'])}" for one in changes["why"]]
        yield [f"why {line}" for line in words], _listed("Why", words)


def _decided(decisions: Sequence[Decided]) -> Iterator[str]:
    """Say what was decided otherwise, one by one, and then count what only one of the two was asked."""
    for one in decisions:
        if one["change"] == "flipped":
            yield f"flipped: {one['action']} {brief(one['resource'], 20)}, {one['from']} to {one['to']}{_because(one)}"
    others = Counter(
        f"{one['change']}: {one['action']}{_because(one)}" for one in decisions if one["change"] != "flipped"
    )
    yield from (f"{n} × {what}" if n > 1 else what for what, n in others.items())  # noqa: RUF001


def _because(one: Decided) -> str:
    return f" ({'; '.join(one['reasons'])})" if one["reasons"] else ""


def _keyed(one: Keyed) -> Iterator[Changed]:
    name = str(one.get("task_key") or one.get("claim") or one.get("proposal") or "")
    differing = one.get("values", [])
    if not differing:
        gone = one["change"] == "gone"
        yield Changed(name, "", "was there" if gone else None, None if gone else f"is {one['change']}")
    for value in differing:
        yield Changed(name, value["path"], value["from"], value["to"])


def _listed(title: str, lines: Iterable[str]) -> Markup:
    return joined(tag("h4", title), tag("ul", *(tag("li", line) for line in lines)))


def hindsight(found: WhatIfPage) -> Shown:
    """Show which past decisions would have been others."""
    flips = found["flips"]
    said = f"{len(flips)} of {found['examined']} past decisions would have been another."
    heads = ["decision", "about", "was", "would be", "because", "rule"]
    rows = (
        [
            f"{one['layer']}: {one['action']}",
            one["subject"],
            one["was"],
            tag("b", one["now"]),
            "; ".join(one["reasons_now"]),
            tag("code", ", ".join(one["rules_now"])),
        ]
        for one in flips[:_MOST]
    )
    words = [
        f"  {one['action']} {one['subject']}: {one['was']} -> {one['now']} ({'; '.join(one['reasons_now'])})"
        for one in flips[:_MOST]
    ]
    more = [f"… and {len(flips) - _MOST} more"] if len(flips) > _MOST else []
    return shown([said, *words, *more], tag("p", tag("b", said)), table(heads, rows), *more, data=found)
