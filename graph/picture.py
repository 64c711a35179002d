"""The graph and the stateflow table as pictures for the docs, drawn from the compiled graph and from nothing else.

``python -m graph.picture FILE…`` rewrites what stands between the markers in each file; ``--check`` only tells whether
it is up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.stateflow import STATEFLOW, STATUS_MOVES, Stage
from graph.topology import compiled

_MARKED = re.compile(r"(<!-- (?P<what>graph|stateflow|statuses) -->\n).*?(<!-- end -->)", re.DOTALL)


def graph() -> str:
    """Return the compiled graph as a Mermaid flowchart, with the policy layer asked after each stage."""
    lines = ["```mermaid", "flowchart LR"]
    for stage in Stage:
        asks = STATEFLOW[stage].asks
        label = f"{stage.value}<br/><i>{asks.value} policy</i>" if asks else stage.value
        shape = ("{{", "}}") if stage is Stage.RELEASE_GATE else ("[", "]")
        lines.append(f'    {stage.value}{shape[0]}"{label}"{shape[1]}')
    edges = sorted((e.source, e.target) for e in compiled().get_graph().edges)
    names = {stage.value for stage in Stage}
    lines += [f"    {a} --> {b}" for a, b in edges if a in names and b in names]
    lines += [f"    __start__((start)) --> {b}" for a, b in edges if a == "__start__"]
    falling = [stage.value for stage, flow in STATEFLOW.items() if flow.fallback is not None]
    lines.append(f"    {' & '.join(falling)} -.-> failed")
    return "\n".join([*lines, "```"])


def stateflow() -> str:
    """Return the stateflow table as Markdown."""
    rows = ["| stage | begins with | next | policy | timeout | tries | events |", "|---|---|---|---|---|---|---|"]
    for stage, flow in STATEFLOW.items():
        to = ", ".join(flow.next) or "end"
        asks = flow.asks.value if flow.asks else ""
        events = ", ".join(flow.emits)
        seconds = f"{flow.timeout_ms // 1000} s"
        rows.append(f"| {stage.value} | {flow.entry} | {to} | {asks} | {seconds} | {flow.attempts} | {events} |")
    return "\n".join(rows)


def statuses() -> str:
    """Return the legal moves of a mission's status as a Mermaid state diagram."""
    moves = [f"    {was} --> {to}" for was, tos in STATUS_MOVES.items() for to in sorted(tos)]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> received", *moves, "```"])


_DRAWINGS = {"graph": graph, "stateflow": stateflow, "statuses": statuses}


def drawn(text: str) -> str:
    """Return a document with everything between its markers drawn anew."""
    return _MARKED.sub(lambda m: f"{m.group(1)}{_DRAWINGS[m.group('what')]()}\n{m.group(3)}", text)


def main(arguments: Sequence[str]) -> int:
    """Draw, or with ``--check`` compare; returns how many files were out of date when comparing."""
    check = "--check" in arguments
    stale = 0
    for path in (Path(name) for name in arguments if name != "--check"):
        text = path.read_text(encoding="utf-8")
        if drawn(text) != text:
            stale += 1
            if not check:
                path.write_text(drawn(text), encoding="utf-8")
    return stale if check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
