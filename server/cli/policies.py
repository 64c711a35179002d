"""The commands about policy rules: check them, explain a decision, and try other rules on history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.errors import BadInput
from server.cli import own_rules
from server.cli.output import Exit, Json, Screen, emit, one_line, print_error
from server.cli.session import against

if TYPE_CHECKING:
    from policies.checking import Checked
    from server.cli.api import Api

Rules = Annotated[
    Path | None,
    typer.Option(help="A directory: your own files over the shipped rules, or a whole set with its schema."),
]
Given = Annotated[Path, typer.Option("--rules", help="A directory: your own files, or a whole set with its schema.")]
Decision = Annotated[str, typer.Argument(metavar="DECISION_ID", help="As `colony gates` shows it.", show_default=False)]
Since = Annotated[str | None, typer.Option(help="How far back: a time, or 90m, 24h, 7d; all of history if not given.")]
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The rules that decide what may be done.")
    for name, command in (
        ("check", check),
        ("explain", explain),
        ("what-if", what_if),
        ("list", own_rules.versions),
        ("show", own_rules.show),
        ("diff", own_rules.diff),
        ("put", own_rules.put),
        ("activate", own_rules.activate),
    ):
        group.command(name)(command)
    app.add_typer(group, name="policies")


def check(rules: Rules = None, as_json: Json = False) -> None:
    """Validate rules, list them, say what is certainly wrong with them, and run the tests beside them (tests.yaml)."""
    from policies.checking import checked, shipped_files
    from policies.engine import PolicyEngine
    from server.policysets import checked_told

    shipped = PolicyEngine.load()
    found = checked(shipped_files() if rules is None else own_rules.files_in(rules), shipped)
    wrong = bool(found.problems) or any(finding.severity == "error" for finding in found.findings)
    if as_json:
        told = checked_told(found, shipped=True)
        broken = {"code": "policy_invalid", "detail": found.problems[0]} if found.problems else {}
        emit({**told, "ok": not wrong, **broken})
    else:
        _show_check(found)
    for problem in found.problems:
        print_error("policy_invalid", problem, "Mend the rule, then run `colony policies check`.")
    if wrong:
        raise typer.Exit(Exit.FAILED)


def _show_check(found: Checked) -> None:
    if found.engine is None:
        return
    screen = Screen()
    rows = (
        [r.layer.value, r.rule_id, "escalate" if r.escalate else r.effect, r.escalate or r.reason, r.file]
        for r in found.engine.rules
    )
    screen.table(("layer", "rule", "effect", "reason", "file"), rows)
    for one in found.findings:
        screen.line(f"{one.severity}: {one.file}, rule {one.rule_id}: {one.message} ({one.code})", "yellow")
    if found.untested and found.results.passed:
        screen.line(f"no test is about {', '.join(found.untested)}")
    tests = found.results
    screen.line(f"{tests.passed} tests passed, {len(tests.failed)} failed")
    screen.line(f"{len(found.engine.rules)} rules are valid, sha256 {found.engine.rules_sha256}")


def explain(decision_id: Decision, as_json: Json = False) -> None:
    """Explain a decision: its inputs, the rules that determined it, and what would have changed it."""

    async def work(api: Api) -> dict[str, Any]:
        return await api.get(f"/policies/decisions/{decision_id}")

    found = against(work)
    if as_json:
        emit(found)
        return
    screen = Screen()
    screen.line(f"{found['action']} ({found['layer']}): {found['outcome']}, because {'; '.join(found['reasons'])}")
    if found["reproduced"] is None:
        screen.line("The rules of then are not kept, or could not be used: it can't be asked again under them.")
    elif not found["reproduced"]:
        screen.line("Asked again under the rules of then it is decided otherwise: the record was changed.")
    if found["constitution"]:
        screen.line(f"Beyond the constitution, whatever the rules say: {', '.join(found['constitution'])}.")
    screen.heading("Inputs")
    screen.table(("input", "value"), _inputs(found["inputs"]))
    for rule in found["rules"]:
        screen.heading(f"{rule['rule_id']} ({rule['file']})")
        screen.line(rule["text"])
    screen.heading("What would have changed it")
    rows = [(f"without {', '.join(w['removed'])}", w["outcome"], ", ".join(w["rules"])) for w in found["without"]]
    rows += [
        (
            f"{c['path']}: {one_line(c['was'], 60)} -> {one_line(c['instead'], 60)}",
            c["outcome"],
            ", ".join(c["rules"])
            + (f"; no longer {', '.join(c['stilled'])}" if c["outcome"] == found["outcome"] else ""),
        )
        for c in found["changes"]
    ]
    screen.table(("if", "then", "by"), rows)
    now = found["now"]
    screen.line(f"Under the rules in force now: {now['outcome']}, by {', '.join(now['rules']) or 'no rule'}.")
    screen.line(f"Made in {len(found['missions'])} places, first in {found['missions'][0]['mission_id']}.")


def _inputs(inputs: dict[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []

    def walk(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(f"{path}.{name}", inner)
        else:
            rows.append((path, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))

    for name in ("principal", "resource"):
        entity = inputs[name]
        rows.append((name, f"{entity['type']} {entity['id']}"))
        walk(name, entity["attrs"])
    walk("context", inputs["context"])
    return rows


def what_if(rules: Given, since: Since = None, as_json: Json = False) -> None:
    """Ask every past question again under other rules and list the decisions that flip; exits 1 if one does."""
    moment = _moment(since)
    body: dict[str, Any] = {
        "files": own_rules.files_in(rules),
        "since_ms": max(0, int(moment.timestamp() * 1000)) if moment else 0,
        "limit": 1_000,
    }
    whole: dict[str, Any] = {"examined": 0, "questions": 0, "flips": [], "unanswerable": []}
    told = Screen(err=True)

    async def work(api: Api) -> None:
        cursor = None
        while True:
            page = await api.post("/policies/what-if", body | ({"cursor": cursor} if cursor else {}))
            for name in ("examined", "questions"):
                whole[name] += page[name]
            for name in ("flips", "unanswerable"):
                whole[name] += page[name]
            whole["rules_sha256"] = page["rules_sha256"]
            whole.setdefault("total", page["total"])
            cursor = page["next_cursor"]
            if cursor is None:
                return
            told.line(f"{whole['examined']} of {whole['total']} decisions, {len(whole['flips'])} flips")

    against(work)
    if as_json:
        emit(whole)
    else:
        _show_flips(whole)
    if whole["flips"]:
        raise typer.Exit(Exit.FAILED)


def _show_flips(whole: dict[str, Any]) -> None:
    screen = Screen()
    flips = sorted(whole["flips"], key=lambda f: f["mission_id"])
    rows = [
        (
            f["mission_id"],
            f["action"],
            f["subject"],
            f"{f['was']} -> {f['now']}",
            ", ".join(f["rules_now"]),
            f["decision_id"],
        )
        for f in flips
    ]
    if rows:
        screen.table(("mission", "action", "about", "outcome", "by", "decision"), rows)
    missions = len({f["mission_id"] for f in flips})
    screen.line(f"{whole['examined']} decisions examined, {len(flips)} flip, in {missions} missions.")
    if whole["unanswerable"]:
        screen.line(
            f"Of {len(whole['unanswerable'])} nothing can be said: their questions don't fit these rules' schema."
        )


def _moment(since: str | None) -> datetime | None:
    if since is None:
        return None
    if since[-1:] in _UNITS and since[:-1].isdecimal():
        return datetime.now(UTC) - timedelta(seconds=int(since[:-1]) * _UNITS[since[-1]])
    try:
        moment = datetime.fromisoformat(since)
    except ValueError as exc:
        raise BadInput(
            "--since is neither a time nor a duration", hint="As 2026-11-21T09:00Z, 90m, 24h or 7d."
        ) from exc
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
