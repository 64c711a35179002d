"""The demo's data: where the sample is, which lead and which question are shown, and how they are set back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from contracts.errors import Conflict, NotFound
from server.import_report import ImportReport
from server.root_import import ImportSources, import_files

if TYPE_CHECKING:
    from adapters.root.client import RootClient

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "agency"
TENANT = "demo"
LEAD = "L-1001"
LEAD_EMAIL = "ines.cw@example.com"
PAGE = "reservation-fee"
QUESTION = "How much is the reservation fee, and is it refunded?"


@dataclass(frozen=True)
class Stop:
    """One mission of the demo.

    Attributes:
        path: the root's object that the mission proposes to change.
        fields: its fields that are read back from the root.
    """

    title: str
    request: dict[str, Any]
    path: str
    fields: tuple[str, ...]


STOPS = (
    Stop(
        title=f"CRM: what do we know about lead {LEAD}, and what should happen next?",
        request={
            "mission_type": "crm_lead_intelligence",
            "user_goal": "What do we know about this lead, and what should we do next?",
            "origin_surface": "crm",
            "inputs": {"lead_id": LEAD},
        },
        path=f"/api/crm/leads/{LEAD}",
        fields=("stage",),
    ),
    Stop(
        title=f"Oracle: {QUESTION}",
        request={
            "mission_type": "oracle_advisory",
            "user_goal": "Answer from our own documents, and keep the answer on the page.",
            "origin_surface": "oracle",
            "inputs": {"question": QUESTION, "page": PAGE},
        },
        path=f"/api/oracle/pages/{PAGE}",
        fields=("advisory",),
    ),
)


async def set_back(root: RootClient) -> ImportReport:
    """Bring the sample into the root, and what an earlier demo changed back to what it was.

    Raises:
        NotFound: the sample is not beside the package.
        Conflict: a lead of the same id is somebody's own.
    """
    from adapters.root.records import PageRecord

    if not SAMPLES.is_dir():
        raise NotFound("the sample data is not there", code="sample_missing", hint="Run it from a checkout of Colony.")
    await _keep_out_of_the_way(root)
    sources = ImportSources(
        SAMPLES / "leads.csv", SAMPLES / "chats.jsonl", SAMPLES / "documents", SAMPLES / "campaigns.csv"
    )
    report = await import_files(root, TENANT, sources)
    page = PageRecord(page_id=PAGE, attributes={"title": "The reservation fee", "text": "What buyers ask most."})
    await root.put(TENANT, "pages", [page])
    return report


async def _keep_out_of_the_way(root: RootClient) -> None:
    try:
        lead = await root.get_lead(TENANT, LEAD)
    except NotFound:
        return
    if lead.data.get("email") != LEAD_EMAIL:
        raise Conflict(
            f"COLONY_HOME holds a lead {LEAD} that is not the sample's",
            code="not_the_sample",
            hint="Give the demo a folder of its own: COLONY_HOME=.colony-demo make demo.",
        )


async def read_back(client: httpx.AsyncClient, stop: Stop) -> dict[str, Any]:
    """Return the shown fields as the root has them, asked over HTTP like any other."""
    answer = await client.get(f"/root{stop.path}", headers={"X-Colony-Tenant": TENANT})
    answer.raise_for_status()
    found = answer.json()
    return {field: found.get(field) for field in stop.fields}
