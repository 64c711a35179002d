"""The prompts: every name in them exists, every example is true, and a changed text is a new version."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.models.messages import to_messages
from adapters.prompts.lint import MOST_TOKENS, checked, problems, sizes
from adapters.prompts.registry import FOLDER, TemplateRegistry
from contracts.errors import SettingInvalid
from contracts.ports import EvidenceBlock, Prompt
from contracts.tasks import TaskKind
from nodes.packages import packaged
from tests.nodes.bench import crm, ports, task

FILES = ("templates.yaml", "exemplars.yaml", "versions.json")


@pytest.fixture
def spoiled(tmp_path: Path) -> Callable[..., list[str]]:
    """Lint a copy of the prompts in which one entry was changed."""

    def spoil(file: str, name: str, **changes: Any) -> list[str]:
        for each in FILES:
            shutil.copy(FOLDER / each, tmp_path)
        entries = yaml.safe_load((tmp_path / file).read_text())
        entry = next(e for e in entries if name in e.values())
        entry |= {key: value(entry[key]) if callable(value) else value for key, value in changes.items()}
        (tmp_path / file).write_text(yaml.safe_dump(entries))
        return problems(TemplateRegistry(tmp_path))

    return spoil


def test_the_shipped_prompts_can_be_used() -> None:
    registry = TemplateRegistry()
    assert problems(registry) == []
    assert max(sizes(registry).values()) <= MOST_TOKENS


TEMPLATE, EXEMPLAR = ("templates.yaml", "extract_facts"), ("exemplars.yaml", "extract_facts.boat")
SPOILED = {
    "an-unknown-variable": (*TEMPLATE, {"instructions": lambda t: t + " {chat}"}, "unknown variable {chat}"),
    "a-variable-left-out": (*TEMPLATE, {"instructions": lambda t: t.replace("{goal}", "")}, "does not say {goal}"),
    "an-unknown-schema": (*TEMPLATE, {"output_schema": "Facts"}, "unknown schema Facts"),
    "a-change-without-a-version": (*TEMPLATE, {"system": lambda t: t + " "}, "without a new version"),
    "a-version-that-is-not-locked": (*TEMPLATE, {"version": "2"}, "extract_facts@2 is not in versions.json"),
    "a-version-that-is-gone": (*TEMPLATE, {"version": "2"}, "extract_facts@1 was removed"),
    "an-answer-of-another-shape": (*EXEMPLAR, {"answer": {"facts": [{"key": "k"}]}}, "does not fit FactSheet"),
    "a-quote-that-is-not-there": (
        *EXEMPLAR,
        {"evidence": lambda e: [{**e[0], "text": e[0]["text"].replace("Sunday it is", "Sunday then")}]},
        "quotes what E1 does not say",
    ),
    "evidence-without-a-trust": (*EXEMPLAR, {"evidence": [{"evidence": "E1", "text": ""}]}, "not labelled"),
    "an-example-of-what-no-model-answers": (*EXEMPLAR, {"template_id": "draft_message"}, "which no model answers"),
    "a-template-without-an-example": (*EXEMPLAR, {"template_id": "assess_engagement"}, "extract_facts has no exemplar"),
}


@pytest.mark.parametrize(("file", "name", "changes", "why"), SPOILED.values(), ids=SPOILED)
def test_what_is_wrong_with_a_prompt_is_found(
    spoiled: Callable[..., list[str]], file: str, name: str, changes: dict[str, Any], why: str
) -> None:
    found = spoiled(file, name, **changes)
    assert any(why in one for one in found), found


def test_prompts_that_can_not_be_used_stop_the_start(spoiled: Callable[..., list[str]], tmp_path: Path) -> None:
    spoiled(*TEMPLATE, system="{secret}")
    with pytest.raises(SettingInvalid, match="secret"):
        checked(TemplateRegistry(tmp_path))


@pytest.mark.parametrize("kind", [TaskKind.EXTRACT_FACTS, TaskKind.ANSWER_QUESTION, TaskKind.ASSESS_STAGE])
def test_equal_inputs_make_equal_prompts_byte_by_byte(kind: TaskKind) -> None:
    def made() -> tuple[bytes, str]:
        package = packaged(task(kind.value, kind=kind, needs=("chat",)), crm(), ports(crm()))
        prompt = Prompt(package, {"b": 1, "a": [2]}, [EvidenceBlock("E1", "chat", "customer", "t", "text")])
        return package.canonical(), json.dumps([m.model_dump() for m in to_messages(prompt)])

    assert made() == made()


def test_a_package_names_the_template_and_the_examples_it_was_made_of() -> None:
    registry = TemplateRegistry()
    package = packaged(task("a"), crm(), ports(crm()))
    assert package.template_sha256 == registry.versions()["extract_facts@1"] == registry.locked["extract_facts@1"]
    assert [e.exemplar_id for e in package.exemplars] == ["extract_facts.boat"]
    head = json.loads(to_messages(Prompt(package, {}, []))[1].content[0]["text"])
    assert head["examples"][0]["answer"]["facts"][1]["value"] == "45k"


def test_no_example_comes_from_the_data_that_colony_is_measured_on(shared_data: Path) -> None:
    texts = [
        piece["text"]
        for e in yaml.safe_load((FOLDER / "exemplars.yaml").read_text())
        for piece in e.get("evidence", [])
    ]
    lines = {line.partition(": ")[2] or line for text in texts for line in text.splitlines() if len(line) > 30}
    assert lines
    for path in shared_data.rglob("*"):
        if path.suffix in {".json", ".jsonl", ".csv", ".txt", ".md"} and path.stat().st_size < 5_000_000:
            held = path.read_text(encoding="utf-8", errors="replace")
            assert not [line for line in lines if line in held], path
