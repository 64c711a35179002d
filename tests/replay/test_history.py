"""A mission's past as it is shown: the same in pages as at once, and differences that leave nothing out."""

from typing import Any

import pytest

from tests.graph.lab import Lab
from tests.graph.test_record import retried
from tests.replay.test_fork import checkpoints, forked

API = "/api/colony/missions"
PARTS = [
    "The service charge of {0} is {0}0 per square metre and year. " + "Nobody asked about anything else. " * 60
] * 4
DOCUMENT = {"document_id": "D-1", "title": "Charges", "source": "charges.md", "media_type": "text/markdown"}
TEXT = "\n\n".join(f"# House {n}\n\n{part.format(n + 1)}" for n, part in enumerate(PARTS))


async def got(lab: Lab, path: str, **params: Any) -> dict[str, Any]:
    answer = await lab.service.client.get(f"{API}/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.long
async def test_pages_of_checkpoints_say_what_the_whole_says(lab: Lab) -> None:
    mission_id = (await retried(lab))["mission_id"]
    whole = (await got(lab, f"{mission_id}/checkpoints", limit=200))["items"]
    assert len({item["parent_id"] for item in whole}) < len(whole), "a retry goes on from an earlier checkpoint"
    paged: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while cursor is not None and len(paged) <= len(whole):
        page = await got(lab, f"{mission_id}/checkpoints", limit=2, **cursor)
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert paged == whole


async def test_passages_of_one_document_are_told_apart(lab: Lab) -> None:
    await lab.service._put("documents", [{**DOCUMENT, "text": TEXT}])
    mission = await lab.mission(mission_type="oracle_advisory", inputs={"question": "What is the service charge?"})
    mission_id, found = mission["mission_id"], checkpoints(lab, mission["mission_id"])
    evidence = [row["payload"] for row in await lab.service.artifacts(mission_id, "research_artifact")]
    assert len(evidence) > 1
    assert len({piece["source"]["id"] for piece in evidence}) == 1
    told = await got(lab, f"{mission_id}/diff", **{"from": found[0], "to": found[-1]})
    new = [one["source"] for one in told["artifacts"] if one["kind"] == "research_artifact"]
    assert len(new) == len(set(new)) == len(evidence)
    edited = evidence[1] | {"text": evidence[1]["text"].replace("service charge", "service fee", 1)}
    fork = await forked(lab, mission_id, found[-1], {"evidence": [edited]})
    await lab.run(fork)
    ends = {"from": found[-1], "to": checkpoints(lab, fork)[-1], "other": fork}
    nowhere = await lab.service.client.get(f"{API}/{mission_id}/diff", params={**ends, "other": f"{fork}\x00"})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "mission_not_found")
    across = await got(lab, f"{mission_id}/diff", **ends)
    [piece] = [one for one in across["artifacts"] if one["kind"] == "research_artifact"]
    assert piece["from"] is not None
    assert [change["path"] for change in piece["changes"]] == ["text"]
