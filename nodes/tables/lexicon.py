"""What columns mean, by the words of their names alone, and the rates that follow from it. Knows no data set."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nodes.tables.cells import Column

Role = Literal["impressions", "clicks", "leads", "visits", "sales", "conversions", "spend", "revenue"]

_WORDS: Mapping[str, Role] = {
    **dict.fromkeys(("impression", "impressions", "impr", "views"), "impressions"),
    **dict.fromkeys(("click", "clicks"), "clicks"),
    **dict.fromkeys(("lead", "leads", "enquiries", "inquiries", "signups"), "leads"),
    **dict.fromkeys(("visit", "visits", "viewings", "sessions"), "visits"),
    **dict.fromkeys(("sale", "sales", "orders", "purchases"), "sales"),
    **dict.fromkeys(("conversion", "conversions"), "conversions"),
    **dict.fromkeys(("spend", "spent", "cost", "costs", "expense", "expenses"), "spend"),
    **dict.fromkeys(("revenue", "income", "turnover", "value"), "revenue"),
}
_NOT_A_SUM = frozenset({"per", "rate", "avg", "average", "mean", "price", "share", "pct", "percent", "index", "idx"})
CURRENCIES = frozenset({"usd", "eur", "gbp", "inr", "aed", "chf", "jpy"})
_FAMILY = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*?)[_.-]([A-Za-z]+)")
OUTCOMES = frozenset({"y", "outcome", "converted", "target", "label", "response", "subscribed", "success", "bought"})
KEYS = frozenset({"id", "key", "code", "no", "nr", "number", "ref", "reference", "sku", "uuid", "guid"})
"""Last words of the names of columns whose numbers are names."""
YES = frozenset({"yes", "true", "1", "y"})
NO = frozenset({"no", "false", "0", "n"})
WON = frozenset({"won", "closed won", "win"})
LOST = frozenset({"lost", "closed lost", "loss"})
UNKNOWN = frozenset({"unknown", "n/a", "na", "not known", "undefined"})
KNOWN_AFTERWARDS = frozenset({"duration", "call_duration", "talk_time"})
"""Columns whose value is only known when the outcome is."""

MONEY: frozenset[Role] = frozenset({"spend", "revenue"})


@dataclass(frozen=True)
class Rate:
    """A rate of two roles; ``better`` is which way is good. A unit of money begins with its columns' currency."""

    name: str
    over: Role
    under: Role
    unit: str
    meaning: str
    better: Literal["high", "low"] = "high"
    scale: int = 1


RATES: tuple[Rate, ...] = (
    Rate("ctr", "clicks", "impressions", "ratio", "click-through rate"),
    Rate("lead_rate", "leads", "clicks", "ratio", "leads per click"),
    Rate("visit_rate", "visits", "leads", "ratio", "visits per lead"),
    Rate("sale_rate", "sales", "leads", "ratio", "sales per lead"),
    Rate("conversion_rate", "conversions", "clicks", "ratio", "conversions per click"),
    Rate("conversions_per_impression", "conversions", "impressions", "per impression", "conversions per impression"),
    Rate("cpm", "spend", "impressions", "per 1,000 impressions", "cost per 1,000 impressions", "low", 1000),
    Rate("cpc", "spend", "clicks", "per click", "cost per click", "low"),
    Rate("cpl", "spend", "leads", "per lead", "cost per lead", "low"),
    Rate("cost_per_visit", "spend", "visits", "per visit", "cost per visit", "low"),
    Rate("cost_per_sale", "spend", "sales", "per sale", "cost per sale", "low"),
    Rate("cost_per_conversion", "spend", "conversions", "per conversion", "cost per conversion", "low"),
    Rate("roas", "revenue", "spend", "ratio", "revenue for each unit of spend"),
    Rate("revenue_per_sale", "revenue", "sales", "per sale", "revenue per sale"),
)


def words(name: str) -> list[str]:
    """Return a column name's words, lower case; camel case is parted."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.findall(r"[a-z]+|[0-9]+", parted.lower())


def role_of(name: str) -> Role | None:
    """Return what a column counts or sums, by its name's last word."""
    said = words(name)
    return None if not said or _NOT_A_SUM.intersection(said) else _WORDS.get(said[-1])


@dataclass(frozen=True)
class Meaning:
    """What a table's numbers are.

    Attributes:
        roles: the columns whose sum is a role; several where each channel has a column of its own.
        channels: by channel, its columns by role: tables with a column for each channel and measure.
        measures: all columns that may be summed in groups.
    """

    roles: Mapping[Role, tuple[str, ...]]
    channels: Mapping[str, Mapping[Role, str]]
    measures: tuple[str, ...]


def meaning_of(columns: Iterable[Column]) -> Meaning:
    """Recognise roles; of several columns with one role the one whose name is that word alone counts, else none."""
    numbers = [c.name for c in columns if c.kind == "number"]
    known = {name: role for name in numbers if (role := role_of(name)) is not None}
    channels = _channels(known)
    by_role: dict[Role, list[str]] = defaultdict(list)
    for name, role in known.items():
        by_role[role].append(name)
    roles: dict[Role, tuple[str, ...]] = {}
    for role, names in by_role.items():
        of_channels = tuple(measures[role] for measures in channels.values() if role in measures)
        if channels and len(of_channels) == len(channels):
            roles[role] = of_channels
        elif (only := _one(names)) is not None:
            roles[role] = (only,)
    return Meaning(roles, channels, tuple(known))


def _one(names: Sequence[str]) -> str | None:
    exact = [name for name in names if len(words(name)) == 1]
    return names[0] if len(names) == 1 else exact[0] if len(exact) == 1 else None


def _channels(known: Mapping[str, Role]) -> dict[str, dict[Role, str]]:
    families: dict[str, dict[Role, str]] = defaultdict(dict)
    for name, role in known.items():
        if match := _FAMILY.fullmatch(name):
            families[match.group(1)].setdefault(role, name)
    spending = {prefix: measures for prefix, measures in families.items() if "spend" in measures}
    return spending if len(spending) > 1 else {}
