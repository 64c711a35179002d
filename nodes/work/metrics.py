"""Compute metrics: every total and rate of the mission's table, by a table engine, with the formula of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from contracts.classes import period
from contracts.evidence import Citation, Claim, ResearchArtifact, WorkerResult
from contracts.tables import metric_key
from nodes.tables.choice import deciding
from nodes.tables.evaluate import Computed, computed, needed
from nodes.tables.profile import Profile, profile_of
from nodes.tables.quality import remarks, risks
from nodes.tables.sheet import read_sheet
from nodes.tables.wanted import wanted
from nodes.wording import metric_text
from nodes.work.context import WorkContext, claim

MAIN, LOOKUP = "table", "lookup"
"""The entities that the mission's table and the tables it refers to are gathered as."""

_WHOLE_QUOTE = 4_000
_UNDEFINED_SHOWN = 6
_MOST_MENDED = 20


async def compute_metrics(ctx: WorkContext) -> WorkerResult:
    """Compute everything the table gives, and say what it does not give."""
    main, others = tables_of(ctx)
    profile = await asyncio.to_thread(_profile, main, others, ctx)
    every = await _computed(ctx, profile)
    metrics = [one.metric for one in every]
    decides = {key: deciding(metrics, key) for key in (None, *(g.key for g in profile.groupings))}
    claims = [_claim(ctx, main, profile, one) for one in every if _is_claimed(one, decides)]
    undefined = _undefined(every)
    return WorkerResult(
        task_key=ctx.task.task_key,
        claims=tuple({c.claim_id: c for c in claims}.values()),
        findings=(*remarks(profile), *undefined),
        grounds=dict.fromkeys((*remarks(profile), *undefined), ()),
        outputs={
            "metrics": [one.metric.model_dump(mode="json") for one in every],
            "risks": risks(profile),
            "groupings": [g.key for g in profile.groupings],
            "totals": [f"{name}_total" for name in profile.meaning.measures],
            "joins": list(islice(_mendable(profile), _MOST_MENDED)),
        },
    )


def _mendable(profile: Profile) -> Iterator[dict[str, str]]:
    for join in profile.refers.joins:
        for value in join.unmatched:
            if (alike := join.alike(value)) is not None:
                yield {"key": join.key, "table": join.sheet.name, "value": value, "alike": alike}


def _is_claimed(one: Computed, decides: Mapping[str | None, str | None]) -> bool:
    """Tell whether a metric is stated as a claim: headlines, and each group's deciding rate."""
    whole = one.wanted.headline and one.wanted.grouping is None
    return one.metric.value is not None and (whole or one.metric.name == decides[one.wanted.grouping])


def tables_of(ctx: WorkContext) -> tuple[ResearchArtifact, list[ResearchArtifact]]:
    """Return the mission's table and those it may refer to.

    Raises:
        BadInput: no table was gathered.
    """
    gathered = [a for need in ctx.task.needs for a in ctx.of(need)]
    main = next((a for a in gathered if a.source.entity == MAIN), None) or ctx.first(ctx.task.needs[0])
    others = [a for a in gathered if a.source.entity == LOOKUP]
    return main, sorted(others, key=lambda a: a.source.id)


def _profile(main: ResearchArtifact, others: Sequence[ResearchArtifact], ctx: WorkContext) -> Profile:
    sheets = [read_sheet(a.source.id, a.text) for a in others]
    return profile_of(read_sheet(main.source.id, main.text), sheets, period(ctx.envelope.inputs))


async def _computed(ctx: WorkContext, profile: Profile) -> list[Computed]:
    if not profile.rows:
        return []
    every = wanted(profile)
    asked = needed(every)
    groupings = list(dict.fromkeys(one.grouping for one in every))
    totals = await ctx.ports.tables.totals(profile.frame(), asked, groupings)
    by = dict(zip(groupings, totals, strict=True))
    return await asyncio.to_thread(computed, profile, every, asked, by)


def _undefined(every: Sequence[Computed]) -> list[str]:
    """Say which metrics have no value and why, those of one kind together."""
    reasons: dict[tuple[str, str], list[Any]] = {}
    for one in every:
        if one.why is not None:
            reasons.setdefault((one.metric.name, one.why), []).append(one)
    found = []
    for (name, why), of_kind in reasons.items():
        places = [f"{c.metric.group or 'all rows'} ({c.metric.rows} rows)" for c in of_kind]
        more = f" and {len(places) - _UNDEFINED_SHOWN} more" if len(places) > _UNDEFINED_SHOWN else ""
        found.append(f"{name} can't be computed: {why} for {', '.join(places[:_UNDEFINED_SHOWN])}{more} [{name}].")
    return found


def _claim(ctx: WorkContext, main: ResearchArtifact, profile: Profile, one: Computed) -> Claim:
    """State a metric on the ground of the table itself: all of it when it is small, its header when it is large."""
    metric = one.metric
    end = len(main.text.rstrip("\n")) if len(main.text) <= _WHOLE_QUOTE else profile.sheet.header
    citation = Citation(artifact_id=main.artifact_id, quote=main.text[:end], start=0, end=end)
    key = metric_key(metric)
    made = claim(
        ctx.task,
        main.source.id,
        key,
        str(metric.value),
        (citation,),
        text=metric_text(metric),
        confidence=1.0,
    )
    asked = ctx.envelope.inputs.get("period")
    return made.model_copy(update={"unit": metric.unit, "time": None if asked is None else str(asked)})
