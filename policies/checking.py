"""Checking rules before anybody relies on them: do they validate, is something certainly wrong, do their tests hold?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.errors import SettingInvalid
from policies import tenants
from policies.cases import Results, cases_in, tried, untested, usual_questions
from policies.engine import PolicyEngine
from policies.lints import Finding, findings
from policies.rulefiles import RULES_DIRECTORY, SCHEMA_FILE, rules_from, shipped_text
from policies.tenants import TESTS_FILE


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        engine: the rules, if they can be used.
        problems: why they can't be, or which of their tests fail.
        untested: rules that determined no test's outcome.
    """

    engine: PolicyEngine | None
    problems: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    results: Results = field(default_factory=Results)
    untested: tuple[str, ...] = ()


def checked(files: Mapping[str, str], shipped: PolicyEngine) -> Checked:
    """Check a tenant's files over the shipped rules or, with a schema among them, a whole set of rules."""
    own = SCHEMA_FILE not in files
    try:
        rules = {name: text for name, text in files.items() if name.endswith(".cedar") or name == SCHEMA_FILE}
        engine = (
            PolicyEngine(tenants.over(shipped.files, tenants.unpacked(tenants.packed(files))), shipped)
            if own
            else PolicyEngine(rules_from(rules))
        )
        results = tried(engine, cases_in(files[TESTS_FILE])) if TESTS_FILE in files else Results()
    except SettingInvalid as exc:
        return Checked(None, (exc.message,))
    found = findings(engine.rules, usual_questions())
    about = {rule.rule_id for rule in engine.rules if rule.of_tenant or not own}
    return Checked(
        engine,
        tuple(str(failed) for failed in results.failed),
        tuple(finding for finding in found if finding.rule_id in about),
        results,
        tuple(untested(engine, results, own=own)),
    )


def shipped_files() -> dict[str, str]:
    """Return the shipped rules with their schema and tests, as a directory of rules is checked."""
    names = sorted(path.name for path in RULES_DIRECTORY.glob("*.cedar"))
    return {name: shipped_text(name) for name in (*names, SCHEMA_FILE, TESTS_FILE)}
