"""What `langgraph dev` loads: Colony's graph, over the database, the root and the rules of `colony up`.

LangGraph's server imports ``app`` for its lifespan, which opens Colony, and asks ``graph`` for the graph.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog
from starlette.applications import Starlette

from adapters.models.tokens import count_tokens
from contracts.errors import BadInput, ColonyError, Conflict, NotFound, SettingInvalid, Unavailable
from contracts.stateflow import RUNNABLE, Status
from graph.studio import Begun, HeardRunner, StudioGraph
from graph.version import STUDIO_VERSION
from server.compose import Colony
from server.ending import ended
from server.errors import colony_error
from server.principal import DEVELOPER
from server.sdk import run_bodies
from server.sdk.assistants import GRAPH
from server.sdk.runs import MissionRuns, only_what_is_governed
from server.sdk.threads import Row
from server.serve import running
from server.settings import Settings, load_settings

_log = structlog.get_logger("colony")
_END = object()


@dataclass
class Studio:
    """Satisfies ``Host``: runs missions whose checkpoints LangGraph's server keeps, beside those of `colony up`."""

    colony: Colony | None = None
    runners: set[HeardRunner] = field(default_factory=set)

    @asynccontextmanager
    async def opened(self, _: Starlette) -> AsyncIterator[None]:
        """Keep Colony open for as long as LangGraph's server runs.

        Raises:
            ColonyError: it can't be opened; the log says why and what to do.
        """
        try:
            settings = _settings()
            await asyncio.to_thread(
                count_tokens, ""
            )  # its table is a file, and a run of a mission must not wait for one
            async with running(settings) as self.colony:
                _log.info("Colony is open, too", url=f"http://127.0.0.1:{self.colony.settings.port}")
                yield
                for runner in self.runners:
                    runner.drain()
        except ColonyError as exc:
            _log.error("Colony can't be opened for Studio", code=exc.code, reason=exc.message, hint=exc.hint)
            raise
        finally:
            self.colony = None

    async def stream(self, begun: Begun) -> AsyncIterator[object]:
        """Begin or go on with the thread's mission and give the parts of its stream."""
        colony = self.colony
        if colony is None:
            raise Unavailable("Colony is not open", hint="langgraph.json names server.studio:app under http.app.")
        await self._begin(colony, begun)
        parts: asyncio.Queue[object] = asyncio.Queue(1)
        runner = HeardRunner(colony.runner, colony.sessions.of_version(STUDIO_VERSION), begun, parts.put)
        self.runners.add(runner)
        run = asyncio.create_task(_whole(runner, parts), name=f"studio {begun.thread_id}")
        try:
            while (part := await parts.get()) is not _END:
                yield part
            await run
        finally:
            await ended(run)
            self.runners.discard(runner)

    async def _begin(self, colony: Colony, begun: Begun) -> None:
        """Submit, answer or retry, by the rules of the SDK's routes; what merely stopped goes on."""
        service = replace(colony.service, store=colony.service.store.undispatched(), graph_version=STUDIO_VERSION)
        asked = run_bodies.RunCreate.model_validate(
            {"assistant_id": GRAPH, "input": begun.input or None, "command": begun.command}
        )
        only_what_is_governed(asked)
        row = await _row(colony, begun.thread_id)
        await _where_it_is(begun, row)
        if row["mission_id"] is None or asked.input is not None or Status(row["mission_status"]) not in RUNNABLE:
            await MissionRuns(service, colony.sdk.views).start(DEVELOPER, row, asked, secrets.token_hex(16))


async def _whole(runner: HeardRunner, parts: asyncio.Queue[object]) -> None:
    try:
        await runner.run_once(DEVELOPER.tenant_id)
    finally:
        await parts.put(_END)


async def _row(colony: Colony, thread_id: str) -> Row:
    try:
        return await colony.sdk.store.thread(DEVELOPER.tenant_id, thread_id)
    except NotFound:
        return {"thread_id": thread_id, "mission_id": None}


async def _where_it_is(begun: Begun, row: Row) -> None:
    """Refuse to go back, and to go on with what this server has no checkpoints of: what a mission did is on record.

    Raises:
        BadInput: the run is to begin at an earlier checkpoint.
        Conflict: the thread's mission is another server's.
    """
    head = await begun.saver.aget_tuple(begun.config)
    if begun.checkpoint_id is not None and (head is None or head.checkpoint["id"] != str(begun.checkpoint_id)):
        raise BadInput(
            "a mission goes on from where it is",
            code="checkpoint_unsupported",
            hint="Missions that Colony runs itself are forked from any checkpoint: see docs/replay.md.",
        )
    if head is None and row["mission_id"] is not None:
        raise Conflict(
            "this server has no checkpoints of the thread's mission",
            code="checkpoints_elsewhere",
            hint="Colony's own API goes on with its own missions; begin another thread here.",
        )


def _settings() -> Settings:
    settings = load_settings()
    if not settings.deployment_mode.trusts_loopback:
        raise SettingInvalid(
            f"COLONY_DEPLOYMENT_MODE={settings.deployment_mode.value}: langgraph dev asks nobody who they are",
            hint="It is for developer-light, test and test-debug.",
        )
    return settings


_studio = Studio()
app = Starlette(lifespan=_studio.opened, exception_handlers={ColonyError: colony_error})


def graph() -> StudioGraph:
    """Return the graph; LangGraph's server gives it its checkpointer."""
    return StudioGraph.on(_studio)
