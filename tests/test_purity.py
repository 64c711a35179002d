"""Nodes, policies and contracts know no clock, chance, environment or wire: whatever they ask comes through a port.

What the graph around them does is held to the same, but for what is named here, none of which any artifact holds.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unordered import unordered

ROOT = Path(__file__).parents[1]
PURE = sorted(p for folder in ("nodes", "policies", "contracts") for p in (ROOT / folder).rglob("*.py"))
AROUND = sorted(
    p for p in (ROOT / "graph").glob("*.py") if p.stem.partition("_")[0] not in {"extra", "picture", "studio"}
)
"""The graph, without what runs developers' own graphs, draws it or shows it: no mission's run goes through these."""
KNOWN = {
    *("__future__", "asyncio", "calendar", "cedarpy", "collections", "contextlib", "csv", "dataclasses", "datetime"),
    *("decimal", "difflib", "enum", "fractions", "functools", "hashlib", "hmac", "heapq", "io", "itertools", "json"),
    *("math", "pathlib", "pydantic", "pydantic_core", "re", "types", "typing", "unicodedata", "yaml"),
    *("contracts", "nodes", "policies"),
}
"""What may be imported: a list of what may not be is never whole."""
AROUND_KNOWN = KNOWN | {
    *(
        "graph",
        "base64",
        "threading",
        "cryptography",
        "langchain_core",
        "langgraph",
        "opentelemetry",
        "structlog",
        "typing_extensions",
    ),
}
NAMES = {
    *(
        "now",
        "today",
        "utcnow",
        "fromtimestamp",
        "urandom",
        "getenv",
        "environ",
        "monotonic",
        "process_time",
        "perf_counter",
        "get_running_loop",
    ),
    *("uuid1", "uuid4", "read_text", "read_bytes", "write_text", "write_bytes", "SystemClock", "SystemRandom"),
    *("token_hex", "token_bytes", "token_urlsafe", "randrange", "randint", "getrandbits", "shuffle", "__hash__"),
    *("create_subprocess_exec", "create_subprocess_shell", "open_connection", "as_completed", "get_event_loop"),
}
"""What is not named, however it was come by: called, handed over, or of an object."""
BUILTINS = {"open", "input", "exec", "eval", "compile", "__import__", "id", "hash", "globals", "locals", "vars", "dir"}
ALLOWED = {
    ("contracts/__init__.py", "os"),  # a setting of LangGraph's, before its first import
    ("contracts/__init__.py", "environ"),
    ("contracts/clock.py", "now"),  # the port's own adapter: what nodes see of it is on tape
    ("nodes/librarian.py", "now"),  # of the port
    ("policies/rulefiles.py", "read_text"),  # rules are read when the process starts
    ("graph/context.py", "SystemClock"),  # what seals expire by, which is beside the passes
    ("graph/edits.py", "getattr"),  # of a contract's own fields
    ("graph/inforce.py", "now"),  # what is in force now, read from the store
    ("graph/tape.py", "getattr"),  # of the tree of errors
    ("graph/guarded.py", "now"),  # whether a pass still lives; what policy is asked of is on tape
    ("graph/guarded.py", "secrets"),  # names of calls, which are no artifacts
    ("graph/guarded.py", "token_hex"),
    ("graph/leases.py", "get_running_loop"),
    ("graph/memory.py", "get_running_loop"),  # developers' own graphs, of which nothing is on tape
    ("graph/past.py", "id"),  # of what is held as long as it is named
    ("graph/plain.py", "uuid"),  # a type
    ("graph/plain.py", "getattr"),  # of a dataclass's own fields
    ("graph/runner.py", "time"),  # logs
    ("graph/runner.py", "monotonic"),
    ("graph/steps.py", "id"),  # of what is held as long as it is named
    ("graph/steps.py", "now"),  # when passes are sealed
    ("graph/tape.py", "now"),  # the port
    ("graph/tracing.py", "time"),  # logs
    ("graph/tracing.py", "monotonic"),
    ("graph/turns.py", "time"),  # who is next, not what comes of it
    ("graph/turns.py", "monotonic"),
    ("graph/turns.py", "process_time"),
    ("graph/turns.py", "read_text"),
}


def impure(source: str, name: str = "", known: set[str] = KNOWN) -> Iterator[str]:
    """Name each import of, or reference to, what is not the same twice."""
    tree = ast.parse(source)
    bound = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    bound |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    for node in ast.walk(tree):
        found: list[str] = []
        match node:
            case ast.Import(names=names):
                found = [n.name for n in names if n.name.split(".")[0] not in known]
            case ast.ImportFrom(module=str(module), names=names):
                found = [module] if module.split(".")[0] not in known else []
                found += [n.name for n in names if n.name in NAMES | BUILTINS]
            case ast.Attribute(attr=attr) if attr in NAMES:
                found = [attr]
            case ast.Name(id=called) if called in NAMES | BUILTINS and called not in bound:
                found = [called]
            case ast.Call(func=ast.Name(id="getattr"), args=[_, asked, *_]):
                said = asked.value if isinstance(asked, ast.Constant) else None
                found = ["getattr"] if not isinstance(said, str) or said in NAMES else []
        yield from (f"{what} at line {node.lineno}" for what in found if (name, what.split(".")[0]) not in ALLOWED)  # type: ignore[attr-defined]


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PURE, ids=_named)
def test_nodes_policies_and_contracts_are_the_same_twice(path: Path) -> None:
    assert list(impure(path.read_text(encoding="utf-8"), _named(path))) == []


@pytest.mark.parametrize("path", AROUND, ids=_named)
def test_the_graph_around_them_is_but_for_what_is_named(path: Path) -> None:
    assert list(impure(path.read_text(encoding="utf-8"), _named(path), AROUND_KNOWN)) == []


def test_what_is_allowed_is_used() -> None:
    sources = {name: (ROOT / name).read_text(encoding="utf-8") for name, _ in ALLOWED}
    unused = [one for one in ALLOWED if f"{one[1]}" not in " ".join(impure(sources[one[0]], "", AROUND_KNOWN))]
    assert unused == []


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "from time import monotonic",
        "from datetime import datetime\ndatetime.now()",
        "from datetime import datetime as d\nmoment = d.now",
        "from dataclasses import field\nfrom datetime import datetime\nat = field(default_factory=datetime.utcnow)",
        "import datetime as d\ngetattr(d.datetime, 'no' + 'w')()",
        "from contracts.clock import SystemClock as Clock\nClock()",
        "from contracts.clock import *\nSystemClock()",
        "open('x')",
        "read = open",
        "sorted([], key=id)",
        "class A: ...\nA().__hash__()",
        "import importlib\nimportlib.import_module('os')",
        "from os import environ",
        "import asyncio\nasyncio.get_event_loop().time()",
        "import asyncio\nfor one in asyncio.as_completed([]): ...",
    ],
)
def test_the_lint_sees_what_is_not_the_same_twice(source: str) -> None:
    assert list(impure(source))


def test_sets_are_not_iterated_into_what_is_kept() -> None:
    """The order of a set of texts differs from process to process: a fresh process must make the same."""
    sources = {_named(p): p.read_text(encoding="utf-8") for p in (*PURE, *AROUND)}
    assert unordered(sources) == {}


@pytest.mark.parametrize(
    "source",
    [
        "for x in {1, 2}: ...",
        "names = set('ab')\nfound = [x for x in names]",
        "def f(given: frozenset[str]):\n    return tuple(given)",
        "def f(a, b):\n    return {k: a[k] for k in a.keys() & b}",
        "class A:\n    held: frozenset[str]\n    def f(self):\n        return ', '.join(self.held)",
        "def f() -> set[str]:\n    return set()\ndef g():\n    return list(f())",
        "def f(a):\n    return next(iter(set(a) - {1}))",
        "def f(a):\n    return [*set(a)]",
        "def f(a):\n    return set(a).pop()",
        "def f(a):\n    return dict.fromkeys(frozenset(a), 1)",
        "NAMES = frozenset({'a'})\ndef f():\n    for n, name in enumerate(NAMES): ...",
    ],
)
def test_the_lint_sees_an_order_that_is_nobodys(source: str) -> None:
    assert unordered({"x.py": source})


@pytest.mark.parametrize(
    "source",
    [
        "def f(a):\n    return sorted(set(a))",
        "def f(a):\n    return {x for x in set(a)} | set(a)",
        "def f(a):\n    return any(x for x in set(a)), len(set(a)), sum(x == 1 for x in set(a))",
        "def f(a):\n    return min(x for x in set(a))",
    ],
)
def test_the_lint_lets_be_what_has_no_order_to_tell(source: str) -> None:
    assert not unordered({"x.py": source})
