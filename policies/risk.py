"""Risk classification: what a mission's class, inputs and words say about how carefully it must be handled.

Table-driven and pure. The class and the inputs set the base; words can only raise it, never lower it, and never give a
mission more autonomy.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts import ports
from contracts.mission import AutonomyTier, Level, MissionClass, MissionRequest, ReviewLevel, Sensitivity

_LEVELS = tuple(Level)
_SENSITIVITIES = tuple(Sensitivity)
_USUAL_ITEMS = 50
_ONE_OF = ("lead_id", "page", "campaign_id", "dataset")


@dataclass(frozen=True)
class Classification(ports.Classification):
    """How carefully a mission must be handled, and which signals said so."""

    risk_level: Level
    sensitivity_class: Sensitivity
    autonomy_tier: AutonomyTier
    review_level: ReviewLevel
    signals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Base:
    """Where a mission class starts."""

    risk: Level
    sensitivity: Sensitivity
    autonomy: AutonomyTier


BASES: dict[MissionClass, Base] = {
    MissionClass.CRM_LEAD_INTELLIGENCE: Base(Level.MEDIUM, Sensitivity.PERSONAL, AutonomyTier.ASSISTED),
    MissionClass.ORACLE_ADVISORY: Base(Level.LOW, Sensitivity.INTERNAL, AutonomyTier.ADVISE),
    MissionClass.CATALYST_STRATEGY_BRIEF: Base(Level.LOW, Sensitivity.INTERNAL, AutonomyTier.ADVISE),
}


@dataclass(frozen=True)
class Signal:
    """Something in a mission that raises its risk; ``pattern`` is searched in the folded words of goal and inputs."""

    name: str
    pattern: re.Pattern[str] | None
    risk: Level = Level.HIGH
    review: ReviewLevel = ReviewLevel.PERSON
    sensitivity: Sensitivity = Sensitivity.PUBLIC


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


_THINGS = (
    r"(leads?|contacts?|customers?|clients?|records?|pages?|documents?|files?|data(base)?|accounts?|chats?|notes?)"
)
_EVERY = r"(all|every|each|entire|whole|everyone|everybody|everything|bulk|mass)"
_CURRENCY = r"(usd|eur|gbp|inr|aed|rs)"
_MONEY = rf"([$€£₹]\s?\d|\d[\d.,]{{0,20}}\s?({_CURRENCY}|crores?|cr|lakhs?|million|k)\b|\b{_CURRENCY}\.?\s?\d)"

SIGNALS: tuple[Signal, ...] = (
    Signal(
        "sends", _words(rf"\b(send|e-?mail|text|sms|whatsapp|message|call|notify|forward|publish|post)\s+{_EVERY}\b")
    ),
    Signal(
        "sends",
        _words(
            r"\b(send|forward|publish)\b.{0,40}\b(message|e-?mail|mail|sms|text|whatsapp|reply|offer|contract|them|him|her)"
        ),
    ),
    Signal("deletes", _words(rf"\b(delet\w*|eras\w*|purg\w*|wip(e|ed|ing)|remov\w*)\b.{{0,40}}\b{_THINGS}\b")),
    Signal("deletes", _words(rf"\b(delete|erase|purge|wipe|remove)\s+({_EVERY}|it|them|him|her)\b")),
    Signal(
        "transfers",
        _words(r"\b(transfer|wire|pay|refund|charge|remit)\b.{0,40}\b(money|funds?|amount|deposit|payment)\b"),
    ),
    Signal("transfers", _words(rf"\b(transfer|wire|pay|refund|charge|remit)\b.{{0,40}}{_MONEY}")),
    Signal("reassigns", _words(rf"\b(transfer|reassign|hand over|move)\b.{{0,40}}\b({_EVERY}|owner\w*)\b")),
    Signal("bulk", _words(rf"\b{_EVERY}\b.{{0,20}}\b(leads|contacts|customers|clients|records|accounts|chats)\b")),
    Signal(
        "exports",
        _words(rf"\b(export|download|dump|exfiltrat\w*|scrape|copy out|back ?up)\b.{{0,40}}\b({_THINGS}|{_EVERY})\b"),
    ),
    Signal("secrets", _words(r"\b(passwords?|credentials?|api[ _-]?keys?|secret keys?|access tokens?)\b")),
    Signal(
        "evades",
        _words(
            r"\b(ignor\w*|disregard\w*|bypass\w*|overrid\w*|skip\w*)\b.{0,40}\b(instructions?|rules?|polic\w+|approvals?|reviews?)\b"
        ),
    ),
    Signal("evades", _words(r"\bwithout\b.{0,20}\b(approval|asking (me|us|any\w*|first)|review|permission|telling)\b")),
    Signal("amount", _words(_MONEY), risk=Level.MEDIUM, review=ReviewLevel.STANDARD),
    Signal(
        "personal data",
        _words(r"[\w.+-]{1,64}@[\w-]{1,64}\.[a-z]{2,}|\+\d[\d ()-]{7,17}\d"),
        risk=Level.MEDIUM,
        review=ReviewLevel.STANDARD,
        sensitivity=Sensitivity.PERSONAL,
    ),
)
"""What raises a risk by words. An amount alone is medium; an amount that is to be moved is high."""

_A_LEAD = Signal("reads a lead", None, Level.MEDIUM, ReviewLevel.STANDARD, Sensitivity.PERSONAL)
_MANY = Signal("names unusually many things", None)
_NOT_ONE = Signal("does not name exactly one thing", None)


def classify(
    mission_class: MissionClass, goal: str, inputs: Mapping[str, Any], requested_outputs: Sequence[str]
) -> Classification:
    """Classify a mission before anything of it has run."""
    base = BASES[mission_class]
    found = [*_spoken(_folded([goal, *_strings(inputs), *requested_outputs])), *_structural(inputs)]
    return Classification(
        risk_level=max((base.risk, *(s.risk for s in found)), key=_LEVELS.index),
        sensitivity_class=max((base.sensitivity, *(s.sensitivity for s in found)), key=_SENSITIVITIES.index),
        autonomy_tier=AutonomyTier.ASSISTED if _wants_writes(inputs, requested_outputs) else base.autonomy,
        review_level=ReviewLevel.PERSON if any(s.review is ReviewLevel.PERSON for s in found) else ReviewLevel.STANDARD,
        signals=tuple(sorted({s.name for s in found})),
    )


def classify_request(request: MissionRequest) -> Classification:
    """Classify a submission; satisfies ``contracts.ports.ClassifierPort``."""
    return classify(request.mission_type, request.user_goal, request.inputs, request.requested_outputs)


def _spoken(words: str) -> Iterator[Signal]:
    return (s for s in SIGNALS if s.pattern and s.pattern.search(words))


def _structural(inputs: Mapping[str, Any]) -> Iterator[Signal]:
    if inputs.get("lead_id"):
        yield _A_LEAD
    # The fact schema is a list of records, and a long one asks much about one lead, not about many.
    if any(isinstance(v, list) and sum(isinstance(i, str | int) for i in v) > _USUAL_ITEMS for v in inputs.values()):
        yield _MANY
    named = [inputs[key] for key in _ONE_OF if inputs.get(key) is not None]
    if any(not isinstance(v, str | int) or str(v).strip().casefold() in {"", "*", "all", "any", "%"} for v in named):
        yield _NOT_ONE


def _wants_writes(inputs: Mapping[str, Any], requested_outputs: Sequence[str]) -> bool:
    return bool(inputs.get("page")) or any("write" in name.casefold() for name in requested_outputs)


def _folded(texts: Sequence[str]) -> str:
    """Join texts so that look-alike forms and invisible characters can't hide a word."""
    plain = unicodedata.normalize("NFKC", "\n".join(texts)).casefold()
    return "".join(c for c in plain if unicodedata.category(c) != "Cf")


def _strings(value: Any) -> Iterator[str]:
    """Yield every string in plain JSON, keys too; without recursion, since a requester chooses the depth."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case Mapping() as record:
                waiting.extend(record.keys())
                waiting.extend(record.values())
            case list() | tuple() as items:
                waiting.extend(items)
            case _:
                pass
