"""Nodes, policies and contracts know no clock, chance, environment or wire: whatever they ask comes through a port."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PURE = sorted(p for folder in ("nodes", "policies", "contracts") for p in (ROOT / folder).rglob("*.py"))
MODULES = {
    *(
        "aiohttp",
        "ctypes",
        "http",
        "httpx",
        "logging",
        "multiprocessing",
        "os",
        "pickle",
        "platform",
        "random",
        "requests",
    ),
    *("secrets", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time"),
    *("urllib", "uuid"),
}
CALLS = {
    *("now", "today", "utcnow", "fromtimestamp", "urandom", "getenv", "open", "input", "exec", "eval", "__import__"),
    *("id", "hash", "read_text", "read_bytes", "write_text", "write_bytes"),
}
ALLOWED = {
    ("contracts/__init__.py", "os"),  # a setting of LangGraph's, before its first import
    ("contracts/clock.py", "now"),  # the port's own adapter: what nodes see of it is on tape
    ("nodes/librarian.py", "now"),  # of the port
    ("policies/rulefiles.py", "read_text"),  # rules are read when the process starts
}


def _allowed(name: str) -> set[str]:
    return {what for where, what in ALLOWED if where == name}


def impure(source: str, name: str = "") -> Iterator[str]:
    """Name each import of, or call to, what is not the same twice."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (f"import {n.name}" for n in names if n.name.split(".")[0] in MODULES - _allowed(name))
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES:
                yield f"from {module}"
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called in CALLS:
                if (name, called) not in ALLOWED:
                    yield f"{called}() at line {node.lineno}"


@pytest.mark.parametrize("path", PURE, ids=lambda p: str(p.relative_to(ROOT)))
def test_nodes_policies_and_contracts_are_the_same_twice(path: Path) -> None:
    assert list(impure(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))) == []


@pytest.mark.parametrize(
    "source",
    ["import random", "from time import monotonic", "from datetime import datetime\ndatetime.now()", "open('x')"],
)
def test_the_lint_sees_what_is_not_the_same_twice(source: str) -> None:
    assert list(impure(source))


def test_sets_are_not_iterated_into_what_is_kept() -> None:
    """The order of a set of texts differs from process to process: a fresh process must make the same."""
    found = {
        p: [n.lineno for n in ast.walk(ast.parse(p.read_text(encoding="utf-8"))) if _iterates_a_set(n)] for p in PURE
    }
    assert {str(p.relative_to(ROOT)): lines for p, lines in found.items() if lines} == {}


def _iterates_a_set(node: ast.AST) -> bool:
    match node:
        case ast.For(iter=ast.Set() | ast.SetComp()):
            return True
        case ast.ListComp(generators=parts) | ast.GeneratorExp(generators=parts):
            return any(isinstance(part.iter, ast.Set | ast.SetComp) for part in parts)
        case ast.Call(func=ast.Name(id="tuple" | "list"), args=[ast.Set() | ast.SetComp()]):
            return True
    return False
