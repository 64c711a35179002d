"""What comes of comparing: two missions, a replay and its original, past decisions under other rules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from colony_client.notebook.markup import Markup, Shown, brief, chip, joined, shown, table, tag
from colony_client.types import Decided, Difference, Divergence, Keyed, ReplayReport, WhatIfPage

_MOST = 60


def difference(found: Difference) -> Shown:
    """Show what two checkpoints differ in, value by value."""
    rows: list[tuple[str, str, Any, Any]] = []
    for one in found["artifacts"]:
        what = " ".join(str(part) for part in (one["kind"], one["task_key"] or one["source"] or "") if part)
        if one["from"] is None or one["to"] is None:
            rows.append((what, "", one["from"] and "was there", one["to"] and "is new"))
        rows += [(what, c["path"], c["from"], c["to"]) for c in one["changes"]]
    named = {name: change for name, change in found["channels"].items() if not _reference(change)}
    rows += [("state", name, change["from"], change["to"]) for name, change in named.items()]
    said = f"{len(found['artifacts'])} artifacts and {len(found['channels'])} channels differ."
    if not rows and not found["channels"]:
        said = "Nothing differs."
    return shown([said, *_lines(rows)], tag("p", tag("b", said)), _values(rows), data=found)


def replayed(found: ReplayReport) -> Shown:
    """Show what a replay came to: identical, or the first thing that differs, what changed, and why."""
    same = f"{found['artifacts_identical']} of {found['artifacts']} artifacts and {found['calls']} recorded calls"
    said = f"{'identical' if found['identical'] else 'NOT identical'}: {same}"
    head = tag("p", chip("identical" if found["identical"] else "not identical", _tone(found)), f" {same}")
    lines, parts = [said], [head]
    if found["under_other_rules"]:
        lines.append(f"{found['under_other_rules']} decisions were made under other rules")
    if found["failure"] is not None:
        lines.append(f"it ended early: {found['failure'].get('code')}: {found['failure'].get('reason')}")
    for title, one in (("first divergence", found["first_divergence"]), ("first call", found["first_call"])):
        if one is not None:
            lines += [f"{title}: {_place(one)}", *(f"  {line}" for line in one.get("diff") or ())]
    parts += [tag("p", line) for line in lines[1:] if not line.startswith("  ")]
    call = found["first_call"]
    if call is not None and call.get("diff"):
        parts.append(tag("pre", *(_line(line) for line in call["diff"] or ())))
    if found["changes"] is not None:
        for words, markup in _changes(found["changes"]):
            lines += words
            parts.append(markup)
    return shown(lines, *parts, data=found)


def hindsight(found: WhatIfPage) -> Shown:
    """Show which past decisions would have been others."""
    flips = found["flips"]
    said = f"{len(flips)} of {found['examined']} past decisions would have been another"
    heads = ["decision", "about", "was", "would be", "because", "rule"]
    rows = [
        [
            f"{one['layer']}: {one['action']}",
            one["subject"],
            one["was"],
            tag("b", one["now"]),
            "; ".join(one["reasons_now"]),
            tag("code", ", ".join(one["rules_now"])),
        ]
        for one in flips[:_MOST]
    ]
    words = [
        f"  {one['action']} {one['subject']}: {one['was']} -> {one['now']} ({'; '.join(one['reasons_now'])})"
        for one in flips[:_MOST]
    ]
    return shown([said, *words, *_more(flips)], tag("p", tag("b", said)), table(heads, rows), *_more(flips), data=found)


def _tone(found: ReplayReport) -> str:
    return "good" if found["identical"] else "wait"


def _place(one: Divergence) -> str:
    task = f", task {one['task_key']}" if one["task_key"] else ""
    return f"{one['call']} at {one['stage']}{task}"


def _changes(changes: Mapping[str, Any]) -> Iterator[tuple[list[str], Markup]]:
    decisions: Sequence[Decided] = changes["decisions"]
    if decisions:
        words = [f"decision {_decided(one)}" for one in decisions]
        yield words, _listed("Decisions", words)
    for name in ("plan", "claims", "proposals"):
        kept: Sequence[Keyed] = changes[name]
        if kept:
            rows = [row for one in kept for row in _keyed(one)]
            title = name.capitalize()
            yield [f"{title}:", *_lines(rows)], joined(tag("h4", title), _values(rows))
    if changes["why"]:
        words = [f"{one['task_key']}: {', '.join(one['because'])}" for one in changes["why"]]
        yield [f"why {line}" for line in words], _listed("Why", words)


def _decided(one: Decided) -> str:
    said = f"{one['change']}: {one['action']} {one['resource']}"
    turn = f", {one['from']} to {one['to']}" if one["change"] == "flipped" else ""
    because = f" ({'; '.join(one['reasons'])})" if one["reasons"] else ""
    return f"{said}{turn}{because}"


def _keyed(one: Keyed) -> Iterator[tuple[str, str, Any, Any]]:
    name = str(one.get("task_key") or one.get("claim") or one.get("proposal") or "")
    values = one.get("values", [])
    if not values:
        gone = one["change"] == "gone"
        yield name, "", "was there" if gone else None, None if gone else f"is {one['change']}"
    for value in values:
        yield name, value["path"], value["from"], value["to"]


Rows = Sequence[tuple[str, str, Any, Any]]


def _values(rows: Rows) -> Markup | None:
    if not rows:
        return None
    cells = ([a, tag("code", b), _value("del", was), _value("ins", now)] for a, b, was, now in rows[:_MOST])
    return joined(table(["what", "value", "was", "is"], cells), *_more(rows))


def _value(name: str, value: Any) -> Markup:
    return tag("small", "—") if value is None else tag(name, brief(text_of(value), 240))


def _lines(rows: Rows) -> list[str]:
    shown_rows = [f"  {a} {b}: {brief(text_of(was))} -> {brief(text_of(now))}" for a, b, was, now in rows[:_MOST]]
    return [*shown_rows, *_more(rows)]


def _more(rows: Sequence[object]) -> list[str]:
    return [f"… and {len(rows) - _MOST} more"] if len(rows) > _MOST else []


def text_of(value: Any) -> str:
    """Return a JSON value as people read it."""
    if value is None:
        return "—"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _listed(title: str, lines: Iterable[str]) -> Markup:
    return joined(tag("h4", title), tag("ul", *(tag("li", line) for line in lines)))


def _line(text: str) -> Markup:
    name = {"+": "ins", "-": "del"}.get(text[:1], "span")
    return joined(tag(name, text), "\n")


def _reference(change: Mapping[str, Any]) -> bool:
    """Tell whether a channel only names artifacts, whose own differences say more."""
    return any(_names(change[side]) for side in ("from", "to"))


def _names(value: Any) -> bool:
    match value:
        case {"sha256": _}:
            return True
        case [{"sha256": _}, *_]:
            return True
        case _:
            return False
