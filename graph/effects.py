"""Effects: the intent is stored, then the write is sent under its idempotency key, then the outcome is stored."""

from __future__ import annotations

from contracts.effects import effect_event, intended_event, key_of
from contracts.errors import (
    ColonyError,
    ConstitutionForbids,
    Denied,
    OutcomeUnknown,
    PreconditionStale,
    RootRefused,
    RootUnavailable,
)
from contracts.evidence import Target, WritebackProposal, payload_sha256
from contracts.ports import EffectOutcome, LedgerPort, Mission, ReadBack, Refusal, Shown, ValidatorPort, WriterPort
from graph.inforce import Asking
from policies.constitution import forbids


class GrantedEffects:
    """Satisfies ``EffectPort``. What is written is what the database holds as granted, never what a node hands over."""

    def __init__(
        self,
        mission: Mission,
        ledger: LedgerPort,
        writer: WriterPort,
        asking: Asking,
        validator: ValidatorPort | None = None,
    ) -> None:
        self._mission = mission
        self._asking = asking
        self._ledger = ledger
        self._writer = writer
        self._validator = validator
        self._moved: dict[tuple[Target, str], str] = {}

    async def granted(self) -> list[WritebackProposal]:
        """Return what the stored approvals grant."""
        return await self._ledger.grants()

    async def refusal(self, proposal: WritebackProposal) -> Refusal | None:
        """Ask the root whether it would take a proposal that nobody has approved yet.

        Raises:
            RootUnavailable: it does not answer.
        """
        if self._validator is None:
            return None
        return await self._validator.refusal(self._mission, proposal, proposal.precondition, None)

    async def apply(self, proposal: WritebackProposal) -> EffectOutcome:
        """Apply one granted proposal; one that has an outcome keeps it.

        Raises:
            Denied: it says something else than its hash, or no grant covers it.
            ConstitutionForbids: the constitution, as it is by now, does not allow it.
            ConstitutionUnverified: none that holds is in force; nothing was sent.
            RootUnavailable: it does not answer. The intent stays: a retry reads back, and sends what was not done.
        """
        # The grant is bound to the hash, and the hash, here, to what would be sent.
        if said(proposal) != proposal.payload_sha256:
            raise Denied("the payload is not the one that was approved", code="payload_changed")
        if broken := forbids(await self._asking.limits(), proposal, self._asking.tier):
            raise ConstitutionForbids("; ".join(why for _, why in broken))
        key = key_of(self._mission.mission_id, proposal)
        refused = await self._refused(proposal)
        async with self._ledger.unit() as unit:
            earlier = await unit.intend(proposal, key)
            if earlier is None:
                unit.record(intended_event(proposal, key))
            if refused is not None:
                await unit.settle(proposal, refused)
                unit.record(effect_event(proposal, refused))
        if refused is not None:
            return refused
        # An intent without an outcome is a process that died in between; it may have sent what it intended.
        if earlier is None or earlier.status in _OPEN:
            outcome = await self._send(proposal, key, maybe_sent=earlier is not None)
            if earlier is None or outcome.status != earlier.status:
                async with self._ledger.unit() as unit:
                    await unit.settle(proposal, outcome)
                    unit.record(effect_event(proposal, outcome))
        else:
            outcome = earlier
        etag = outcome.detail.get("etag")
        if etag and proposal.precondition and proposal.operation == "patch":
            self._moved[proposal.target, proposal.precondition] = str(etag)
        return outcome

    async def _refused(self, proposal: WritebackProposal) -> EffectOutcome | None:
        """Ask the root once more, just before the intent is stored: what was intended was accepted, and may be sent."""
        granted = await self._ledger.granted(proposal)
        if self._validator is None or granted is None or granted.intended:
            return None
        refusal = await self._validator.refusal(self._mission, proposal, self._version(proposal), granted)
        if refusal is None:
            return None
        status = "conflicted" if refusal.stale else "failed"
        return EffectOutcome(status, {"code": refusal.code, "reason": "; ".join(refusal.reasons)})

    def _version(self, proposal: WritebackProposal) -> str | None:
        # A version that this mission itself made is not somebody else's change.
        version = proposal.precondition
        while version is not None and (proposal.target, version) in self._moved:
            version = self._moved[proposal.target, version]
        return version

    async def _send(self, proposal: WritebackProposal, key: str, *, maybe_sent: bool) -> EffectOutcome:
        """Send, and read back whatever may have been sent before: the root's state says what its answer does not.

        Only what the root shows as undone is sent again, under the same key. What it answers then is about the second
        sending: a refusal of it says nothing of the first.
        """
        version = self._version(proposal)
        doubt: ColonyError = OutcomeUnknown("it may have been sent, and the root does not show whether it happened")
        for _ in range(_SENDINGS):
            if maybe_sent and (known := await self._read_back(proposal, version, doubt)) is not None:
                return known
            try:
                answer = await self._writer.send(self._mission.tenant_id, proposal, version, key)
            except OutcomeUnknown as exc:
                maybe_sent, doubt = True, exc
            except RootUnavailable:
                raise
            except ColonyError as exc:
                if not maybe_sent:
                    return _refused(exc)
                doubt = exc
                break
            else:
                return EffectOutcome("applied", dict(answer))
        return await self._read_back(proposal, version, doubt) or _unknown(doubt)

    async def _read_back(
        self, proposal: WritebackProposal, version: str | None, doubt: ColonyError
    ) -> EffectOutcome | None:
        """Return what became of a write that may have been sent; None when it was not done, and may be sent."""
        try:
            seen = await self._writer.shown(self._mission.tenant_id, proposal, version)
        except RootRefused as exc:
            return _unknown(exc)
        match seen.shown:
            case Shown.UNDONE:
                return None
            case Shown.DONE:
                etag = seen.etag if await self._undisturbed(proposal, seen) else None
                return EffectOutcome("applied", {"code": "read_back", **({"etag": etag} if etag else {})})
            case Shown.CHANGED | Shown.UNKNOWN:
                return _unknown(doubt)

    async def _undisturbed(self, proposal: WritebackProposal, seen: ReadBack) -> bool:
        """Whether the version that was read back may stand for the one this write made.

        Somebody may have changed the object since: what the mission's other writes to it would change must be as they
        found it, or as they left it.
        """
        others = [p for p in await self._ledger.grants() if p.target == proposal.target and p.operation == "patch"]
        return all(seen.holds(p.after) or seen.holds(p.before or {}) for p in others)


_OPEN = frozenset({"intended", "unknown"})
_SENDINGS = 2


def _refused(exc: ColonyError) -> EffectOutcome:
    status = "conflicted" if isinstance(exc, PreconditionStale) else "failed"
    return EffectOutcome(status, {"code": exc.code, "reason": exc.message})


def _unknown(doubt: ColonyError) -> EffectOutcome:
    return EffectOutcome("unknown", {"code": doubt.code, "reason": doubt.message})


def said(proposal: WritebackProposal) -> str:
    """Return the hash of what a proposal would send."""
    p = proposal
    return payload_sha256(p.target, p.operation, p.precondition, p.before, p.after)
