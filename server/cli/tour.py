"""The demo itself: start everything, run each stop's mission to its approval, approve, and prove what was written."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.errors import ColonyError, IntegrityBroken, SettingInvalid
from server.cli import packet
from server.cli.answers import answer_of, decided
from server.cli.api import Api, at, client_of
from server.cli.follow import until_rest
from server.cli.output import Screen, one_line
from server.cli.progress import Progress
from server.cli.root import tallies
from server.cli.stops import STOPS, Stop, read_back, set_back
from server.settings import load_settings

if TYPE_CHECKING:
    from server.settings import Settings


class _Silent(Screen):
    """Shows nothing, for --json."""

    def show(self, *parts: Any) -> None:
        """Show nothing."""


async def tour(*, quiet: bool) -> dict[str, Any]:
    """Run the demo; returns what it did, for programs.

    Raises:
        SettingInvalid: this configuration is not one for a demo, or the port is taken.
        ColonyError: a mission did not come to its approval or its end.
        IntegrityBroken: a bundle does not verify.
    """
    from adapters.root.client import RootClient
    from server.serve import running

    began = time.monotonic()
    screen = _Silent() if quiet else Screen()
    settings = _settings()
    async with running(settings) as colony:
        base = f"http://127.0.0.1:{colony.settings.port}"
        where = (
            "DATABASE_URL" if settings.database_url is not None else f"the embedded PostgreSQL under {settings.home}"
        )
        screen.line(f"Colony serves {base} on {where} ({time.monotonic() - began:.1f} s)", "bold")
        root = RootClient(f"{base}/root", settings.root_api_key)
        try:
            report = await set_back(root)
        finally:
            await root.aclose()
        screen.heading("Sample data: an agency's month, in the embedded root")
        tallies(screen, report)
        async with client_of(base, None, settings.client_timeout_ms / 1000) as api:
            missions = [await _mission(api, stop, settings, screen) for stop in STOPS]
    seconds = time.monotonic() - began
    _what_next(screen, missions, seconds)
    return {"service": base, "home": str(settings.home), "missions": missions, "seconds": round(seconds, 3)}


def _settings() -> Settings:
    """Return settings of a service of its own: a free port unless one was chosen, and the embedded root."""
    found = load_settings()
    if not found.deployment_mode.trusts_loopback:
        raise SettingInvalid(
            f"COLONY_DEPLOYMENT_MODE={found.deployment_mode.value} is no mode for a demo",
            hint="Unset it, and give the demo a COLONY_HOME of its own.",
        )
    port = found.port if "port" in found.model_fields_set else 0
    return load_settings(PORT=port, COLONY_SERVICE_BASE_URL="", ROOT_API_BASE_URL="", LOG_LEVEL="warning")


async def _mission(api: Api, stop: Stop, settings: Settings, screen: Screen) -> dict[str, Any]:
    screen.heading(f"=== {stop.title}")
    before = await read_back(api.client, stop)
    mission_id = str((await api.post("/missions", stop.request))["mission_id"])
    progress, lines = Progress(), list[str]()
    waiting = await until_rest(api, mission_id, lambda event: lines.extend(filter(None, [progress.take(event)])))
    plan = [a["payload"] for a in await api.artifacts(mission_id, "task")]
    _plan(screen, mission_id, plan, lines)
    packet.packet(screen, waiting, packet.sources_of(await api.artifacts(mission_id, "research_artifact")))
    pending = _must(waiting, "awaiting_approval")["pending_approval"]
    packet.approval(screen, pending)
    decisions = decided(pending["proposals"], (), {})
    await api.post(at(mission_id, "approve"), answer_of(pending, decisions, "shown in the demo"))
    screen.heading("Approval")
    screen.line(f"approved {len(decisions)} of {len(decisions)} proposals, each bound to the sha256 of its payload")
    ended = _must(await until_rest(api, mission_id, lambda _event: None), "completed")
    after = await read_back(api.client, stop)
    _written(screen, api, stop, ended, before, after)
    bundle = await _proof(api, mission_id, settings.home / "demo", screen)
    return {"mission": ended, "plan": plan, "before": before, "after": after, "bundle": bundle}


def _must(mission: dict[str, Any], status: str) -> dict[str, Any]:
    if mission["status"] == status:
        return mission
    failure = mission["failure"] or {"code": "unexpected_status", "reason": f"it is {mission['status']}", "hint": ""}
    raise ColonyError(
        f"the mission {mission['mission_id']} did not get to {status}: {failure['reason']}",
        code=failure["code"],
        hint=failure["hint"],
    )


def _plan(screen: Screen, mission_id: str, plan: list[dict[str, Any]], lines: list[str]) -> None:
    screen.line(f"mission {mission_id}")
    screen.heading("Plan")
    rows = (
        [task["task_key"], task["title"], ", ".join(task["depends_on"]) or packet.NOTHING, ", ".join(task["needs"])]
        for task in _in_order(plan)
    )
    screen.table(("task", "what", "after", "reads"), rows)
    screen.heading("Run")
    for line in lines:
        screen.line(line)


def _in_order(plan: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort tasks so that each stands below those it depends on."""
    ordered: list[dict[str, Any]] = []
    left = list(plan)
    while left:
        done = {task["task_key"] for task in ordered}
        ready = [task for task in left if done.issuperset(task["depends_on"])] or left
        ordered += ready
        left = [task for task in left if task not in ready]
    return ordered


def _written(
    screen: Screen, api: Api, stop: Stop, ended: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    screen.heading(f"Written, as read back from GET {api.base_url}/root{stop.path}")
    for field, was, becomes in packet.changes(before, after):
        screen.line(f"  {field}: {one_line(was)} {packet.ARROW} {one_line(becomes)}")
    for write in ended["packet"]["writebacks"]:
        screen.line(f"  {write['operation']} {write['target']['entity']} {write['target']['id']}: {write['status']}")


async def _proof(api: Api, mission_id: str, folder: Path, screen: Screen) -> dict[str, Any]:
    from server.cli.missions import write_file
    from server.verify import verify_bytes

    path = folder / f"{mission_id}.zip"
    content = await api.content(at(mission_id, "bundle"))
    write_file(path, content)
    report = verify_bytes(content)
    screen.heading(f"Audit bundle {path}")
    for check in report.checks:
        screen.line(f"  {'ok    ' if check.ok else 'FAILED'} {check.name:<11} {check.detail}")
    if (failure := report.first_failure) is not None:
        raise IntegrityBroken(f"the bundle does not verify: {failure.detail}")
    screen.line(f"  verified, {len(report.checks)} of {len(report.checks)} checks; the chain's head is {report.head}")
    checks = [{"name": c.name, "ok": c.ok, "detail": c.detail} for c in report.checks]
    return {"path": str(path), "sha256": report.bundle_sha256, "ok": report.ok, "checks": checks}


def _what_next(screen: Screen, missions: list[dict[str, Any]], seconds: float) -> None:
    mission_id, bundle = missions[0]["mission"]["mission_id"], missions[0]["bundle"]["path"]
    screen.heading(f"Done in {seconds:.1f} s. What next")
    for line in (
        "make up                                       # serve it on 127.0.0.1:8080, then, in another shell:",
        f"curl -s http://127.0.0.1:8080/api/colony/missions/{mission_id}",
        f".venv/bin/colony missions show {mission_id}",
        f".venv/bin/colony gates {mission_id}",
        f".venv/bin/colony verify {bundle}",
        '.venv/bin/colony missions submit crm_lead_intelligence --goal "What next?" --input lead_id=L-1007 --watch',
    ):
        screen.line(f"  {line}")
