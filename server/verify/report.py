"""What the verifier found, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Check:
    """One named check; ``detail`` says in a sentence what holds or what does not."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Report:
    """The checks in the order they were made.

    Attributes:
        bundle_sha256: names the file, to compare with what somebody else was given; empty if it could not be read.
        mission_id: the mission the bundle says it is of; empty if that could not be read.
        head: the hash of the last event as the bundle has it; kept elsewhere, it shows a re-made bundle.
    """

    checks: tuple[Check, ...]
    bundle_sha256: str = ""
    mission_id: str = ""
    head: str = ""

    @property
    def ok(self) -> bool:
        """Tell whether every check holds."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def first_failure(self) -> Check | None:
        """Return the first check that does not hold."""
        return next((check for check in self.checks if not check.ok), None)


def render(report: Report) -> str:
    """Return the report as lines of text."""
    lines = [f"{'ok    ' if c.ok else 'FAILED'}  {c.name:<12} {c.detail}" for c in report.checks]
    failure = report.first_failure
    lines += ["", f"mission  {report.mission_id}", f"head     {report.head}", f"bundle   sha256 {report.bundle_sha256}"]
    lines.append("verified" if failure is None else f"NOT VERIFIED: {failure.detail}")
    return "\n".join(lines)


def to_json(report: Report) -> str:
    """Return the report as one line of JSON."""
    failure = report.first_failure
    shown = {
        "ok": report.ok,
        "mission_id": report.mission_id,
        "head": report.head,
        "bundle_sha256": report.bundle_sha256,
        "first_failure": None if failure is None else {"name": failure.name, "detail": failure.detail},
        "checks": [asdict(check) for check in report.checks],
    }
    return json.dumps(shown, ensure_ascii=True)
