"""Imports through the running service, and straight into the database when none runs."""

from pathlib import Path

from tests.server.cli.conftest import Run
from tests.support import Service

LEADS = "lead_id,name,stage,budget_max\nL-7,Ada,new,350000\nL-8,Bo,new,about 300\nL-9,Cy,won,1\n"


def leads(folder: Path, text: str = LEADS) -> str:
    file = folder / "leads.csv"
    file.write_text(text)
    return str(file)


async def test_an_import_goes_through_the_service_and_names_what_it_could_not_take(
    colony: Run, service: Service, tmp_path
):
    ran = await colony("root", "import", "--leads", leads(tmp_path))
    assert ran.code == 1
    assert f"into {service.client.base_url}/root\n" in ran.out
    assert "not taken: leads.csv:3: budget_max: not a number" in ran.out
    assert (await service.lead("L-7"))["name"] == "Ada"
    again = await colony("root", "import", "--leads", leads(tmp_path), "--json")
    assert again.document["tallies"]["leads"] == {"read": 3, "created": 0, "replaced": 0, "unchanged": 2, "rejected": 1}
    assert again.document["errors"][0]["line"] == 3


async def test_an_import_without_a_service_goes_into_the_database(alone: Run, database: str, serve, tmp_path):
    clean = leads(tmp_path, LEADS.replace("about 300", "300"))
    nobody = {"COLONY_SERVICE_BASE_URL": "http://127.0.0.1:9", "DATABASE_URL": database}
    ran = await alone("root", "import", "--leads", clean, **nobody)
    assert ran.code == 0, ran.err
    assert ran.out.startswith("into the database of DATABASE_URL\n")
    assert "postgresql://" not in ran.out + ran.err
    service = await serve()
    assert (await service.lead("L-8"))["budget_max"] == 300


async def test_a_root_that_is_another_product_takes_no_import(alone: Run, tmp_path):
    ran = await alone("root", "import", "--leads", leads(tmp_path), ROOT_API_BASE_URL="http://crm.example")
    assert ran.code == 2
    ran.error("root_not_embedded")
