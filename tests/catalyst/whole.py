"""A table from its text to its metrics and the review of them, without a service around it."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from adapters.tables import DuckTables
from contracts.canonical import clean_text
from contracts.evidence import ResearchArtifact, Source, Trust
from contracts.packets import Metric
from nodes.recompute_metrics import recomputed
from nodes.tables.evaluate import Computed, computed, needed
from nodes.tables.profile import Profile, profile_of
from nodes.tables.quality import remarks, risks
from nodes.tables.sheet import read_sheet
from nodes.tables.wanted import wanted


@dataclass(frozen=True)
class Whole:
    """Everything that was made of a table."""

    profile: Profile
    computed: list[Computed]
    evidence: list[ResearchArtifact]

    @property
    def metrics(self) -> list[Metric]:
        return [one.metric for one in self.computed]

    @property
    def said(self) -> str:
        return " ".join([*remarks(self.profile), *risks(self.profile)])

    def value(self, name: str, group: str | None = None) -> Any:
        [metric] = [m for m in self.metrics if (m.name, m.group) == (name, group)]
        return metric.value

    def wrong(self) -> list[str]:
        """Return the metrics that the reviewer can't confirm."""
        return [f"{k}: {why}" for k, (_, (held, why)) in recomputed(self.metrics, self.evidence).items() if not held]


async def whole(
    text: str, *lookups: tuple[str, str], period: tuple[date, date] | None = None, name: str = "t.csv"
) -> Whole:
    evidence = [_artifact("table", name, text), *(_artifact("lookup", *one) for one in lookups)]
    main, *others = (read_sheet(a.source.id, a.text) for a in evidence)
    profile = profile_of(main, others, period)
    every = wanted(profile) if profile.rows else []
    asked, groupings = needed(every), list(dict.fromkeys(one.grouping for one in every))
    totals = await DuckTables().totals(profile.frame(), asked, groupings) if every else ()
    found = computed(profile, every, asked, dict(zip(groupings, totals, strict=True)))
    return Whole(profile, found, evidence)


def _artifact(entity: str, name: str, text: str) -> ResearchArtifact:
    source = Source(system="root", entity=entity, id=name)
    return ResearchArtifact(need="dataset", kind="table", source=source, text=clean_text(text)[0], trust=Trust.OPERATOR)
