"""The runbooks name commands and options that exist, and there is one for every page that something points to."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from server.cli.main import app

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
_COMMAND = re.compile(r"(?:^|`)colony ((?:[a-z]+ ?)+)((?: ?--?[a-z-]+)*)", re.MULTILINE)


def commands(text: str) -> list[tuple[list[str], list[str]]]:
    return [(found[1].split(), re.findall(r"--[a-z-]+", found[2])) for found in _COMMAND.finditer(text)]


def test_there_are_pages() -> None:
    assert {page.stem for page in PAGES} >= {
        "service-down",
        "root-refuses-key",
        "provider-outage",
        "malformed-payload",
        "approval-backlog",
        "stuck-mission",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_exists(page: Path) -> None:
    found = commands(page.read_text(encoding="utf-8"))
    assert found
    for words, options in found:
        here: Any = typer.main.get_command(app)
        for word in words:
            if not hasattr(here, "commands"):
                break
            assert word in here.commands, f"colony {' '.join(words)}"
            here = here.commands[word]
        known = {option for parameter in here.params for option in parameter.opts}
        assert set(options) <= known, f"colony {' '.join(words)} {options}"


def test_every_page_that_is_pointed_to_is_there() -> None:
    sources = [*(ROOT / "server").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.yml")]
    for source in sources:
        for name in re.findall(r"docs/runbooks/([a-z-]+\.md)", source.read_text(encoding="utf-8")):
            assert (ROOT / "docs" / "runbooks" / name).exists(), f"{source.name} points to {name}"
