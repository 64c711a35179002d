"""The size of the code, and that no exception is caught broadly: the conventions' table, held by a test."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = ("contracts", "policies", "nodes", "graph", "adapters", "server", "colony_gateway")
ROOT = Path(__file__).parents[1]
MOST_LINES_A_MODULE = 300
MOST_LINES_A_FUNCTION = 50
MEDIAN_MODULE, P90_MODULE = 150, 250
MEDIAN_FUNCTION, P90_FUNCTION = 10, 25
BROAD = {"Exception", "BaseException"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    """Return a function's lines without its docstring: what has to be read to know what it does."""
    body = function.body
    spoken = body[0] if ast.get_docstring(function, clean=False) is not None else None
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    return lines - ((spoken.end_lineno or 0) - spoken.lineno + 1 if spoken else 0)


def broad(tree: ast.Module) -> list[int]:
    """Return the lines at which everything is caught."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            named = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
            names = {n.id for n in named if isinstance(n, ast.Name)}
            if node.type is None or names & BROAD:
                found.append(node.lineno)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "suppress":
            found += [node.lineno for a in node.args if isinstance(a, ast.Name) and a.id in BROAD]
    return found


def test_no_module_is_too_long() -> None:
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    assert len(sizes) > 100
    assert {name: n for name, n in sizes.items() if n > MOST_LINES_A_MODULE} == {}


def test_no_function_is_too_long() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{f.lineno} {f.name} {length(f)}"
        for path in modules()
        for f in functions(parsed(path))
        if length(f) > MOST_LINES_A_FUNCTION
    ]
    assert long == []


def test_most_modules_and_functions_are_small(record_testsuite_property: pytest.FixtureRequest) -> None:
    sizes = sorted(len(path.read_text().splitlines()) for path in modules() if path.name != "__init__.py")
    lengths = sorted(length(f) for path in modules() for f in functions(parsed(path)))
    report = {
        "module": (statistics.median(sizes), sizes[len(sizes) * 9 // 10]),
        "function": (statistics.median(lengths), lengths[len(lengths) * 9 // 10]),
    }
    for name, (median, p90) in report.items():
        record_testsuite_property(f"lines a {name}, median/p90", f"{median}/{p90}")  # type: ignore[operator]
    assert report["module"] <= (MEDIAN_MODULE, P90_MODULE), report
    assert report["module"][1] <= P90_MODULE, report
    assert report["function"][0] <= MEDIAN_FUNCTION, report
    assert report["function"][1] <= P90_FUNCTION, report


def test_nothing_is_caught_broadly() -> None:
    found = [f"{path.relative_to(ROOT)}:{line}" for path in modules() for line in broad(parsed(path))]
    assert found == []


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        pytest.param("try: pass\nexcept: pass", [2], id="bare"),
        pytest.param("try: pass\nexcept Exception: pass", [2], id="exception"),
        pytest.param("try: pass\nexcept (OSError, BaseException) as e: pass", [2], id="among-others"),
        pytest.param("with suppress(Exception): pass", [1], id="suppressed"),
        pytest.param("try: pass\nexcept (OSError, ValueError): pass", [], id="named"),
    ],
)
def test_a_broad_except_is_found(code: str, lines: list[int]) -> None:
    assert broad(ast.parse(code)) == lines


def test_a_docstring_is_not_counted() -> None:
    code = 'def f():\n    """One\n    two\n    three."""\n    return 1\n'
    assert [length(f) for f in functions(ast.parse(code))] == [2]
