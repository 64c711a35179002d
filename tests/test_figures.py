"""Benchmarks' figures: kept with what they were measured on, compared with the last ones, and told as they are kept."""

import json
from pathlib import Path

import pytest

from benchmarks import stored

FIGURES = {"dev": {"recall": 0.9, "missions": 3}, "samples": [1, 2]}


def test_the_readme_tells_the_stored_figures() -> None:
    text = stored.README.read_text(encoding="utf-8")
    assert stored.table() in text
    assert stored.main(["--check", str(stored.README)]) == 0


def test_other_figures_are_told_and_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- figures -->\nrecall 1.00\n<!-- end of figures -->\nb\n")
    assert stored.main(["--check", str(page)]) == 1
    assert "make docs" in capsys.readouterr().err
    assert stored.main([str(page)]) == 0
    assert page.read_text() == f"a\n<!-- figures -->\n{stored.table()}\n<!-- end of figures -->\nb\n"


def test_figures_are_kept_with_their_day_commit_and_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored.store("x", FIGURES, 3, tmp_path)
    stored.store("x", {"dev": {"recall": 0.8, "missions": 3}}, 3, tmp_path)
    kept = json.loads((tmp_path / "x.json").read_text())
    assert kept["run"].keys() == {"date", "commit", "questions"}
    assert kept["run"]["questions"] == 3
    assert kept["dev"] == {"recall": 0.8, "missions": 3}
    assert "(last 0.9)" in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted(stored.RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_stored_file_says_when_and_on_what_it_was_measured(path: Path) -> None:
    kept = json.loads(path.read_text(encoding="utf-8"))
    runs = kept["runs"] if "runs" in kept else [kept] if "run" in kept else list(kept.values())
    named = {"seed", "count"} if "runs" in kept else {"run"}
    assert runs
    assert all(named <= run.keys() for run in runs)
    assert all(run["run"]["questions"] > 0 for run in runs if "run" in run)


@pytest.mark.parametrize("target", ["bench", "eval-crm", "eval-oracle", "endurance", "sharing"])
def test_what_measures_is_a_target(target: str) -> None:
    assert f"\n{target}: dev ## " in (stored.HOME / "Makefile").read_text(encoding="utf-8")
