"""The one place that builds adapters and puts them together."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from langchain_core.language_models import BaseChatModel

from adapters.models.port import LangChainModels
from adapters.models.providers import Provider, build
from adapters.models.routefile import Endpoint, read_routes
from adapters.models.routes import ModelRoutes
from adapters.postgres.claims import Claims, LeaseTimes
from adapters.postgres.constitutions import ConstitutionStore
from adapters.postgres.delegations import DelegationStore
from adapters.postgres.deltas import DELTAS, WATCHED, DeltaFeed, DeltaWriter
from adapters.postgres.doorbell import Doorbell
from adapters.postgres.encryption import confirm, until_encrypted
from adapters.postgres.halts import Halts
from adapters.postgres.history import History
from adapters.postgres.keys import ApiKeys
from adapters.postgres.missions import TAKEN, MissionStore
from adapters.postgres.pools import Pool, open_pool
from adapters.postgres.queue import MissionQueue
from adapters.postgres.reader import MissionReader
from adapters.postgres.root_store import RootStore
from adapters.postgres.rulesets import RuleSetStore
from adapters.postgres.secrets import Secrets
from adapters.postgres.sessions import Sessions
from adapters.postgres.strict import assert_strict
from adapters.postgres.vault import Vault
from adapters.prompts.lint import checked
from adapters.prompts.registry import TemplateRegistry
from adapters.root.client import Patience, RootClient
from contracts.clock import SystemClock
from contracts.mission import ModelTier
from graph.context import Governance
from graph.leases import LeaseKeeper
from graph.passes import PassSigner
from graph.runner import Runner
from graph.version import GRAPH_VERSION
from policies.engine import PolicyEngine
from policies.questions import TierFacts
from server.auditing import Auditing
from server.constituting import Constituting
from server.constitution import guard_for
from server.database import Database, database
from server.ending import ended
from server.intake import Intake
from server.metrics.process import ProcessMetrics
from server.missions import MissionService
from server.policysets import PolicyService
from server.ports import PortMaker
from server.relays import Relays, open_relays
from server.reports import Reporting, Reports
from server.sdk.opening import open_sdk
from server.sdk.service import Sdk
from server.settings import Settings
from server.worker import Worker

_log = structlog.get_logger(__name__)
_API_PATIENCE_S = 3.0


@dataclass(frozen=True)
class Colony:
    """The parts of one process."""

    settings: Settings
    service: MissionService
    reader: MissionReader
    doorbell: Doorbell
    feed: DeltaFeed
    sessions: Sessions
    runner: Runner
    worker: Worker
    root_store: RootStore | None
    governance: Governance
    metrics: ProcessMetrics
    relays: Relays
    keys: ApiKeys
    vault: Vault
    halts: Halts
    policies: PolicyService
    constituting: Constituting
    sdk: Sdk


@asynccontextmanager
async def open_root_store(settings: Settings) -> AsyncIterator[RootStore]:
    """Open the embedded root's data without a service, as an import does when none runs.

    Raises:
        SettingInvalid: a setting can't be used.
        StoreUnavailable: Postgres does not answer.
        StoreCorrupted: the embedded data folder can't be started from.
    """
    async with AsyncExitStack() as stack:
        db = await asyncio.to_thread(database, settings, stack)
        yield RootStore(await _pool(stack, db.dsns.root, "root", 2, db))


def governance_for(settings: Settings, routes: ModelRoutes, secrets: Secrets) -> Governance:
    """Load the shipped rules for this deployment, and what it signs passes with.

    Raises:
        SettingInvalid: the rules don't validate.
    """
    tiers = {
        tier: TierFacts(tier=tier, provider=r.provider, private=r.private, personal_allowed=r.personal_allowed)
        for tier, r in routes.routes.items()
    }
    return Governance(
        engine=PolicyEngine.load(),
        deployment_mode=settings.deployment_mode.value,
        passes=PassSigner(secrets.passes),
        guard=guard_for(settings, secrets),
        tiers=tiers,
    )


def models_for(endpoints: Mapping[ModelTier, Endpoint], model: BaseChatModel | None) -> LangChainModels:
    """Build the chat model of every tier; what a provider needs is imported here, when a tier leads to it."""
    providers = {tier: build(endpoint) for tier, endpoint in endpoints.items()}
    if model is not None:
        private = providers[ModelTier.LOCAL_PRIVATE]
        providers[ModelTier.LOCAL_PRIVATE] = Provider(private.route, model)
    return LangChainModels(providers)


@asynccontextmanager
async def open_colony(
    settings: Settings,
    *,
    times: LeaseTimes | None = None,
    model: BaseChatModel | None = None,
    patience: Patience | None = None,
) -> AsyncIterator[Colony]:
    """Open everything one process needs, and close it in the reverse order. The worker is made, not started.

    Args:
        settings: the deployment's settings.
        times: lease timings; the defaults unless a test injects short ones.
        model: the chat model of the private tier, the extractive one unless a test brings its own.
        patience: how long the root is waited for.

    Raises:
        SettingInvalid: a setting can't be used.
        StoreUnavailable: Postgres does not answer.
        StoreCorrupted: the embedded data folder can't be started from.
    """
    assert_strict()
    times, clock = times or LeaseTimes(), SystemClock()
    endpoints = read_routes(settings.model_routes_file, settings.default_model_route, settings.secret)
    routes = ModelRoutes({t: e.route for t, e in endpoints.items()}, settings.default_model_route)
    async with AsyncExitStack() as stack:
        db = await asyncio.to_thread(database, settings, stack)
        _say_what_is_open(settings)
        pools = await _pools(stack, db, settings, times)
        api = pools["api"]
        queue = MissionQueue(db.dsns.queue, GRAPH_VERSION)
        await queue.open()
        stack.push_async_callback(queue.close)
        root_store, root = RootStore(pools["root"]) if "root" in pools else None, _root(stack, settings, patience)
        governance = await asyncio.to_thread(governance_for, settings, routes, db.secrets)
        doorbell = Doorbell(db.dsns.app)
        rules, store = RuleSetStore(api), MissionStore(api, queue, clock)
        service = MissionService(store, governance, settings, DelegationStore(api), rules, History(api))
        models = await asyncio.to_thread(models_for, endpoints, model)
        stack.push_async_callback(models.aclose)
        writer, feed, auditing = DeltaWriter(api), DeltaFeed(api), Auditing(settings, db.dsns.audit)
        doorbell.on(WATCHED, writer.watched)
        doorbell.on(DELTAS, feed.rung)
        ports = PortMaker(settings, root, models, routes, governance, checked(TemplateRegistry()), clock, writer)
        name = f"{socket.gethostname()}:{os.getpid()}"
        claims = Claims(api, name, times, clock, GRAPH_VERSION)
        keeper = LeaseKeeper(claims, heartbeat_ms=times.heartbeat_ms, lease_ms=times.lease_ms)
        doorbell.on(TAKEN, keeper.look)
        runner = Runner(sessions := Sessions(pools["runs"], claims, clock), keeper, ports, governance)
        run = Reporting(runner.run, Reports(service.history))
        intake = Intake(queue, run, places=settings.max_concurrent_missions, rung=doorbell.jobs, away_ms=times.away_ms)
        worker = Worker(queue, claims, keeper, runner, intake, service, sweep_ms=times.sweep_ms, beside=(auditing.run,))
        relays = await open_relays(settings, api, db.dsns.app, name, stack)
        loops = {"doorbell": doorbell.listen(), "delta writer": writer.run(), "delta feed": feed.run()}
        loops["encryption"] = until_encrypted(api)
        background = [asyncio.create_task(loop, name=name) for name, loop in loops.items()]
        stack.push_async_callback(ended, *background)
        stats = {name: pool.get_stats for name, pool in pools.items()}
        metrics = ProcessMetrics(stats, lambda: doorbell.waiting, lambda: keeper.holding, governance.guard.standing)
        reader, keys = MissionReader(api), ApiKeys(api)
        parts = (service, reader, doorbell, feed, sessions, runner, worker, root_store, governance, metrics)
        sdk = open_sdk(pools, service, reader, doorbell, feed, times=times, name=name)
        yield Colony(settings, *parts, relays, keys, db.vault, **_law(api, rules, governance), sdk=sdk)


def _say_what_is_open(settings: Settings) -> None:
    if settings.deployment_mode.is_production and settings.payload_encryption_key is None:
        _log.warning("payloads are stored unencrypted", hint="Set PAYLOAD_ENCRYPTION_KEY; see docs/encryption.md.")


def _law(api: Pool, rules: RuleSetStore, governance: Governance) -> dict[str, Any]:
    """Make what people rule with: halts, tenants' rules, the constitution."""
    constituting = Constituting(ConstitutionStore(api), governance.guard)
    return {"halts": Halts(api), "policies": PolicyService(rules, governance), "constituting": constituting}


