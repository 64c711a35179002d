"""The signature on a pass: what policy let a task call can't be changed, moved or kept longer than it was granted for.

A pass is signed when the scope layer has let it through, in the transaction that stores it, and beside it: equal passes
keep equal hashes. The signature ties its content to tenant, mission, task, plan revision, run (epoch) and expiry. A run
that takes a mission up again countersigns what an earlier one was granted, once, and only what that one's own signature
holds for; so a pass outlives the process that died with it, and no call is made under another run's signature.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from contracts.canonical import canonical_bytes
from contracts.ports import HeldPass, Mission
from contracts.registry import artifact_id
from contracts.tasks import LibrarianPass, PassSeal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class Refused(StrEnum):
    """Why a call was refused; the codes are stable."""

    MISSING = "pass_missing"
    UNSIGNED = "pass_unsigned"
    FORGED = "pass_forged"
    EXPIRED = "pass_expired"
    NOT_GRANTED = "call_not_granted"
    USED_UP = "calls_used_up"
    FORBIDDEN = "call_forbidden"
    BEYOND = "constitution_forbids"

    @property
    def words(self) -> str:
        """What is said to people and models."""
        return _WORDS[self]


_WORDS = {
    Refused.MISSING: "the task holds no pass",
    Refused.UNSIGNED: "nobody signed the task's pass for this run",
    Refused.FORGED: "the signature on the task's pass is not for this pass, task, mission, tenant and run",
    Refused.EXPIRED: "the task's pass has expired",
    Refused.NOT_GRANTED: "the pass grants no such call with these arguments",
    Refused.USED_UP: "the pass's calls are used up",
    Refused.FORBIDDEN: "the rules in force don't allow it",
    Refused.BEYOND: "the constitution does not allow it",
}


@dataclass(frozen=True)
class PassSigner:
    """Signs passes for one deployment.

    Attributes:
        key: the same for every process over a database, and known to no role that the service runs as.
    """

    key: bytes = field(repr=False)

    def sealed(self, mission: Mission, one: LibrarianPass, revision: int, now: datetime) -> PassSeal:
        """Sign a pass for the run that holds the mission, from now for as long as the pass lives."""
        until = _EPOCH + ((now - _EPOCH + one.ttl_ms * _MS) // _MS) * _MS
        bare = PassSeal(
            pass_id=artifact_id(one),
            task_key=one.task_key,
            revision=revision,
            epoch=mission.epoch,
            expires_at=until,
            signature="",
        )
        return bare.model_copy(update={"signature": self._signature(mission, one, bare)})

    def holds(self, mission: Mission, held: HeldPass, seal: PassSeal) -> bool:
        """Tell whether a seal is this deployment's, for exactly this pass of this mission."""
        fits = (seal.task_key, seal.revision) == (held.one.task_key, held.revision)
        return fits and hmac.compare_digest(self._signature(mission, held.one, seal), seal.signature)

    def _signature(self, mission: Mission, one: LibrarianPass, seal: PassSeal) -> str:
        said = [mission.tenant_id, mission.mission_id, one.task_key, seal.revision, seal.epoch, one.sha256()]
        until = (seal.expires_at - _EPOCH) // _MS
        return hmac.new(self.key, canonical_bytes(["colony.pass.v1", *said, until]), hashlib.sha256).hexdigest()


def taken_over(signer: PassSigner, mission: Mission, held: Iterable[HeldPass], now: datetime) -> list[PassSeal]:
    """Countersign, for the run that has the mission now, the passes that only an earlier run's signature holds for."""
    made = []
    for one in held:
        epochs = {seal.epoch for seal in one.seals if signer.holds(mission, one, seal)}
        if epochs and max(epochs) < mission.epoch:
            made.append(signer.sealed(mission, one.one, one.revision, now))
    return made


def live(
    signer: PassSigner, mission: Mission, held: Sequence[HeldPass], task_key: str, now: datetime
) -> LibrarianPass | Refused:
    """Return the pass that a task may use in this run, that of the newest plan revision, or why there is none."""
    own = [one for one in held if one.one.task_key == task_key]
    if not own:
        return Refused.MISSING
    newest = own[-1]
    seals = [seal for seal in newest.seals if seal.epoch == mission.epoch]
    if not seals:
        return Refused.UNSIGNED if not newest.seals else Refused.FORGED
    genuine = [seal for seal in seals if signer.holds(mission, newest, seal)]
    if not genuine:
        return Refused.FORGED
    return newest.one if max(seal.expires_at for seal in genuine) > now else Refused.EXPIRED
