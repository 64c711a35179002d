"""Puts the SDK's parts together."""

from __future__ import annotations

import structlog

from adapters.postgres.claims import LeaseTimes
from adapters.postgres.crons import CronStore
from adapters.postgres.deltas import DeltaFeed
from adapters.postgres.doorbell import Doorbell
from adapters.postgres.graph_runs import GraphRunStore
from adapters.postgres.pools import Pool
from adapters.postgres.reader import MissionReader
from adapters.postgres.threads import MemoryStore, ThreadStore
from contracts.errors import SettingInvalid
from graph.extra import load
from server.missions import MissionService
from server.sdk.crons import GraphCrons
from server.sdk.extra import ExtraGraphs
from server.sdk.graph_worker import RUNS, GraphWorker
from server.sdk.missions import MissionViews
from server.sdk.runs import MissionRuns
from server.sdk.service import Sdk
from server.sdk.threads import Threads
from server.settings import Settings

_log = structlog.get_logger(__name__)


def open_sdk(
    pools: dict[str, Pool],
    service: MissionService,
    reader: MissionReader,
    doorbell: Doorbell,
    feed: DeltaFeed,
    *,
    times: LeaseTimes,
    name: str,
) -> Sdk:
    """Make what the SDK's routes are made of.

    Raises:
        SettingInvalid: the developer's graphs can't be loaded.
    """
    store, memories = ThreadStore(pools["api"]), MemoryStore(pools["api"])
    views, extra = MissionViews(reader, store), None
    if service.settings.extra_graphs is not None:
        extra = _extra(service.settings, pools["graphs"], store, memories, times, name)
        doorbell.on(RUNS, extra.worker.hear)
    runs = MissionRuns(service, views)
    crons = GraphCrons(CronStore(pools["graphs"]), extra.assistants) if extra is not None else None
    return Sdk(Threads(store, views, extra), runs, views, memories, doorbell, feed, extra, crons)


def _extra(
    settings: Settings, pool: Pool, threads: ThreadStore, memories: MemoryStore, times: LeaseTimes, name: str
) -> ExtraGraphs:
    if settings.extra_graphs is None or settings.deployment_mode.is_production:
        raise SettingInvalid(
            "COLONY_EXTRA_GRAPHS is for developers: in production nothing ungoverned is served", hint="Leave it out."
        )
    graphs = load(settings.extra_graphs)
    _log.warning("ungoverned graphs are served: no policy, gate or record holds for them", graphs=sorted(graphs))
    store = GraphRunStore(pool, name, times.lease_ms)
    worker = GraphWorker(store, memories, graphs, times.lease_ms / 1000)
    return ExtraGraphs(graphs, store, threads, memories, worker)
