"""The shipped engine, and copies of its rules to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from policies.engine import PolicyEngine
from policies.rulefiles import RULES_DIRECTORY


@pytest.fixture
def engine() -> PolicyEngine:
    return PolicyEngine.load()


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    copy = tmp_path / "rules"
    shutil.copytree(RULES_DIRECTORY, copy)
    return copy
