"""The brief: findings, what to change and risks, each from computed metrics alone and naming the one it stands on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from contracts.evidence import Grounds, WorkerResult
from contracts.packets import Metric
from contracts.tables import metric_key
from nodes.tables.choice import ENOUGH_ROWS, Ends, ends
from nodes.tables.lexicon import RATES
from nodes.work.context import WorkContext

_MEANING = {rate.name: rate.meaning for rate in RATES} | {
    "conversion_rate": "conversion rate",
    "win_rate": "share of decided deals that were won",
    "spend_share": "share of the spend",
}
_RANKED = "compute_metrics"
_MOST_STEPS = 6
_FEW_OF, _FEW = ("sales_total", "conversions_total"), 10


async def state_findings(ctx: WorkContext) -> WorkerResult:
    """State the overall rates and totals, and where the deciding rate is best and worst."""
    metrics = _metrics(ctx)
    overall = [m for m in metrics if m.group is None and m.value is not None]
    findings = [f"{_named(m)} is {_value(m)}: {m.formula} [{metric_key(m)}]." for m in overall if m.name in _MEANING]
    totals = [m for m in overall if m.name in {"won_count", "lost_count"} or _is_headline_total(ctx, m)]
    findings += [f"{m.name} is {_value(m)} over {m.rows} rows: {m.formula} [{metric_key(m)}]." for m in totals]
    for end in _ends(ctx, metrics):
        findings.append(
            f"By {end.grouping}, {_named(end.best)} is best for {_group(end, end.best)} ({_value(end.best)}) and worst "
            f"for {_group(end, end.worst)} ({_value(end.worst)}) [{metric_key(end.best)}; {metric_key(end.worst)}]."
        )
    return WorkerResult(task_key=ctx.task.task_key, findings=tuple(findings), grounds=_grounds(ctx, findings))


async def recommend_changes(ctx: WorkContext) -> WorkerResult:
    """Recommend what the rates themselves say; without rates, what is needed to have some."""
    metrics = _metrics(ctx)
    steps = [_step(end) for end in _ends(ctx, metrics) if not end.of_time][:_MOST_STEPS]
    steps += [
        f"Correct {j['key']} '{j['value']}' to '{j['alike']}', as {j['table']} has it, and its rows count [rows]."
        for j in ctx.results[_RANKED].outputs["joins"]
    ]
    undefined = sorted({m.name for m in metrics if m.value is None and m.name in _MEANING})
    if undefined:
        steps.append(f"Record what is needed for {', '.join(undefined)}: a denominator is zero or missing.")
    if not metrics:
        steps.append("Choose a table or a period that has rows: there is nothing to compute from.")
    elif not steps:
        steps.append("Keep things as they are: no rate of this table tells one group from another.")
    return WorkerResult(task_key=ctx.task.task_key, outputs={"next_steps": steps}, grounds=_grounds(ctx, steps))


async def assess_risks(ctx: WorkContext) -> WorkerResult:
    """Say what could mislead who acts on the brief."""
    metrics = _metrics(ctx)
    risks = list(ctx.results[_RANKED].outputs["risks"])
    found = _ends(ctx, metrics)
    if few := [end for end in found if end.few]:
        names = ", ".join(f"{end.few} by {end.grouping}" for end in few)
        risks.append(
            f"groups of fewer than {ENOUGH_ROWS} rows were not called best or worst: {names} [{few[0].best.name}]."
        )
    if found:
        risks.append(
            f"groups differ in more than one thing: that {_named(found[0].best)} differs by {found[0].grouping} does "
            f"not show that {found[0].grouping} is the cause [{found[0].best.name}]."
        )
    risks += [
        f"{_named(end.best)} for {_group(end, end.best)} rests on {_value(m)} alone [{metric_key(m)}]."
        for end in found
        if end.spends and not end.of_time
        for m in metrics
        if m.group == end.best.group and m.name in _FEW_OF and m.value is not None and Decimal(str(m.value)) < _FEW
    ]
    if not metrics:
        risks.append("there is no metric to decide on.")
    told = tuple(f"Risk: {risk}" for risk in risks)
    return WorkerResult(task_key=ctx.task.task_key, findings=told, grounds=_grounds(ctx, told))


def _grounds(ctx: WorkContext, texts: Iterable[str]) -> Grounds:
    """Return the claims that statements rest on, by the metrics that they name at their end."""
    claims = {c.attribute: c.claim_id for c in ctx.results[_RANKED].claims}
    return {text: tuple(claim for key, claim in claims.items() if _names(text, key)) for text in texts}


def _names(text: str, key: str) -> bool:
    return any(f"{before}{key}{after}" in text for before in ("[", "; ") for after in ("]", "; "))


def _metrics(ctx: WorkContext) -> list[Metric]:
    return [Metric.model_validate(m) for m in ctx.results[_RANKED].outputs["metrics"]]


def _ends(ctx: WorkContext, metrics: Sequence[Metric]) -> list[Ends]:
    return ends(metrics, [None, *ctx.results[_RANKED].outputs["groupings"]])


def _is_headline_total(ctx: WorkContext, metric: Metric) -> bool:
    return metric.name in ctx.results[_RANKED].outputs["totals"]


def _step(end: Ends) -> str:
    best, worst = end.best, end.worst
    grounds = f"{_named(best)} is {_value(best)} against {_value(worst)} [{metric_key(best)}; {metric_key(worst)}]"
    if end.spends:
        return f"Move budget from {_group(end, worst)} to {_group(end, best)} ({end.grouping}): {grounds}."
    return (
        f"Put effort first where {end.grouping} is {_group(end, best)}, and look at what {_group(end, worst)} lacks: "
        f"{grounds}."
    )


def _group(end: Ends, metric: Metric) -> str:
    group = str(metric.group)
    return group.removeprefix(f"{end.grouping}=")


def _named(metric: Metric) -> str:
    meaning = _MEANING.get(metric.name)
    return metric.name if meaning is None else f"{meaning} ({metric.name})"


def _value(metric: Metric) -> str:
    """Return a value as a person reads it: a share as a percentage, others to four decimals; the metric has it all."""
    number = Decimal(str(metric.value))
    if metric.unit == "ratio":
        return _rounded(number, 4) if metric.name == "roas" else f"{_rounded(number * 100, 2)}%"
    return f"{_rounded(number, 4)} {metric.unit}"


def _rounded(number: Decimal, places: int) -> str:
    text = f"{number:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
