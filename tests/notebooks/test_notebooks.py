"""Every notebook runs top to bottom on a real service and shows what its text says it does."""

import re

import nbformat
import pytest

from tests.notebooks.running import FOLDER, NAMES, read, run, shown

Notebook = nbformat.NotebookNode


def first_mission(notebook: Notebook) -> None:
    assert shown(notebook, "run").startswith("awaiting_approval: ")
    assert "stage (from customer text) | contacted | viewing" in shown(notebook, "run")
    drawn = shown(notebook, "graph")
    assert [line.split()[1] for line in drawn.splitlines() if line.startswith(">")][-1] == "release_gate"
    assert "<svg" in shown(notebook, "graph", "text/html")
    assert re.search(r"6 tasks in .* the critical path \(.*propose_writebacks\)", shown(notebook, "timeline"))
    said = re.match(r"(\d+) claims on 1 source; (\d+) of (\d+) quotes are in the stored text", shown(notebook, "evidence"))
    assert said is not None
    assert int(said[1]) > 5
    assert said[2] == said[3]
    assert shown(notebook, "approve").count("  applied: ") == 3
    assert shown(notebook, "bundle").rstrip().endswith("verified")


EXPECTED = {"01-first-mission": first_mission}


def test_every_notebook_has_an_expectation() -> None:
    assert NAMES == sorted(EXPECTED)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_top_to_bottom_and_shows_what_it_says(service: str, name: str) -> None:
    notebook = read(name)
    run(notebook, {"COLONY_SERVICE_BASE_URL": service})
    EXPECTED[name](notebook)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_stored_without_what_a_run_leaves_in_it(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    assert [cell.id for cell in notebook.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)] == []
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8") == nbformat.writes(notebook) + "\n"
