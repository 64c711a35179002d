"""The security page names tests: they exist, and each has something in it."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PAGES = ("SECURITY.md", "docs/authority.md")
RISKS = [*(f"ASI{n:02}" for n in range(1, 11)), *(f"LLM{n:02}" for n in range(1, 11))]


def named(page: str) -> list[str]:
    return re.findall(r"`(tests/[\w/.]+)`", (PROJECT / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_the_page_names_exists(page: str) -> None:
    names = named(page)
    assert len(names) > 5
    for name in names:
        path = PROJECT / name
        files = path.glob("test_*.py") if path.is_dir() else [path]
        assert any("def test_" in file.read_text(encoding="utf-8") for file in files), name


@pytest.mark.parametrize("risk", RISKS)
def test_every_risk_has_one_line_with_a_test(risk: str) -> None:
    lines = [line for line in (PROJECT / "SECURITY.md").read_text(encoding="utf-8").splitlines() if risk in line[:8]]
    assert len(lines) == 1
    assert "`tests/" in lines[0]
