"""A graph of plain functions: a context, the store without await, a fan-out that asks several people, a graph below."""

import operator
from dataclasses import dataclass
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send, interrupt


@dataclass
class Context:
    name: str = "nobody"


class State(TypedDict, total=False):
    people: list[str]
    answers: Annotated[list[str], operator.add]
    greeted: str
    below: str


class Person(TypedDict):
    who: str


def greet(state: State, runtime: Runtime[Context]) -> State:
    assert runtime.store is not None
    runtime.store.put(("greeted",), "last", {"name": runtime.context.name}, ttl=60)
    found = runtime.store.get(("greeted",), "last")
    assert found is not None
    return {"greeted": found.value["name"]}


def to_all(state: State) -> list[Send]:
    return [Send("ask", {"who": who}) for who in state.get("people", [])]


def ask(state: Person) -> State:
    return {"answers": [f"{state['who']}: {interrupt(state['who'])}"]}


def deep(state: State) -> State:
    return {"below": interrupt("from below?")}


child = StateGraph(State)
child.add_node("deep", deep)
child.add_edge(START, "deep")
builder = StateGraph(State, context_schema=Context)
builder.add_node("greet", greet)
builder.add_node("ask", ask)
builder.add_node("down", child.compile())
builder.add_edge(START, "greet")
builder.add_conditional_edges("greet", to_all, ["ask"])
builder.add_edge("ask", "down")
graph = builder.compile()
