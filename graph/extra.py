"""Graphs of a developer's own, from a ``langgraph.json``: loaded as they are, and governed by nothing.

What a factory may take and what it may give follows LangGraph's own server: ``config``, ``runtime`` or both, by name or
type; a graph, a builder, an awaitable of one or a context manager around one.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dotenv import dotenv_values
from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore
from langgraph_sdk.runtime import _ExecutionRuntime, _ReadRuntime

from contracts.errors import SettingInvalid

Graph = Pregel[Any, Any, Any, Any]
Access = Literal["threads.create_run", "threads.update", "threads.read", "assistants.read"]
_FACTORY_TAKES = 2


@dataclass(frozen=True)
class Extra:
    """One graph of the file: what its name stands for in its module."""

    name: str
    made: Any

    @asynccontextmanager
    async def opened(
        self, store: BaseStore, access: Access, config: RunnableConfig | None = None, context: Any = None
    ) -> AsyncIterator[Graph]:
        """Give the graph for the block, made anew where the file names a factory."""
        made = self.made
        if not isinstance(made, Pregel | StateGraph) and callable(made):
            made = made(*_arguments(made, config or {}, _runtime(store, access, context)))
        if inspect.isawaitable(made):
            made = await made
        if isinstance(made, AbstractAsyncContextManager):
            async with made as inner:
                yield _compiled(inner)
        elif isinstance(made, AbstractContextManager):
            with made as inner:
                yield _compiled(inner)
        else:
            yield _compiled(made)


def _runtime(store: BaseStore, access: Access, context: Any) -> Any:
    if access == "threads.create_run":
        return _ExecutionRuntime(access_context=access, store=store, context=context)
    return _ReadRuntime(access_context=access, store=store)


def _arguments(factory: Any, config: RunnableConfig, runtime: Any) -> list[Any]:
    takes = list(inspect.signature(factory).parameters.values())[:_FACTORY_TAKES]
    return [runtime if "untime" in f"{one.name} {one.annotation}" else config for one in takes]


def _compiled(made: Any) -> Graph:
    if isinstance(made, StateGraph):
        made = made.compile()
    if not isinstance(made, Pregel):
        raise SettingInvalid(f"COLONY_EXTRA_GRAPHS: a factory gave a {type(made).__name__}, not a graph")
    return made


def load(path: Path) -> dict[str, Extra]:
    """Read the file and import what it names, relative to its folder.

    Raises:
        SettingInvalid: the file, or a graph that it names, can't be read.
    """
    wrong = "It must be a langgraph.json: {graphs: {name: ./module.py:attribute}}."
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        graphs = dict(told["graphs"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise SettingInvalid("COLONY_EXTRA_GRAPHS can't be read", hint=wrong) from exc
    folder = path.resolve().parent
    _environment(told.get("env"), folder)
    for below in [".", *(d for d in told.get("dependencies", []) if isinstance(d, str) and d.startswith("."))]:
        if (place := str((folder / below).resolve())) not in sys.path:
            sys.path.append(place)
    return {str(name): Extra(str(name), _imported(str(name), spec, folder)) for name, spec in graphs.items()}


def _environment(env: Any, folder: Path) -> None:
    given = dotenv_values(folder / env) if isinstance(env, str) else env
    for name, value in given.items() if isinstance(given, Mapping) else ():
        if value is not None:
            os.environ.setdefault(str(name), str(value))


def _imported(name: str, spec: Any, folder: Path) -> Any:
    where = spec.get("path") if isinstance(spec, Mapping) else spec
    file, _, attribute = str(where).rpartition(":")
    unreadable = SettingInvalid(f"COLONY_EXTRA_GRAPHS: {name} can't be loaded from {where}")
    try:
        if not file.endswith(".py"):
            return getattr(importlib.import_module(file), attribute)
        called = f"colony_extra_{abs(hash((str(folder), file)))}"
        if called not in sys.modules:
            found = importlib.util.spec_from_file_location(called, folder / file)
            if found is None or found.loader is None:
                raise unreadable
            sys.modules[called] = importlib.util.module_from_spec(found)
            found.loader.exec_module(sys.modules[called])
        return getattr(sys.modules[called], attribute)
    except (ImportError, AttributeError, OSError, SyntaxError) as exc:
        raise unreadable from exc
