"""Graphs of nobody's making but a developer's: they speak, ask, nest, and are made by a factory."""

import asyncio
import operator
from collections.abc import AsyncIterator
from typing import Annotated, Any, TypedDict

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt
from langgraph_sdk.runtime import ServerRuntime


class Speaker(BaseChatModel):
    """Says the same in two pieces."""

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Hello, world!", id="said-1"))])

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for text, last in (("Hello,", False), (" world!", True)):
            chunk = AIMessageChunk(text, id="said-1")
            if last:
                chunk.chunk_position = "last"
            yield ChatGenerationChunk(message=chunk)


class State(TypedDict, total=False):
    messages: Annotated[list[BaseMessage], add_messages]
    items: Annotated[list[str], operator.add]
    value: str
    wait: bool


async def speak(state: State) -> State:
    get_stream_writer()({"name": "progress", "step": "speak"})
    text = ""
    stream = await Speaker().astream_events([], version="v3")
    async for event in stream:
        if event.get("event") == "content-block-delta":
            text += event["delta"].get("text", "")
    if state.get("wait"):
        await asyncio.sleep(600)
    return {"messages": [AIMessage(text, id="said-1")], "items": ["spoke"], "value": "x"}


async def ask(state: State) -> State:
    answer = interrupt("Are we good?")
    return {"items": [f"asked {answer}"]}


async def left(state: State) -> State:
    return {"items": ["left"]}


async def right(state: State) -> State:
    if state.get("value") == "break":
        raise ValueError("it broke")
    return {"items": ["right"]}


builder = StateGraph(State)
builder.add_node("speak", speak)
builder.add_node("ask", ask)
builder.add_node("left", left)
builder.add_node("right", right)
builder.add_edge(START, "speak")
builder.add_edge("speak", "ask")
builder.add_edge("ask", "left")
builder.add_edge("ask", "right")
builder.add_edge(["left", "right"], END)
graph = builder.compile()

child = StateGraph(State)
child.add_node("inner", left)
child.add_edge(START, "inner")
parent = StateGraph(State)
parent.add_node("outer", child.compile())
parent.add_edge(START, "outer")
nested = parent.compile()


def make(config: RunnableConfig, runtime: ServerRuntime) -> StateGraph:
    async def echo(state: State) -> State:
        await runtime.store.aput(("seen",), "last", {"access": runtime.access_context})
        return {"value": f"{state.get('value')} in {runtime.access_context}"}

    made = StateGraph(State)
    made.add_node("echo", echo)
    made.add_edge(START, "echo")
    return made
