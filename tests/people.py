"""A company's people before one mission: each with a token of their own, in production."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tests.graph.lab import AS_IT_IS, Lab, Swaps, open_lab
from tests.server.tokens import Issuer
from tests.support import GOAL

RISKY = f"{GOAL} Then send them an offer of 340000 USD."
_ROOT_KEY = {"Authorization": "Bearer a key for the root"}


@cache
def issuer_of_all() -> Issuer:
    """Return one issuer for every test: making keys is most of what it costs."""
    return Issuer()


@dataclass
class Company:
    """A production deployment and the people who use it; ``ada`` asks for the missions."""

    lab: Lab
    issuer: Issuer

    def token(self, who: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.token(sub=who, **claims)}"}

    async def get(self, path: str, who: str = "ada", **claims: Any) -> Any:
        answer = await self.lab.service.client.get(f"/api/colony{path}", headers=self.token(who, **claims))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, who: str, body: dict[str, Any], **claims: Any) -> httpx.Response:
        return await self.lab.service.client.post(f"/api/colony{path}", json=body, headers=self.token(who, **claims))

    async def asks(self, goal: str = RISKY, **body: Any) -> str:
        """Submit a mission of ada's on a lead and run it until it waits."""
        client = self.lab.service.client
        lead = {"lead_id": "L-1", "attributes": {"name": "Ada Marsh", "stage": "contacted"}}
        chat = [{"author": "lead", "text": "My budget is 350k. Can I see Harbour View on Friday at 10:00?"}]
        said = {"conversation_id": "C-1", "lead_id": "L-1", "channel": "whatsapp", "messages": chat}
        headers = _ROOT_KEY | {"X-Colony-Tenant": "acme"}
        for kind, item in (("leads", lead), ("chats", said)):
            answer = await client.post(f"/root/import/{kind}", json={"items": [item]}, headers=headers)
            assert answer.status_code == 200, answer.text
        asked = {"mission_type": "crm_lead_intelligence", "user_goal": goal, "inputs": {"lead_id": "L-1"}, **body}
        answer = await self.post("/missions", "ada", asked)
        assert answer.status_code == 202, answer.text
        mission_id = str(answer.json()["mission_id"])
        waiting = await self.runs(mission_id)
        assert waiting["status"] == "awaiting_approval", waiting["failure"]
        return mission_id

    async def runs(self, mission_id: str, swaps: Swaps = AS_IT_IS) -> dict[str, Any]:
        """Run a mission until it ends or waits."""
        await self.lab.runner(swaps).run(mission_id, "acme")
        return await self.mission(mission_id)

    async def mission(self, mission_id: str) -> dict[str, Any]:
        return dict(await self.get(f"/missions/{mission_id}"))

    async def events(self, mission_id: str, kind: str = "") -> list[dict[str, Any]]:
        found = (await self.get(f"/missions/{mission_id}/events"))["items"]
        return [e for e in found if e["event_type"].startswith(kind)]

    async def answers(
        self, mission_id: str, who: str, verdict: str = "approve", changes: dict[str, Any] | None = None, **claims: Any
    ) -> httpx.Response:
        """Let somebody answer everything that is open alike; ``changes`` are answers of their own, by operation."""
        pending = (await self.mission(mission_id))["pending_approval"]
        return await self.post(
            f"/missions/{mission_id}/approve", who, body_of(pending, verdict, changes or {}), **claims
        )

    async def notes(self) -> list[str]:
        headers = _ROOT_KEY | {"X-Colony-Tenant": "acme"}
        answer = await self.lab.service.client.get("/root/api/crm/leads/L-1/notes", headers=headers)
        return [str(note["text"]) for note in answer.json()["items"]]


def body_of(pending: dict[str, Any], verdict: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return an answer to everything that is pending, bound to what is shown."""
    decisions = []
    for p in pending["proposals"]:
        bound = {"proposal_id": p["proposal_id"], "payload_sha256": p["payload_sha256"]}
        decisions.append(bound | {"verdict": verdict} | changes.get(p["operation"], {}))
    return {"interrupt_id": pending["interrupt_id"], "decisions": decisions}


@asynccontextmanager
async def open_company(database: str, folder: Path, **environment: str) -> AsyncIterator[Company]:
    """Open a production deployment whose people have tokens; nothing runs unless the test says so."""
    issuer = issuer_of_all()
    async with open_lab(database, folder, **{**issuer.settings(folder), **environment}) as lab:
        yield Company(lab, issuer)
