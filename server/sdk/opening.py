"""Puts the SDK's parts together."""

from __future__ import annotations

from adapters.postgres.deltas import DeltaFeed
from adapters.postgres.doorbell import Doorbell
from adapters.postgres.pools import Pool
from adapters.postgres.reader import MissionReader
from adapters.postgres.threads import MemoryStore, ThreadStore
from server.missions import MissionService
from server.sdk.missions import MissionViews
from server.sdk.runs import MissionRuns
from server.sdk.service import Sdk
from server.sdk.threads import Threads


def open_sdk(pool: Pool, service: MissionService, reader: MissionReader, doorbell: Doorbell, feed: DeltaFeed) -> Sdk:
    """Make what the SDK's routes are made of."""
    store = ThreadStore(pool)
    views = MissionViews(reader, store)
    return Sdk(Threads(store, views), MissionRuns(service, views), views, MemoryStore(pool), doorbell, feed)
