"""The ports of one run: what nodes get is wrapped by the graph's mechanisms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from adapters.catalog import RootCatalog
from adapters.models.routes import ModelRoutes
from adapters.postgres.deltas import DeltaWriter
from adapters.prompts.registry import TemplateRegistry
from adapters.root.client import RootClient
from adapters.root.tools import RootTools
from adapters.root.validator import RootValidator
from adapters.root.writer import RootWriter
from adapters.tables import DuckTables
from contracts.clock import SystemClock
from contracts.ports import EffectPort, LedgerPort, Mission, NodeLimits, Ports, RoutePort, TemplatePort, TierPort
from graph.artifacts import StoredArtifacts, StoredResults
from graph.context import Governance, Record
from graph.effects import GrantedEffects
from graph.guarded import GuardedTools
from graph.inforce import Asking
from graph.metering import Budget, GuardedModel
from graph.overrides import OtherRoute, OtherTemplates
from graph.planning import GuardedPlans
from graph.rehearsal import RehearsedEffects, TapedEffects
from graph.tape import Tape, TapedCatalog, TapedClock, TapedTools
from policies.risk import classify_request
from server.settings import RootValidation, Settings


def validator_for(settings: Settings, root: RootClient) -> RootValidator | None:
    """Return what asks the root whether it would take a write, if it is to be asked."""
    if settings.root_validation is RootValidation.OFF:
        return None
    return RootValidator(root, required=settings.root_validation is RootValidation.REQUIRED)


@dataclass(frozen=True)
class PortMaker:
    """Makes the ports of one run: nodes get the wrapped ones only."""

    settings: Settings
    root: RootClient
    models: TierPort
    routes: ModelRoutes
    governance: Governance
    templates: TemplateRegistry
    clock: SystemClock
    deltas: DeltaWriter | None = None

    def __call__(self, mission: Mission, ledger: LedgerPort, record: Record) -> Ports:
        """Return the ports for a claimed mission."""
        asking = Asking(self.governance, ledger, record, mission.tenant_id)
        artifacts, tape = StoredArtifacts(ledger), Tape(record)
        return Ports(
            mission=mission,
            model=GuardedModel(
                self.models,
                Budget(mission, record, partial(record.keep, ledger)),
                record,
                asking,
                self.deltas.of(mission) if self.deltas is not None else None,
            ),
            tools=GuardedTools(
                TapedTools(RootTools(self.root, mission.tenant_id), tape),
                ledger,
                record,
                self.clock,
                mission,
                asking,
            ),
            artifacts=artifacts,
            results=StoredResults(ledger, record, artifacts),
            catalog=TapedCatalog(RootCatalog(ledger), tape),
            templates=self._templates(mission),
            routes=self._routes(mission),
            classify=classify_request,
            plans=GuardedPlans(record, asking),
            effects=self._effects(mission, ledger, record, asking),
            tables=DuckTables(),
            clock=TapedClock(self.clock, tape),
            limits=NodeLimits(
                max_workers=self.settings.max_workers_per_mission, task_timeout_ms=self.settings.task_timeout_ms
            ),
        )

    def _templates(self, mission: Mission) -> TemplatePort:
        words = mission.rehearsal.overrides.templates if mission.rehearsal is not None else {}
        changed = {name: {str(part): text for part, text in parts.items()} for name, parts in words.items()}
        return OtherTemplates(self.templates, changed) if changed else self.templates

    def _routes(self, mission: Mission) -> RoutePort:
        tier = mission.rehearsal.overrides.route if mission.rehearsal is not None else None
        return self.routes if tier is None else OtherRoute(self.routes, self.routes.routes, tier)

    def _effects(self, mission: Mission, ledger: LedgerPort, record: Record, asking: Asking) -> EffectPort:
        writer, validator = RootWriter(self.root, mission.mission_id), validator_for(self.settings, self.root)
        real = GrantedEffects(mission, ledger, writer, asking, validator)
        if record.past is not None:
            return RehearsedEffects(real, Tape(record), ledger, record.past)
        return TapedEffects(real, Tape(record))
