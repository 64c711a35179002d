"""Every notebook runs top to bottom on a real service and shows what its text says it does."""

import re
from collections.abc import Callable, Mapping

import nbformat
import pytest

from tests.notebooks.running import FOLDER, NAMES, bare, read, run, shown

Notebook = nbformat.NotebookNode


def ran(drawn: str) -> list[str]:
    """Return the nodes that a drawn graph marks."""
    return [line.split()[1] for line in drawn.splitlines() if line.startswith(">")]


def first_mission(notebook: Notebook) -> None:
    asked = shown(notebook, "run")
    assert asked.startswith("awaiting_approval: ")
    assert "stage (from customer text) | contacted | viewing" in asked
    assert "budget_max (from customer text) | 400000 | 390000" in asked
    assert ran(shown(notebook, "graph"))[-1] == "release_gate"
    for picture in ("graph", "timeline"):
        assert "<svg" in shown(notebook, picture, "text/html")
    assert re.search(r"^6 tasks in .* the critical path \(.*propose_writebacks\)", shown(notebook, "timeline"), re.M)
    said = re.match(r"(\d+) claims on 2 sources; (\d+) of (\d+) quotes are in the stored", shown(notebook, "evidence"))
    assert said is not None
    assert int(said[1]) > 5
    assert said[2] == said[3]
    assert shown(notebook, "approve").count("  applied: ") == 4
    assert shown(notebook, "bundle").rstrip().endswith("verified")


def replay_and_counterfactual(notebook: Notebook) -> None:
    identical(notebook)
    prompt = shown(notebook, "prompt")
    assert "NOT identical" in prompt
    assert "First call that differs: model: fill FactSheet at workers, task extract_facts." in prompt
    assert "recording_missing" in prompt
    assert "Claims:" not in shown(notebook, "live")
    assert "extract_facts: " in shown(notebook, "counterfactual")
    for value in ("budget value: 390k -> 320k", "why extract_facts: the evidence is another"):
        assert value in shown(notebook, "counterfactual")
    assert "worker_result extract_facts claims[1].value: 390k -> 320k" in shown(notebook, "diff")
    assert [line.split()[0] for line in shown(notebook, "tree").splitlines()] == ["mission", *["replay"] * 4]


def identical(notebook: Notebook) -> None:
    said = re.fullmatch(
        r"identical: (\d+) of (\d+) artifacts and (\d+) recorded calls", shown(notebook, "replay").strip()
    )
    assert said is not None, shown(notebook, "replay")
    assert said[1] == said[2]
    assert int(said[1]) > 40
    assert int(said[3]) > 10


def policy_what_if(notebook: Notebook) -> None:
    flips = shown(notebook, "what-if").splitlines()
    assert re.fullmatch(r"2 of \d{2} past decisions would have been another\.", flips[0])
    assert [line.partition(" (")[0] for line in flips[1:]] == [
        "  release patch lead: stage: escalate -> deny",
        "  approve patch lead: stage: allow -> deny",
    ]
    assert shown(notebook, "replay").count("flipped") == 1
    assert re.search(r"decision flipped: release \S+, escalate to deny \(people move leads", shown(notebook, "replay"))
    assert shown(notebook, "compare") == "(['note', 'patch', 'task'], ['note', 'task'])"
    assert shown(notebook, "written") == "['note', 'task']"
    assert "release.person-decides" in shown(notebook, "explain")


def debugging_a_failed_mission(notebook: Notebook) -> None:
    assert "lead_not_found at researcher: the root has no such lead" in shown(notebook, "show")
    assert ran(shown(notebook, "graph")) == ["admission", "planner", "prompt_master", "librarian", "researcher", "failed"]
    assert re.match(r"\[\('root\.get_\w+', \{'lead_id': '(L-\w+)'\}, 'lead_not_found'\)", shown(notebook, "calls"))
    assert shown(notebook, "retry").startswith("awaiting_approval: ")
    assert re.search(r"^Waited .* for an operator\.$", shown(notebook, "timeline"), re.M)
    assert "'plan.created': 1" in shown(notebook, "kept")
    assert "'prompt.packaged': 6" in shown(notebook, "kept")
    assert '"code": "lead_not_found"' in shown(notebook, "diff")
    assert "research_artifact chat" in shown(notebook, "diff")
    identical(notebook)


EXPECTED: Mapping[str, Callable[[Notebook], None]] = {
    "01-first-mission": first_mission,
    "02-replay-and-counterfactual": replay_and_counterfactual,
    "03-policy-what-if": policy_what_if,
    "04-debugging-a-failed-mission": debugging_a_failed_mission,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_top_to_bottom_and_shows_what_it_says(address: str, name: str) -> None:
    notebook = read(name)
    run(notebook, {"COLONY_SERVICE_BASE_URL": address})
    EXPECTED[name](notebook)


def test_every_notebook_has_an_expectation() -> None:
    assert sorted(EXPECTED) == NAMES


def test_a_notebook_whose_result_does_not_come_is_red(address: str) -> None:
    notebook = read("03-policy-what-if")
    [rule] = [cell for cell in notebook.cells if cell.id == "rule"]
    assert '"stage"' in rule.source
    rule.source = rule.source.replace('"stage"', '"no_such_field"')  # the saboteur: a rule that forbids nothing
    asked = next(number for number, cell in enumerate(notebook.cells) if cell.id == "what-if")
    notebook.cells = notebook.cells[: asked + 1]
    run(notebook, {"COLONY_SERVICE_BASE_URL": address})
    with pytest.raises(AssertionError, match=r"0 of \d+ past decisions"):
        policy_what_if(notebook)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_stored_as_its_author_left_it_and_not_as_a_run_did(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    assert (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8") == bare(notebook), "python -m tests.notebooks --bare"
