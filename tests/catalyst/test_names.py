"""By which names a table is found, and which tables come with it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.root.client import RootClient
from adapters.root.tables import RootTables
from contracts.errors import BadInput, NotFound
from tests.support import Service

CSV = "text/csv"
DEALS = "deal,product,value\n1,A,5\n2,B,6\n"
DOCUMENTS = [
    ("north__deals.csv", "north/deals.csv", CSV, DEALS),
    ("north__products.csv", "north/products.csv", CSV, "product,series\nA,one\nB,two\n"),
    ("north__more.csv", "north/more.csv", CSV, "deal,product,value\n3,A,7\n"),
    ("south__deals.csv", "south/deals.csv", CSV, DEALS),
    ("south__products.csv", "south/products.csv", CSV, "product,series\nA,south\n"),
    ("report.md", "report.md", "text/markdown", "# Report"),
    ("prices.csv", "prices.csv", CSV, "product,price\nA,1\n"),
]


@pytest.fixture
async def root(service: Service) -> AsyncIterator[RootClient]:
    client = RootClient(f"{service.client.base_url}/root")
    yield client
    await client.aclose()


@pytest.fixture
async def tables(service: Service, root: RootClient) -> RootTables:
    names = ("document_id", "source", "media_type", "text")
    items = [{**dict(zip(names, d, strict=True)), "title": d[0]} for d in DOCUMENTS]
    columns = ["product", "leads"]
    campaign = {"campaign_id": "spring", "columns": columns, "total": 1, "rows": [{"product": "A", "leads": "1"}]}
    for kind, records in (("documents", items), ("campaigns", [campaign])):
        answer = await service.client.post(f"/root/import/{kind}", json={"items": records})
        assert not answer.json()["rejected"], answer.text
    return RootTables(root, "demo")


def ids(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(item["entity"], item["id"]) for item in items]


FOUND = {
    "a-campaign": ("spring", [("table", "spring"), ("lookup", "prices.csv")]),
    "a-campaigns-file": ("spring.csv", [("table", "spring"), ("lookup", "prices.csv")]),
    "a-document": ("prices.csv", [("table", "prices.csv"), ("lookup", "spring")]),
    "an-id": ("south__deals.csv", [("table", "south__deals.csv"), ("lookup", "south__products.csv")]),
    "a-source": ("north/deals.csv", [("table", "north__deals.csv"), ("lookup", "north__products.csv")]),
    "a-files-stem": ("more", [("table", "north__more.csv"), ("lookup", "north__products.csv")]),
    "a-folder": ("north", [("table", "north__deals.csv"), ("lookup", "north__products.csv")]),
}
NOT_FOUND = {
    "nothing": ("autumn", NotFound, "dataset_not_found"),
    "two-documents": ("deals", BadInput, "dataset_ambiguous"),
    "no-table": ("report.md", BadInput, "not_a_table"),
    "out-of-the-root": ("../../etc/passwd", NotFound, "dataset_not_found"),
    "dots": ("..", NotFound, "dataset_not_found"),
}


async def test_a_table_is_found_by_each_of_its_names_with_the_tables_beside_it(tables: RootTables) -> None:
    for case, (name, found) in FOUND.items():
        assert ids(await tables.dataset(name)) == found, case


async def test_a_name_of_no_one_table_is_refused(tables: RootTables) -> None:
    for case, (name, error, code) in NOT_FOUND.items():
        with pytest.raises(error) as told:
            await tables.dataset(name)
        assert told.value.code == code, case


async def test_another_tenants_tables_are_not_there(root: RootClient, tables: RootTables) -> None:
    del tables
    others = RootTables(root, "someone-else")
    with pytest.raises(NotFound):
        await others.dataset("prices.csv")
    with pytest.raises(NotFound):
        await others.campaign("spring")
