"""The signature on a pass: it holds for one pass, task, mission, tenant, revision, run and time, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.ports import HeldPass, Mission
from contracts.tasks import LibrarianPass, PassSeal
from graph.passes import PassSigner, Refused, live, taken_over
from tests.nodes.bench import NOW, mission
from tests.policies.build import librarian_pass

OURS = PassSigner(b"k" * 32)
ONE = librarian_pass(("root.get_lead", {"lead_id": "L-1"}))
HERE = mission()


def held(one: LibrarianPass = ONE, *seals: PassSeal, revision: int = 1) -> HeldPass:
    return HeldPass(one, revision, seals)


def sealed(mission: Mission = HERE, one: LibrarianPass = ONE, signer: PassSigner = OURS) -> PassSeal:
    return signer.sealed(mission, one, 1, NOW)


def asked(one: HeldPass, task_key: str = "facts", late_s: float = 0.0) -> LibrarianPass | Refused:
    return live(OURS, HERE, [one], task_key, NOW + timedelta(seconds=late_s))


def altered(**changes: Any) -> Callable[[], HeldPass]:
    return lambda: held(ONE, sealed().model_copy(update=changes))


def elsewhere(**changes: Any) -> Callable[[], HeldPass]:
    """A pass that was signed, with the right key, for somebody else; its epoch is made to look like ours."""
    return lambda: held(ONE, sealed(replace(HERE, **changes)).model_copy(update={"epoch": HERE.epoch}))


def changed(**changes: Any) -> Callable[[], HeldPass]:
    return lambda: held(ONE.model_copy(update=changes), sealed())


WIDER = librarian_pass(("root.get_lead", {"lead_id": "L-2"})).grants
THEFTS: dict[str, tuple[Callable[[], HeldPass], Refused]] = {
    "unsigned": (held, Refused.UNSIGNED),
    "another-key": (lambda: held(ONE, sealed(signer=PassSigner(b"x" * 32))), Refused.FORGED),
    "another-tenant": (elsewhere(tenant_id="other"), Refused.FORGED),
    "another-mission": (elsewhere(mission_id="m-2"), Refused.FORGED),
    "another-run": (elsewhere(epoch=1), Refused.FORGED),
    "an-earlier-run": (lambda: held(ONE, sealed(replace(HERE, epoch=1))), Refused.FORGED),
    "another-revision": (lambda: held(ONE, sealed(), revision=2), Refused.FORGED),
    "another-task": (
        lambda: held(ONE, sealed(one=librarian_pass(*[("root.get_lead", {"lead_id": "L-1"})], task_key="other"))),
        Refused.FORGED,
    ),
    "a-longer-life": (altered(expires_at=NOW + timedelta(days=1)), Refused.FORGED),
    "no-signature": (altered(signature=""), Refused.FORGED),
    "other-grants": (changed(grants=WIDER), Refused.FORGED),
    "more-calls": (changed(grants=tuple(g.model_copy(update={"max_calls": 9}) for g in ONE.grants)), Refused.FORGED),
    "a-longer-ttl": (changed(ttl_ms=3_600_000), Refused.FORGED),
    "a-wider-scope": (changed(data_scope=("chat",)), Refused.FORGED),
}


def test_what_was_signed_holds_until_it_expires() -> None:
    assert asked(held(ONE, sealed())) == ONE
    assert asked(held(ONE, sealed()), late_s=59.9) == ONE
    assert asked(held(ONE, sealed()), late_s=60) is Refused.EXPIRED
    assert asked(held(ONE, sealed()), "other") is Refused.MISSING


@pytest.mark.parametrize("theft", THEFTS)
def test_a_stolen_or_altered_pass_is_refused(theft: str) -> None:
    make, why = THEFTS[theft]
    assert asked(make()) is why


@pytest.mark.parametrize("theft", THEFTS)
def test_without_the_signature_a_stolen_or_altered_pass_is_used(theft: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PassSigner, "holds", lambda *_: True)
    make, _ = THEFTS[theft]
    taken = make()
    seals = (*taken.seals, sealed()) if not [s for s in taken.seals if s.epoch == HERE.epoch] else taken.seals
    assert isinstance(asked(replace(taken, seals=seals)), LibrarianPass)


def test_a_run_that_takes_over_countersigns_what_was_signed_before_it_for_as_long_once_more() -> None:
    before = held(ONE, sealed(replace(HERE, epoch=1)))
    late = NOW + timedelta(hours=5)
    [seal] = taken_over(OURS, HERE, [before], late)
    taken = replace(before, seals=(*before.seals, seal))
    assert live(OURS, HERE, [taken], "facts", late + timedelta(seconds=59)) == ONE
    assert live(OURS, HERE, [taken], "facts", late + timedelta(seconds=60)) is Refused.EXPIRED
    assert taken_over(OURS, HERE, [taken], late + timedelta(seconds=60)) == [], "once in a run"


FOREIGN = [name for name in THEFTS if name not in {"an-earlier-run"}]


@pytest.mark.parametrize("theft", FOREIGN)
def test_nothing_is_countersigned_that_was_not_signed_here(theft: str) -> None:
    assert taken_over(OURS, replace(HERE, epoch=3), [THEFTS[theft][0]()], NOW) == []


def test_the_seal_leaves_the_passes_hash_alone() -> None:
    assert sealed().signature != sealed(replace(HERE, mission_id="m-2")).signature
    assert held(ONE, sealed()).one.sha256() == librarian_pass(("root.get_lead", {"lead_id": "L-1"})).sha256()
