"""The commands that look at a deployment: doctor, policies, db."""

import shutil
import socket
from pathlib import Path

from policies.rulefiles import RULES_DIRECTORY
from tests.server.cli.conftest import Run


def states(document) -> dict[str, str]:
    return {check["check"]: check["state"] for check in document["checks"]}


async def test_doctor_finds_nothing_wrong_beside_a_running_service(colony: Run, database: str):
    ran = await colony("doctor", "--json", DATABASE_URL=database, PORT="0")
    assert ran.code == 0, ran.out
    assert set(states(ran.document).values()) == {"ok"}
    names = "python settings home rules prompts database constitution service root port models work own_rules"
    assert list(states(ran.document)) == names.split()
    assert database not in ran.out


async def test_doctor_says_what_to_do_where_nothing_runs(alone: Run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wrong = "postgresql://a:b@127.0.0.1:9/c"
        ran = await alone("doctor", "--json", DATABASE_URL=wrong, PORT=str(port), COLONY_TIMEOUT_MS="500")
    assert ran.code == 1
    found = states(ran.document)
    assert (found["database"], found["service"], found["root"], found["port"]) == ("fail", "warn", "warn", "fail")
    assert all(check["do"] for check in ran.document["checks"] if check["state"] == "fail")


async def test_doctor_reports_a_wrong_setting_as_its_finding(alone: Run):
    ran = await alone("doctor", LOG_LEVEL="shouting")
    assert ran.code == 1
    assert "LOG_LEVEL has a wrong value" in ran.out
    assert "one of debug, info, warning, error" in ran.out


async def test_policies_check_lists_the_rules_of_every_layer(alone: Run):
    ran = await alone("policies", "check", "--json")
    assert ran.code == 0
    assert {rule["layer"] for rule in ran.document["rules"]} == {"admission", "scope", "routing", "release"}
    table = await alone("policies", "check")
    assert all(rule["rule_id"] in table.out for rule in ran.document["rules"])


async def test_policies_check_names_the_file_and_rule_that_is_wrong(alone: Run, tmp_path: Path):
    rules = tmp_path / "rules"
    shutil.copytree(RULES_DIRECTORY, rules)
    with (rules / "release.cedar").open("a") as file:
        file.write('\n@id("release.broken") @reason("r") permit (principal, action, resource) when { context.nope };\n')
    ran = await alone("policies", "check", "--rules", str(rules))
    assert ran.code == 1
    assert "release.cedar, rule release.broken" in ran.error("policy_invalid")


async def test_db_migrate_finds_a_current_schema(alone: Run, database: str):
    ran = await alone("db", "migrate", "--json", DATABASE_URL=database)
    assert ran.code == 0, ran.err
    assert ran.document == {"applied": []}
