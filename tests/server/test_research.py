"""Evidence from documents: passages, not whole documents, with the way back to the text that was imported."""

from tests.support import Service, pretty

FILLER = "The tenant keeps the stairs clean and the landlord keeps the roof tight. " * 40
LONG = "\n\n".join(
    [
        "# House rules",
        *(f"## Section {n}\n\n{FILLER}" for n in range(200)),
        "## Chimneys\n\nThe chimney sweep of Rowan House comes every February and costs 85 euros.",
    ]
)


def document(name: str, text: str) -> dict[str, str]:
    return {"document_id": name, "title": name, "source": f"{name}.md", "media_type": "text/markdown", "text": text}


async def ask(service: Service, question: str, **inputs: object) -> tuple[dict, list[dict]]:
    mission_id = await service.submit("oracle_advisory", inputs={"question": question, **inputs})
    ended = await service.settled(mission_id)
    # Over 50 named documents the answer waits for a person before it is released.
    assert ended["status"] in {"completed", "awaiting_approval"}, pretty(ended)
    return ended["packet"], await service.artifacts(mission_id, "research_artifact")


async def test_a_quote_from_a_long_document_is_found_in_the_original_by_its_offset(service: Service) -> None:
    await service._put("documents", [document("rules", LONG), document("other", "Nothing about sweeps.")])
    packet, evidence = await ask(service, "What does the chimney sweep of Rowan House cost?")
    assert packet["answer"]["status"] == "supported"
    by_id = {artifact["artifact_id"]: artifact["payload"] for artifact in evidence}
    [citation] = packet["claims"][0]["citations"]
    source = by_id[citation["artifact_id"]]
    assert "85 euros" in citation["quote"]
    assert source["source"]["id"] == "rules"
    assert source["source"]["title"].startswith("rules \u203a House rules \u203a Section")
    assert source["data"]["characters"] == len(LONG)
    assert LONG[source["data"]["start"] : source["data"]["end"]] == source["text"]
    assert LONG[source["data"]["start"] + citation["start"] :].startswith(citation["quote"])
    assert sum(len(payload["text"]) for payload in by_id.values()) < len(LONG) / 10


async def test_document_ids_bind_what_is_read_in_one_call(service: Service) -> None:
    documents = [document(f"d-{n}", f"House {n} has a chimney that was swept in {1900 + n}.") for n in range(120)]
    await service._put("documents", documents)
    named = [d["document_id"] for d in documents if d["document_id"] != "d-7"]
    packet, evidence = await ask(service, "When was the chimney of House 7 swept?", document_ids=named)
    assert {a["payload"]["source"]["id"] for a in evidence} <= set(named)
    assert packet["answer"]["status"] != "supported"
    found, _ = await ask(service, "When was the chimney of House 7 swept?")
    assert "1907" in found["answer"]["text"]


async def test_documents_that_disagree_are_a_contradiction_and_one_document_is_none(service: Service) -> None:
    await service._put("documents", [document("old", "In 2024 the reservation fee of Rowan House is $750.")])
    packet, _ = await ask(service, "How much is the reservation fee of Rowan House?")
    assert packet["contradictions"] == []
    await service._put("documents", [document("new", "The reservation fee of Rowan House is $500.")])
    packet, _ = await ask(service, "How much is the reservation fee of Rowan House?")
    [found] = packet["contradictions"]
    assert {value["value"] for value in found["values"]} == {"750", "500"}
    claims = {claim["claim_id"]: claim for claim in packet["claims"]}
    assert {claims[value["claim_id"]]["citations"][0]["quote"] for value in found["values"]} == {
        "In 2024 the reservation fee of Rowan House is $750.",
        "The reservation fee of Rowan House is $500.",
    }
