"""The figures of docs/guarantees.md, kept in a file and drawn from it: `python -m tests.faults.report`.

`add RUNS.jsonl …` takes what `python -m tests.faults --json` printed, `docs` draws the page anew.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.cases import FAULTS
from tests.faults.checker import RULES
from tests.faults.saboteurs import SABOTEURS

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "chaos.json"
PAGE = ROOT / "docs" / "guarantees.md"
_BEGIN, _END = "<!-- figures -->", "<!-- end -->"


class Promise(NamedTuple):
    """One line of the page."""

    rule: str
    promise: str
    mechanism: str
    faults: str
    saboteurs: tuple[str, ...]


PROMISES = (
    Promise(
        "I1", "an accepted mission ends or waits", "leases, sweeper, count of deaths", "all", ("sweeper", "quarantine")
    ),
    Promise(
        "I2",
        "an approved proposal is written at most once, counted in the root",
        "intent stored before the call, one idempotency key",
        "kills, pauses, roots",
        ("idempotency key",),
    ),
    Promise(
        "I3",
        "events are gapless and their chain verifies",
        "seq and head move with the row, in the step's transaction",
        "all",
        ("a row's seq",),
    ),
    Promise(
        "I4",
        "nothing is written under a stale epoch",
        "the fence, a trigger on every table; before it, a run's own end",
        "pauses, kills",
        ("fence trigger",),
    ),
    Promise(
        "I5",
        "spend stays within the budget and the calls in flight",
        "tokens set aside before a call",
        "all",
        ("reservation", "kept reservation"),
    ),
    Promise(
        "I6",
        "no row, list or effect crosses tenants",
        "forced row-level security",
        "all, over two tenants",
        ("row-level security",),
    ),
    Promise(
        "I7",
        "no effect without an approval of exactly that payload",
        "a foreign key to the grant; the hash in the answer",
        "all",
        ("grant", "approval's hash"),
    ),
    Promise(
        "L",
        "nothing is lost: an end that nobody asked for has a cause outside, what was granted is written, what was "
        "intended has an outcome",
        "steps stored whole, intents before calls, a count of deaths that is patient",
        "all",
        ("patience with deaths", "all that is granted", "outcome"),
    ),
    Promise(
        "T",
        "finished tasks and steps are not done again",
        "results stored one by one; a step is known as done before its checkpoint is there",
        "all",
        ("stored results", "memo of a step"),
    ),
    Promise(
        "A",
        "of several answers, a cancellation and an expiry among them, one wins, and it is the one that is stored",
        "the mission's row, locked",
        "answers",
        ("one answer", "look before expiry"),
    ),
    Promise(
        "S",
        "a key makes one mission",
        "one row a key, in the submission's transaction",
        "submissions",
        ("submission's key",),
    ),
    Promise("H", "one process at a time holds a mission", "the claim looks at the lease", "all", ("lease",)),
    Promise(
        "E",
        "a stream shows every event once, whatever it loses on the way",
        "seq is the SSE id",
        "streams",
        ("Last-Event-ID",),
    ),
    Promise(
        "Q",
        "only what kills its workers is given up",
        "deaths counted since the last finished step",
        "poison",
        ("quarantine",),
    ),
    Promise(
        "R",
        "topics hold what is stored, in order for each mission",
        "a cursor a mission, moved after the broker's word",
        "broker",
        ("mark after publishing",),
    ),
)


def read() -> dict[str, Any]:
    """Return what is kept: every run with its count, and each saboteur's violations."""
    empty: dict[str, Any] = {"runs": [], "saboteurs": {}}
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else empty


def add(files: list[str]) -> None:
    """Keep the runs of files of lines; a fault's run of the slice's count takes the place of the one before."""
    kept = read()
    for line in (line for file in files for line in Path(file).read_text(encoding="utf-8").splitlines()):
        result = json.loads(line)
        name, found = result["fault"], len(result["violations"])
        if name in SABOTEURS:
            kept["saboteurs"][name] = {"violations": found, "rules": sorted({v["rule"] for v in result["violations"]})}
            continue
        run = {**{k: result[k] for k in ("fault", "count", "seed", "seconds", "did")}, "violations": found}
        run["rules"] = len(RULES)
        if run["count"] == FAULTS[name].slice:
            kept["runs"] = [r for r in kept["runs"] if (r["fault"], r["count"]) != (name, run["count"])]
        kept["runs"].append(run)
    kept["runs"].sort(key=lambda run: (list(FAULTS).index(run["fault"]), run["count"], run["seed"]))
    RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def figures(kept: dict[str, Any]) -> str:
    """Return the page's two tables."""
    lines = ["| rule | promise | mechanism | faults | violations without it |", "|---|---|---|---|---|"]
    for p in PROMISES:
        gone = [f"{name}: {_red(kept, name, p.rule)}" for name in p.saboteurs] or ["forged records are found"]
        lines.append(f"| {p.rule} | {p.promise} | {p.mechanism} | {p.faults} | {'; '.join(gone)} |")
    lines += ["", "| fault | in every build | full run | run so far | by all rules | violations |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, fault in FAULTS.items():
        runs = [run for run in kept["runs"] if run["fault"] == name]
        done, found = sum(run["count"] for run in runs), sum(run["violations"] for run in runs)
        present = sum(run["count"] for run in runs if run.get("rules") == len(RULES))
        said = found if runs else "not run"
        lines.append(f"| {name}: {fault.what} | {fault.slice} | {fault.full:,} | {done:,} | {present:,} | {said} |")
    return "\n".join(lines)


def _red(kept: dict[str, Any], name: str, rule: str) -> str:
    found = kept["saboteurs"].get(name)
    return f"{found['violations']}" if found and rule in found["rules"] else "not run"


def page(kept: dict[str, Any]) -> str:
    """Return the page with the figures drawn anew."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(_BEGIN)[0], text.split(_END)[1]
    return f"{before}{_BEGIN}\n{figures(kept)}\n{_END}{after}"


def main() -> None:
    """Do what the first argument says."""
    if sys.argv[1:2] == ["add"]:
        add(sys.argv[2:])
    PAGE.write_text(page(read()), encoding="utf-8")


if __name__ == "__main__":
    main()
