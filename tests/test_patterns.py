"""What reads foreign text is linear in it: one call of a quadratic pattern holds a whole process, leases and all."""

import importlib
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from time import thread_time
from typing import NamedTuple

import pytest

from adapters.documents import extract
from adapters.models.extractive.blocks import pieces
from adapters.models.extractive.text import sentences
from adapters.passages import cut
from contracts.amounts import amounts
from contracts.quotes import widened
from contracts.sameness import tokens, within
from nodes.ground import Ground
from nodes.recompute import supported
from nodes.tables.cells import read_column

_HOME = Path(__file__).parents[1]
_PACKAGES = ("nodes", "adapters", "contracts", "server", "policies", "graph")
_HEADS = ("", "# a", "USD 1 a. [")
_UNITS = (" ", ".", "1", ",", "a", "[", "\n", "#", "-", "\t:", "a ", "1,", ". ")
_LENGTHS = (500, 2_000)
_MEASURABLE_S = 0.0015
"""A quadratic pattern takes 2 ns and more for each pair of characters: 4 ms."""
_CERTAIN_S = 0.1
_LONGER = 4
_LINEAR = 8.0
"""Four times the text takes four times the time; a quadratic pattern takes sixteen times as long."""

Reads = Callable[[str], object]


class Reader(NamedTuple):
    """Something that reads foreign text."""

    name: str
    reads: Reads


def _in(value: object, depth: int = 0) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif isinstance(value, list | tuple | set | frozenset | dict) and depth < 3:
        for one in value.values() if isinstance(value, dict) else value:
            yield from _in(one, depth + 1)


def _reads(pattern: re.Pattern[str], source: str, name: str) -> Reads:
    """Return how a module uses a pattern: at the text's beginning only, or wherever it may begin."""
    used = set(re.findall(rf"\b{name}\.(\w+)\(", source))
    if used and used <= {"match", "fullmatch"}:
        return lambda text: [getattr(pattern, how)(text) for how in used]
    return lambda text: [None for _ in pattern.finditer(text)]


def _patterns() -> Iterator[Reader]:
    """Yield every compiled pattern of the product's modules once."""
    seen: set[re.Pattern[str]] = set()
    files = [f for package in _PACKAGES for f in sorted((_HOME / package).rglob("*.py")) if f.name != "__main__.py"]
    everywhere = "".join(f.read_text() for f in files)
    for file in files:
        if "re." not in (source := file.read_text()):
            continue
        module = ".".join(file.relative_to(_HOME).with_suffix("").parts).removesuffix(".__init__")
        for name, value in vars(importlib.import_module(module)).items():
            for pattern in _in(value):
                if pattern not in seen:
                    seen.add(pattern)
                    at = source if name.startswith("_") else everywhere
                    yield Reader(f"{module}.{name}", _reads(pattern, at, name))


def _took(reads: Reads, text: str) -> float:
    began = thread_time()
    reads(text)
    return thread_time() - began


def _grows(reads: Reads, head: str, unit: str) -> float:
    """Return how many times as long four times the text takes; 1 where that is too short to be measured."""
    for length in _LENGTHS:
        text, longer = (head + unit * (n // len(unit)) + "x" for n in (length, _LONGER * length))
        if (took := _took(reads, text)) >= _MEASURABLE_S:
            # Whatever else runs disturbs a few milliseconds, so each is measured again, by turns: not all of them.
            tries = 5 if took < _CERTAIN_S else 1
            pairs = [(_took(reads, longer), _took(reads, text)) for _ in range(tries)]
            return min(took for took, _ in pairs) / min(took for _, took in pairs)
    return 1.0


def _superlinear(reader: Reader) -> list[str]:
    """Return the first text that takes too long; one is enough, and many would take their time."""
    found = ((repr((head, unit)), _grows(reader.reads, head, unit)) for head in _HEADS for unit in _UNITS)
    return [f"{reader.name}: {text} x{times:.1f}" for text, times in islice((f for f in found if f[1] > _LINEAR), 1)]


def test_every_pattern_is_linear_in_what_it_reads() -> None:
    readers = list(_patterns())
    assert len(readers) > 150
    assert not [slow for reader in readers for slow in _superlinear(reader)]


def test_the_measure_tells_a_quadratic_pattern() -> None:
    slow = re.compile(r"[.!?]+(?=\s|$)")
    assert _grows(lambda text: list(slow.finditer(text)), "", ".") > _LINEAR


@pytest.mark.parametrize(
    "reader",
    [
        Reader("quote", lambda text: widened(text, 2, 3)),
        Reader("quote in the middle", lambda text: widened(text, len(text) // 2, len(text) // 2 + 1)),
        Reader("sentences", lambda text: list(sentences(text))),
        Reader("pieces", lambda text: list(pieces(text))),
        Reader("passages", lambda text: list(cut(f"{text}\n" + "a " * 2_000))),
        Reader("title", lambda text: extract("a.md", text.encode())),
        Reader("cells", lambda text: read_column("a", [text])),
        Reader("amounts", amounts),
        Reader("glue", lambda text: within(tokens("the 5"), tokens("the " * len(text)))),
        Reader("value", lambda text: supported(f"{text} b", Ground(2 * text))),
    ],
    ids=lambda reader: reader.name,
)
def test_what_reads_foreign_text_is_linear_in_it(reader: Reader) -> None:
    assert not _superlinear(reader)
