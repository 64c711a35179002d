"""docs/policies.md: its tables are the schema's, and its examples are rules that validate and whose tests hold."""

import re

from policies.checking import checked, shipped_files
from policies.engine import PolicyEngine
from tests.policies.reference import BEGIN, DOC, END, generated

TEXT = DOC.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_schema() -> None:
    shown = TEXT.split(BEGIN)[1].split(END)[0]
    assert shown.strip() == generated().strip(), "run `python -m tests.policies.reference`"


def test_the_number_of_rules_is_right() -> None:
    assert f"{len(PolicyEngine.load().rules)} of them ship" in TEXT


def test_the_worked_examples_hold() -> None:
    shipped = PolicyEngine.load()
    examples = re.findall(r"`(\w+\.\w+\.cedar)`.*?```cedar\n(.*?)```.*?```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert len(examples) == 3
    for name, rules, tests in examples:
        found = checked({name: rules, "tests.yaml": tests}, shipped)
        assert (found.problems, found.findings, found.untested) == ((), (), ()), name
        assert found.results.passed == 2


def test_the_examples_about_approvals_validate() -> None:
    text = (DOC.parent / "approvals.md").read_text(encoding="utf-8")
    examples = re.findall(r"```cedar\n(.*?)```", text, re.DOTALL)
    found = checked({"release.own.cedar": "\n".join(examples)}, PolicyEngine.load())
    assert (len(examples), found.problems, found.findings) == (2, (), ())


def test_a_rule_that_is_quoted_is_one_that_ships() -> None:
    quoted = re.search(r"```\n(@id.*?)```", TEXT, re.DOTALL)
    assert quoted is not None
    assert quoted[1].strip() in shipped_files()["release.cedar"]
