"""A graph in which a process dies: at the first word of a step, or in the middle of one."""

import asyncio
import operator
import os
import signal
from pathlib import Path
from typing import Annotated, TypedDict

from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    items: Annotated[list[str], operator.add]
    folder: str
    dies: str


def note(state: State, name: str) -> None:
    """Write down that a node began."""
    with (Path(state["folder"]) / "begun").open("a", encoding="utf-8") as file:
        file.write(f"{name}\n")


def perhaps_die(state: State, where: str) -> None:
    """Die as by kill -9, where a process is meant to."""
    if state["dies"] == where and "DOOMED" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)


async def one(state: State) -> State:
    note(state, "one")
    get_stream_writer()({"said": "one"})
    return {"items": ["one"]}


async def two(state: State) -> State:
    note(state, "two")
    perhaps_die(state, "at once")
    say = get_stream_writer()
    for word in ("a", "b"):
        say({"said": word})
    if state["dies"] == "in between":
        await asyncio.sleep(0.3)  # what it said is kept by now
        perhaps_die(state, "in between")
    say({"said": "c"})
    return {"items": ["two"]}


async def three(state: State) -> State:
    note(state, "three")
    return {"items": ["three"]}


builder = StateGraph(State)
for name, node in (("one", one), ("two", two), ("three", three)):
    builder.add_node(name, node)
builder.add_edge(START, "one")
builder.add_edge("one", "two")
builder.add_edge("two", "three")
graph = builder.compile()
