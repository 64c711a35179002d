"""The constitution and the rules in force: which they are is read from the store at every question, and never cached.

A set itself is parsed once in a process and known by its hash. So an activation that was answered holds for whatever is
asked from then on, in every process, and no decision is made under rules that were not stored before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

from contracts.constitution import HardLimits, StoredConstitution
from contracts.decisions import PolicyDecision, PolicyQuestion
from contracts.errors import ConstitutionUnverified
from contracts.events import EventType, NewEvent
from contracts.mission import AutonomyTier
from graph.constitution import InForce
from graph.context import Governance, Record
from graph.overrides import engine_with
from policies.constitution import held
from policies.engine import Asks, Decided


class ActiveRules(Protocol):
    """Where it is read which of a tenant's sets is in force."""

    async def active_rules(self, known: Collection[str]) -> tuple[str, bytes | None] | None:
        """Return the active set's hash and content, the latter unless it is known; None: the tenant has none."""
        ...


class RuleSource(ActiveRules, Protocol):
    """One tenant's rules in the store."""

    async def keep_rules(self, rules_sha256: str, content: bytes) -> None:
        """Store rules beside the decisions that they are about to make."""
        ...


class LawSource(RuleSource, Protocol):
    """The constitution and one tenant's rules in the store."""

    async def constitution(self) -> StoredConstitution | None:
        """Return what is stored as the constitution in force, unverified; None: none was ever activated."""
        ...


async def active_in(governance: Governance, source: ActiveRules) -> Asks:
    """Return what decides for a tenant at this moment."""
    shipped = governance.engine
    active = await source.active_rules(shipped.known)
    if active is None:
        return shipped
    if active[1] is None and active[0] not in shipped.known:  # forgotten in the meantime
        active = await source.active_rules(()) or active
    if active[0] in shipped.known:
        return shipped.over(active[0])
    # Parsing takes a while, and the process has other missions to run.
    return await asyncio.to_thread(shipped.over, *active)


async def in_force(governance: Governance, source: RuleSource, tenant_id: str) -> Asks:
    """Return what decides for a tenant at this moment; its text is in the store."""
    asks = await active_in(governance, source)
    if (tenant_id, asks.rules_sha256) not in governance.kept:
        await source.keep_rules(asks.rules_sha256, asks.content)
        governance.kept.add((tenant_id, asks.rules_sha256))
    return asks


class Asking:
    """Asks for one run: under the constitution and the rules in force at each moment, and no question twice."""

    def __init__(self, governance: Governance, source: LawSource, record: Record, tenant_id: str) -> None:
        self.governance = governance
        self._source = source
        self._record = record
        self._tenant_id = tenant_id

    async def limits(self) -> HardLimits:
        """Look at the constitution and return its limits; another than before is noted in the mission's chain.

        Raises:
            ConstitutionUnverified: none that holds is in force.
        """
        found = await self._verified()
        record, now = self._record, found.named
        was, record.known, record.constitution = record.known, now, found
        if was and was != now:
            payload = {**now, "previous": dict(was)}
            record.events.append(NewEvent(event_type=EventType.CONSTITUTION_UPDATED, payload=payload))
        return found.constitution.limits

    async def _verified(self) -> InForce:
        guard, stored = self.governance.guard, await self._source.constitution()
        try:
            return await guard.now(stored)
        except ConstitutionUnverified:
            # Between the look at it and the verification another may have been activated, and been seen by other runs.
            if (newer := await self._source.constitution()) == stored:
                raise
            return await guard.now(newer)

    @property
    def tier(self) -> AutonomyTier | None:
        """How far the mission may go by itself; none before it was admitted."""
        envelope = self._record.envelope
        return None if envelope is None else envelope.autonomy_tier

    async def renewed(self) -> Remembering:
        """Look which constitution and rules are in force, and return who asks under them.

        Raises:
            ConstitutionUnverified: no constitution that holds is in force.
        """
        await self.limits()
        past = self._record.past
        if past is not None and past.rehearsal.overrides.rules:
            rules = past.rehearsal.overrides.rules
            self._record.asks = past.asks = past.asks or await asyncio.to_thread(
                engine_with, self.governance.engine, rules
            )
            await self._source.keep_rules(past.asks.rules_sha256, past.asks.content)
        else:
            self._record.asks = await in_force(self.governance, self._source, self._tenant_id)
        return self.last()

    def last(self) -> Remembering:
        """Return who asks under the rules that were in force when the run last looked: for trying, not for deciding."""
        asks = self._record.asks or self.governance.engine
        return Remembering(asks, self._record.constitution, self._record.decided)


class Remembering:
    """Asks each question once; what the constitution forbids is denied, whatever the rules say."""

    def __init__(self, asks: Asks, constitution: InForce | None, decided: Decided | None = None) -> None:
        self._asks = asks
        self._constitution = constitution
        self._decided: Decided = {} if decided is None else decided

    def __call__(self, question: PolicyQuestion) -> PolicyDecision:
        """Decide a question, or return what was decided.

        Raises:
            ConstitutionUnverified: nobody has verified a constitution to decide under.
        """
        return held(self._verified.constitution, self._asks.ask(question, self._decided))

    @property
    def limits(self) -> HardLimits:
        """What the constitution allows at most."""
        return self._verified.constitution.limits

    @property
    def _verified(self) -> InForce:
        if self._constitution is None:
            raise ConstitutionUnverified("nothing is decided before the constitution was verified")
        return self._constitution
