"""Figures that are kept: with their day, commit and count, told beside the last ones, and written into the README.

``python -m benchmarks.stored README.md`` writes the page's figures from ``benchmarks/results``; ``--check`` only tells
whether they are these.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HOME = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
README = HOME / "README.md"
_WRITTEN = ("benchmarks/results", "README.md")
_BEGIN, _END = "<!-- figures -->\n", "<!-- end of figures -->"
_NAMES = {
    "recall": "recall",
    "precision": "precision",
    "visit_booked_accuracy": "visit booked",
    "gold_passage_cited": "gold passage cited",
    "answer_in_quote": "answer in a cited quote",
    "unsupported_without_gold": "unsupported without it",
}


def run(questions: int) -> dict[str, Any]:
    """Return what says where figures come from: the day, the commit, and how many questions were asked."""
    # What was measured before this is no change of what is measured.
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!{path}" for path in _WRITTEN))
    commit = (_git("describe", "--always", "--exclude=*") or "unknown") + ("-dirty" if changed else "")
    return {"date": datetime.now(UTC).date().isoformat(), "commit": commit, "questions": questions}


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(HOME), *arguments], capture_output=True, text=True, check=False
    ).stdout.strip()


def store(name: str, figures: Mapping[str, Any], questions: int, folder: Path = RESULTS) -> None:
    """Keep a benchmark's figures and print them beside the last ones."""
    path = folder / f"{name}.json"
    before = dict(_flat(json.loads(path.read_text(encoding="utf-8")))) if path.exists() else {}
    folder.mkdir(exist_ok=True)
    kept = {"run": run(questions), **figures}
    path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for figure, value in _flat(figures):
        last = f"(last {before[figure]})" if figure in before else ""
        sys.stdout.write(f"{figure:58} {value!s:>10} {last}\n")
    if folder == RESULTS:
        README.write_text(drawn(README.read_text(encoding="utf-8")), encoding="utf-8")


def _flat(figures: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}: ")
        elif not isinstance(value, list):
            yield above + name, value


def table() -> str:
    """Return the stored figures as a table for people."""
    crm, oracle, endurance = (_stored(name) for name in ("crm", "oracle", "endurance"))
    rows = [
        (f"facts of {crm['dev']['missions']} conversations (Schema-Guided Dialogue)", _told(crm["dev"]), "eval-crm"),
        ("the same, keys renamed and words rephrased", _told(crm["renamed and rephrased"]), "eval-crm"),
        (f"{oracle['xquad']['questions']} questions over 120 passages (XQuAD)", _told(oracle["xquad"]), "eval-oracle"),
        (
            f"{endurance['missions']} missions by one worker",
            f"memory {endurance['growth_after_30'] - 1:+.1%} after the first 30, "
            f"{endurance['connections_idle_at_end'] - endurance['connections_idle_after_10']} connections left behind",
            "endurance",
        ),
    ]
    return "\n".join(
        ["| what | figures | run |", "|---|---|---|", *(f"| {w} | {f} | `make {r}` |" for w, f, r in rows)]
    )


def _stored(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return read


def _told(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{told} {figures[name]:.2f}" for name, told in _NAMES.items() if name in figures)


def drawn(text: str) -> str:
    """Return a page with the figures between its markers written anew."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return f"{before}{begin}{table()}\n{end}{after}" if begin and end else text


def main(arguments: Sequence[str]) -> int:
    """Write the figures into pages, or check them; 1 when a page has others."""
    stale = []
    for path in (Path(name) for name in arguments if not name.startswith("-")):
        text = path.read_text(encoding="utf-8")
        if (new := drawn(text)) != text:
            stale.append(path)
            if "--check" not in arguments:
                path.write_text(new, encoding="utf-8")
    if stale and "--check" in arguments:
        sys.stderr.write(f"the figures of {', '.join(map(str, stale))} are not the stored ones: run make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
