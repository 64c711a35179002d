"""Strict checkpoints: a checkpoint that somebody tampered with is data when it is loaded, never code."""

import subprocess
import sys

import pytest

START = "from adapters.postgres.strict import assert_strict; assert_strict()\n"
# A msgpack extension of the kind "call this with these arguments": what a tampered checkpoint would hold.
LOAD = """
import ormsgpack
from langgraph.checkpoint.serde.jsonplus import EXT_CONSTRUCTOR_POS_ARGS, JsonPlusSerializer
evil = ormsgpack.packb(ormsgpack.Ext(EXT_CONSTRUCTOR_POS_ARGS, ormsgpack.packb(("builtins", "print", ("code ran",)))))
JsonPlusSerializer(pickle_fallback=False).loads_typed(("msgpack", evil))
"""
ONLY_LANGGRAPH = (
    "import os; os.environ['LANGGRAPH_STRICT_MSGPACK'] = 'false'; import langgraph.checkpoint.serde.jsonplus\n"
)


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def a_tampered_checkpoint_runs_nothing(before: str) -> None:
    """The check: loading a checkpoint that names a function to call does not call it."""
    assert "code ran" not in python(before + LOAD).stdout, "code ran"


def a_start_without_strict_mode_is_refused(start: str) -> None:
    """The check: a process in which LangGraph was imported before strict mode was set does not start."""
    ended = python(ONLY_LANGGRAPH + start)
    assert ended.returncode != 0, "it started"
    assert "LANGGRAPH_STRICT_MSGPACK is off" in ended.stderr


def test_a_tampered_checkpoint_runs_nothing() -> None:
    a_tampered_checkpoint_runs_nothing(START)


def test_without_strict_mode_a_tampered_checkpoint_runs_code() -> None:
    with pytest.raises(AssertionError, match="code ran"):
        a_tampered_checkpoint_runs_nothing(ONLY_LANGGRAPH)


def test_a_start_without_strict_mode_is_refused() -> None:
    a_start_without_strict_mode_is_refused(START)


def test_without_the_assertion_a_start_without_strict_mode_goes_through() -> None:
    with pytest.raises(AssertionError, match="it started"):
        a_start_without_strict_mode_is_refused("import adapters.postgres.strict\n")
