"""A text of rules can't end the process that reads it, however it nests."""

import subprocess
import sys
from pathlib import Path

import pytest

from policies import nesting
from policies.checking import checked
from policies.engine import PolicyEngine
from policies.nesting import MOST_BRACKETS, MOST_DEPTH, too_deep
from policies.rulefiles import RULES_DIRECTORY, SCHEMA_FILE, shipped_text


def within(opens: str, core: str, closes: str, times: int = 5_000) -> str:
    return opens * times + core + closes * times


HOSTILE = {
    "brackets": within("(", "true", ")"),
    "denied": within("!(", "true", ")"),
    "sets": within("[", "1", "] == 1"),
    "records": within('{"a":', "1", "}"),
    "calls": within("ip(", "1", ")"),
    "sums": "+".join(["1"] * 20_000),
    "either": "||".join(["false"] * 10_000),
    "choices": within("if true then ", "true", " else false", 3_000),
    "attributes": "context" + ".change" * 10_000,
    "indices": "resource" + '["fields"]' * 5_000,
    "behind a string": r'"\"//;" == "x" && ' + within("(", "true", ")"),
    "behind a comment": '// ;" \n' + within("(", "true", ")"),
}
DIES = """
import sys, threading
from policies import rulefiles
from policies.checking import checked
from policies.engine import PolicyEngine
if len(sys.argv) > 1:
    rulefiles.too_deep = lambda text: False
print(checked({"release.x.cedar": sys.stdin.read()}, PolicyEngine.load()).problems)
"""


def rule(condition: str) -> str:
    head = '@id("release.our-x") @reason("x") forbid (principal, action == Action::"release", resource)'
    return f"{head} when {{ {condition} }};"


@pytest.mark.parametrize("name", HOSTILE)
def test_what_nests_too_deep_is_refused_before_it_is_read(name: str) -> None:
    (problem,) = checked({"release.x.cedar": rule(HOSTILE[name])}, PolicyEngine.load()).problems
    assert "too deep" in problem


def test_a_schema_that_nests_too_deep_is_refused_too() -> None:
    schema = f"type Deep = {within('Set<', 'String', '>')};"
    files = {path.name: shipped_text(path.name) for path in RULES_DIRECTORY.glob("*.cedar")}
    (problem,) = checked(files | {SCHEMA_FILE: schema}, PolicyEngine.load()).problems
    assert problem.startswith(f"{SCHEMA_FILE}: it nests too deep")


@pytest.mark.parametrize(
    "condition",
    [
        " || ".join(f'resource.entity == "e{n}"' for n in range(MOST_DEPTH - 10)),
        "[" + ", ".join(f'"{n}"' for n in range(5_000)) + "].contains(resource.entity)",
        within("(", "true", ")", MOST_BRACKETS - 2),
        'resource.entity == "' + "(" * 5_000 + '"',
        "true // " + "(" * 5_000 + "\n",
    ],
    ids=["many comparisons", "a long set", "some brackets", "a string", "a comment"],
)
def test_what_people_write_is_read(condition: str) -> None:
    found = checked({"release.x.cedar": rule(condition)}, PolicyEngine.load())
    assert found.problems == ()


def test_every_shipped_rule_is_far_from_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nesting, "MOST_BRACKETS", MOST_BRACKETS // 5)
    monkeypatch.setattr(nesting, "MOST_DEPTH", MOST_DEPTH // 5)
    for file in RULES_DIRECTORY.iterdir():
        if file.suffix in {".cedar", ".cedarschema"}:
            assert not too_deep(file.read_text(), schema=file.name == SCHEMA_FILE), file.name


def test_without_the_bound_the_process_dies() -> None:
    def answer(*unbound: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", DIES, *unbound],
            input=rule(HOSTILE["brackets"]),
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
        )

    assert "too deep" in answer().stdout
    assert answer("unbound").returncode < 0
