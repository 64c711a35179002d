"""A laboratory for whole missions: the real service and root over HTTP, and a run whose parts can be exchanged."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from adapters.models.extractive_chat import ExtractiveChatModel
from adapters.models.port import LangChainModels
from adapters.models.providers import Provider
from adapters.models.routes import EXTRACTIVE, ModelRoutes
from adapters.postgres.claims import Claims, LeaseTimes
from adapters.postgres.pools import Pool, open_pool
from adapters.postgres.provision import dsns_for
from adapters.postgres.secrets import read_secrets
from adapters.postgres.sessions import Sessions
from adapters.prompts.registry import TemplateRegistry
from adapters.root.client import Patience, RootClient
from contracts.clock import SystemClock
from contracts.ports import LedgerPort, Mission, Ports
from contracts.stateflow import Stage
from graph.context import Governance, Record
from graph.inforce import Asking
from graph.leases import LeaseKeeper
from graph.runner import Runner, SessionPort
from graph.steps import Node
from graph.topology import build, roles
from graph.version import GRAPH_VERSION
from server.compose import Colony
from server.ports import PortMaker
from tests.adapters.postgres.backdoor import Backdoor
from tests.support import Service, serving

TIMES = LeaseTimes()
Rewire = Callable[[Ports, LedgerPort, Record], Ports]


@dataclass(frozen=True)
class Swaps:
    """What a run has in the place of the real parts; nothing by default."""

    nodes: Mapping[Stage, Node] = field(default_factory=dict)
    govern: Callable[[Governance], Governance] | None = None
    rewire: Rewire | None = None
    model: BaseChatModel | None = None
    sessions: Callable[[Sessions], SessionPort] | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)


AS_IT_IS = Swaps()


@dataclass
class Lab:
    """The service without a worker: a mission runs when the test says so, and with which parts."""

    service: Service
    db: Backdoor
    pool: Pool
    root: RootClient
    times: LeaseTimes = TIMES

    @property
    def colony(self) -> Colony:
        assert self.service.colony is not None
        return self.service.colony

    def asking(self, ledger: LedgerPort, record: Record) -> Asking:
        return Asking(self.colony.governance, ledger, record, "demo")

    def claims(self, worker_id: str = "lab") -> Claims:
        return Claims(self.pool, worker_id, self.times, SystemClock(), GRAPH_VERSION)

    def runner(self, swaps: Swaps = AS_IT_IS) -> Runner:
        claims = self.claims()
        sessions: SessionPort = Sessions(self.pool, claims, SystemClock())
        if swaps.sessions is not None:
            sessions = swaps.sessions(sessions)
        routes = ModelRoutes()
        models = LangChainModels({EXTRACTIVE.tier: Provider(EXTRACTIVE, swaps.model or ExtractiveChatModel())})
        settings = self.colony.settings.model_copy(update=dict(swaps.environment))
        governance = self.colony.governance
        governance = swaps.govern(governance) if swaps.govern else governance
        made = PortMaker(settings, self.root, models, routes, governance, TemplateRegistry(), SystemClock())

        def ports(mission: Mission, ledger: LedgerPort, record: Record) -> Ports:
            real = made(mission, ledger, record)
            return swaps.rewire(real, ledger, record) if swaps.rewire else real

        keeper = LeaseKeeper(claims, heartbeat_ms=self.times.heartbeat_ms, lease_ms=self.times.lease_ms)
        graph = build({**roles(), **swaps.nodes}).compile() if swaps.nodes else None
        return Runner(sessions, keeper, ports, governance, graph)

    async def run(self, mission_id: str, swaps: Swaps = AS_IT_IS) -> dict[str, Any]:
        """Run a mission until it ends or waits, and return it as the API shows it."""
        await self.runner(swaps).run(mission_id, "demo")
        return await self.service.mission(mission_id)

    async def mission(self, swaps: Swaps = AS_IT_IS, **body: Any) -> dict[str, Any]:
        """Submit a mission and run it until it ends or waits."""
        return await self.run(await self.service.submit(**body), swaps)

    async def approved(self, mission_id: str, swaps: Swaps = AS_IT_IS) -> dict[str, Any]:
        """Approve all that is pending and run on."""
        answer = await self.service.post(mission_id, "approve")
        assert answer.status_code == 202, answer.text
        return await self.run(mission_id, swaps)

    def forget_leases(self) -> None:
        """Let every lease lapse, as time would after a process died."""
        self.db.run("update colony_leases set lease_until = clock_timestamp() - interval '1 second'")


@asynccontextmanager
async def open_lab(database: str, home: Path, times: LeaseTimes = TIMES, **environment: str) -> AsyncIterator[Lab]:
    settings = {"DATABASE_URL": database, "COLONY_HOME": str(home), **environment}
    async with serving(settings, times, work=False) as service, AsyncExitStack() as stack:
        assert service.colony is not None
        key, vault = read_secrets(database).tenants, service.colony.vault
        pool = await open_pool(dsns_for(database).app, name="lab", tenants=key, vault=vault, most=8, least=0)
        stack.push_async_callback(pool.close)
        assert service.colony is not None
        known = service.colony.settings
        root = RootClient(known.root_base_url, known.root_api_key, Patience(total_s=5, backoff_s=0.001))
        stack.push_async_callback(root.aclose)
        yield Lab(service, Backdoor(database), pool, root, times)
