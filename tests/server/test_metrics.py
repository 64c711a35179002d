"""Prometheus: one mission, counted; nothing of a tenant's on the page; every name in alerts and docs is served."""

import re
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client import parser

from contracts.errors import SettingInvalid
from server.metrics.port import metrics_served
from server.metrics.process import ProcessMetrics
from server.metrics.store import GAUGES, STORE
from tests.adapters.postgres.backdoor import Backdoor
from tests.server.test_rest import API, waiting
from tests.support import Service

ROOT = Path(__file__).parents[2]


class Page(dict[str, float]):
    """A scrape: samples by name and labels, as Prometheus' own parser reads them."""

    def __init__(self, text: str) -> None:
        families = list(parser.text_string_to_metric_families(text))
        self.names = {sample.name for family in families for sample in family.samples}
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        self.names |= {f.name + end for f in families if not f.samples for end in ends.get(f.type, [])}
        self.labels = [sample.labels for family in families for sample in family.samples]
        for family in families:
            for sample in family.samples:
                inner = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
                self[f"{sample.name}{{{inner}}}"] = sample.value

    def total(self, name: str) -> float:
        return sum(value for key, value in self.items() if key.split("{")[0] == name)


async def scrape(client: httpx.AsyncClient, path: str = f"{API}/metrics") -> Page:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


async def test_one_mission_is_counted_from_its_start_to_the_written_change(service: Service) -> None:
    mission_id = str((await waiting(service))["mission_id"])
    asked = await scrape(service.client)
    assert asked["colony_approvals_pending{}"] == 1
    assert asked["colony_missions{status=awaiting_approval}"] == 1
    await service.post(mission_id, "approve")
    mission = await service.settled(mission_id)
    page = await scrape(service.client)
    kind = "mission_type=crm_lead_intelligence"
    assert page[f"colony_missions_started_total{{{kind}}}"] == 1
    assert page[f"colony_missions_ended_total{{{kind},status=completed}}"] == 1
    assert page.total("colony_missions_ended_total") == 1
    tokens = mission["usage"]["tokens_in"] + mission["usage"]["tokens_out"]
    assert page.total("colony_model_tokens_total") == tokens > 0
    assert page.total("colony_model_calls_total") == mission["usage"]["model_calls"]
    events = await service.events(mission_id)
    tools = sum(e["event_type"] == "tool.called" for e in events)
    assert page.total("colony_tool_calls_total") == tools > 0
    decisions = await service.artifacts(mission_id, "policy_decision")
    assert page.total("colony_policy_decisions_total") == len(decisions)
    assert page["colony_approval_wait_seconds_count{outcome=approved}"] == 1
    written = await service.artifacts(mission_id, "writeback")
    assert page["colony_writebacks_total{outcome=applied}"] == len(written) > 0
    for stage in ("admission", "workers", "release_gate", "writeback", "finalize"):
        assert page[f"colony_stage_duration_seconds_count{{{kind},stage={stage}}}"] == 1
    submitted = "colony_http_requests_total{method=POST,route=/api/colony/missions,status=202}"
    assert page[submitted] == 1


async def test_nothing_of_a_tenants_is_on_the_page(service: Service) -> None:
    await service.seed_lead("L-canary", name="Canary Marsh", stage="canarystage")
    mission_id = await service.submit(inputs={"lead_id": "L-canary"}, user_goal="canary goal of ours")
    await service.settled(mission_id)
    await service.client.get(f"{API}/missions/canary-mission/events")
    await service.client.get("/canary/path?q=canary")
    await service.client.request("CANARY", f"{API}/missions")
    text = (await service.client.get(f"{API}/metrics")).text
    assert "canary" not in text.lower()
    assert mission_id not in text
    assert "demo" not in text
    assert 'route="unmatched"' in text


async def test_every_name_in_the_alerts_and_every_series_in_the_docs_is_served(service: Service) -> None:
    page = await scrape(service.client)
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8
    used = {name for rule in rules for name in re.findall(r"\b[a-z]+_[a-z0-9_]+(?=[\s{)\[]|$)", rule["expr"])}
    assert {name for name in used if name.startswith("colony_")} <= page.names
    assert {name for name in used if not name.startswith("colony_")} <= {"mission_type"}
    docs = (ROOT / "docs/observability.md").read_text()
    families = {re.sub(r"_(bucket|sum|count)$", "", n) for n in page.names if n.startswith("colony_")}
    assert families == set(re.findall(r"`(colony_[a-z_]+)`", docs.split("### Alerts")[0]))
    assert {rule["alert"] for rule in rules} == set(re.findall(r"\| `(Colony\w+)` \|", docs))


async def test_what_the_database_gives_is_what_the_table_of_metrics_names(service: Service, database: str) -> None:
    await waiting(service)
    series, gauges = await service.colony.reader.metrics()  # type: ignore[union-attr]
    assert {row["name"] for row in series} <= set(STORE)
    assert {row["name"] for row in gauges} == set(GAUGES)
    named = {row["name"]: set(row["labels"]) for row in [*series, *gauges]}
    assert {name: set((STORE | GAUGES)[name][1]) for name in named} == named
    bounds = {r["name"] for r in Backdoor(database).rows("select name from colony_metric_bounds")}
    assert bounds == {name for name in STORE if not name.endswith("_total")}


async def test_a_worker_serves_its_own_metrics_where_it_is_told_to(spawn) -> None:
    worker = spawn("worker", "--metrics-port", "0")
    page = await scrape(httpx.AsyncClient(), f"{await worker.ready()}/metrics")
    assert page["colony_missions_at_work{}"] == 0
    assert page["colony_db_pool_max{pool=runs}"] == 8
    assert page.total("process_resident_memory_bytes") > 0


def test_a_metrics_port_that_is_taken_is_said_in_one_line() -> None:
    def metrics() -> ProcessMetrics:
        return ProcessMetrics({}, lambda: 0, lambda: 0)

    with metrics_served(metrics(), "127.0.0.1", 0) as url:
        port = int(url.split(":")[2].split("/")[0])
        with pytest.raises(SettingInvalid, match=f"127.0.0.1:{port} can't be listened on"):
            metrics_served(metrics(), "127.0.0.1", port).__enter__()


@pytest.mark.parametrize("name", sorted(STORE | GAUGES))
def test_names_are_as_prometheus_wants_them(name: str) -> None:
    assert re.fullmatch(r"colony(_[a-z]+)+", name)
    assert not name.endswith("_milliseconds")