def _root(stack: AsyncExitStack, settings: Settings, patience: Patience | None) -> RootClient:
    root = RootClient(settings.root_base_url, settings.root_api_key, patience or Patience())
    stack.push_async_callback(root.aclose)
    return root


async def _pools(stack: AsyncExitStack, db: Database, settings: Settings, times: LeaseTimes) -> dict[str, Pool]:
    """Open a pool for each use; ``root`` is there when the embedded root is used."""
    most, dsns = settings.max_concurrent_missions, db.dsns
    pools = {
        "api": await _pool(stack, dsns.app, "api", 12, db, patience_s=_API_PATIENCE_S),
        "runs": await _pool(stack, dsns.app, "runs", most, db, least=0, transaction_ms=times.lease_ms),
    }
    await confirm(pools["api"])
    if settings.extra_graphs is not None:
        pools["graphs"] = await _pool(stack, dsns.app, "graphs", 16, db, transaction_ms=times.lease_ms)
    if settings.root_api_base_url is None:
        pools["root"] = await _pool(stack, dsns.root, "root", 8, db)
    return pools


async def _pool(
    stack: AsyncExitStack,
    dsn: str,
    name: str,
    most: int,
    db: Database,
    *,
    least: int = 1,
    transaction_ms: int = 10_000,
    patience_s: float = 10.0,
) -> Pool:
    pool = await open_pool(
        dsn,
        name=name,
        most=most,
        tenants=db.secrets.tenants,
        vault=db.vault,
        least=least,
        transaction_ms=transaction_ms,
        patience_s=patience_s,
    )
    stack.push_async_callback(pool.close)
    return pool
