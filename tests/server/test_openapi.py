"""The API's description: every call with its body, its answers and its errors, as they are."""

from pathlib import Path
from typing import Any

import pytest

from contracts.classes import CLASSES
from server import shapes
from server.errors import PROBLEM
from tests.server.tokens import Issuer
from tests.support import Service

API = "/api/colony"
GUARDED = {"401", "403", "429", "503"}
BODY = {"400", "413", "415", "422"}
COMMANDS = ("approve", "reject", "cancel", "retry", "fail")
CALLS: dict[tuple[str, str], set[str]] = {
    ("post", "/missions"): {"202", "409", *GUARDED, *BODY},
    ("get", "/missions"): {"200", "422", *GUARDED},
    ("get", "/missions/{mission_id}"): {"200", "404", *GUARDED},
    ("get", "/missions/{mission_id}/artifacts"): {"200", "404", "422", *GUARDED},
    ("get", "/missions/{mission_id}/events"): {"200", "404", "422", *GUARDED},
    ("get", "/missions/{mission_id}/bundle"): {"200", "404", *GUARDED},
    ("post", "/missions/{mission_id}/replay"): {"202", "404", "409", *GUARDED, *BODY},
    ("post", "/missions/{mission_id}/fork"): {"202", "404", "409", *GUARDED, *BODY},
    ("get", "/missions/{mission_id}/checkpoints"): {"200", "404", "422", *GUARDED},
    ("get", "/missions/{mission_id}/checkpoints/{checkpoint_id}"): {"200", "404", *GUARDED},
    ("get", "/missions/{mission_id}/diff"): {"200", "404", "422", *GUARDED},
    ("get", "/missions/{mission_id}/tree"): {"200", "404", *GUARDED},
    ("get", "/missions/{mission_id}/report"): {"200", "404", "409", *GUARDED},
    ("get", "/approvals"): {"200", *GUARDED},
    ("post", "/delegations"): {"201", *GUARDED, *BODY},
    ("get", "/delegations"): {"200", *GUARDED},
    ("delete", "/delegations/{delegation_id}"): {"200", "404", *GUARDED},
    ("get", "/halt"): {"200", *GUARDED},
    ("post", "/halt"): {"201", *GUARDED, *BODY},
    ("delete", "/halt"): {"200", *GUARDED},
    ("get", "/health"): {"200"},
    ("get", "/health/ready"): {"200", "503"},
    ("get", "/metrics"): {"200"},
    ("post", "/keys"): {"201", *GUARDED, *BODY},
    ("get", "/keys"): {"200", *GUARDED},
    ("delete", "/keys/{key_id}"): {"204", "404", *GUARDED},
    ("get", "/constitution"): {"200", *GUARDED},
    ("get", "/constitution/versions"): {"200", *GUARDED},
    ("post", "/constitution"): {"201", "409", *GUARDED, *BODY},
    ("post", "/constitution/{sha256}/approve"): {"200", "404", "409", *GUARDED, *BODY},
    ("post", "/constitution/{sha256}/reject"): {"200", "404", "409", *GUARDED, *BODY},
    ("get", "/policies"): {"200", *GUARDED},
    ("post", "/policies"): {"201", "409", *GUARDED, *BODY},
    ("post", "/policies/check"): {"200", *GUARDED, *BODY},
    ("post", "/policies/what-if"): {"200", "409", *GUARDED, *BODY},
    ("get", "/policies/decisions/{decision_id}"): {"200", "404", *GUARDED},
    ("get", "/policies/{version}"): {"200", "404", *GUARDED},
    ("post", "/policies/{version}/activate"): {"200", "404", "409", *GUARDED, *BODY},
    **{("post", f"/missions/{{mission_id}}/{c}"): {"202", "404", "409", *GUARDED, *BODY} for c in COMMANDS},
}


@pytest.fixture
async def described(service: Service) -> dict[str, Any]:
    return dict((await service.client.get("/openapi.json")).json())


def calls(described: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path.removeprefix(API)): operation
        for path, operations in described["paths"].items()
        if path.startswith(API)
        for method, operation in operations.items()
    }


async def test_every_call_that_is_built_is_described_with_its_answers(described: dict[str, Any]) -> None:
    assert {call: set(operation["responses"]) for call, operation in calls(described).items()} == CALLS
    assert len({operation["operationId"] for operation in calls(described).values()}) == len(CALLS)


async def test_every_error_is_described_as_a_problem(described: dict[str, Any]) -> None:
    for call, operation in calls(described).items():
        for status, answer in operation["responses"].items():
            if status >= "400" and call[1] != "/health/ready":
                assert list(answer["content"]) == [PROBLEM], (call, status)
                assert answer["content"][PROBLEM]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert set(described["components"]["schemas"]["Problem"]["properties"]) == set(shapes.Problem.model_fields)


async def test_every_call_with_a_body_describes_it(described: dict[str, Any]) -> None:
    bodies = {
        path: operation["requestBody"] for (method, path), operation in calls(described).items() if method == "post"
    }
    assert len(bodies) == sum(method == "post" and answers >= BODY for (method, _), answers in CALLS.items())
    assert bodies["/missions"]["required"] is True
    schemas = described["components"]["schemas"]
    kinds = [schemas[ref["$ref"].rpartition("/")[2]] for ref in schemas["MissionRequest"]["oneOf"]]
    assert {kind["properties"]["mission_type"]["const"] for kind in kinds} == {name.value for name in CLASSES}
    assert schemas["LeadInputs"]["required"] == ["lead_id"]
    assert schemas["LeadInputs"]["additionalProperties"] is False


async def test_every_reference_of_the_description_leads_somewhere(described: dict[str, Any]) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [ref for part in value.values() for ref in references(part)]
        return [ref for part in value for ref in references(part)] if isinstance(value, list) else []

    named = {ref.rpartition("/")[2] for ref in references(described)}
    assert named <= set(described["components"]["schemas"])
    assert "HTTPValidationError" not in described["components"]["schemas"]


async def test_events_are_described_as_a_list_and_as_a_stream(described: dict[str, Any]) -> None:
    operation = described["paths"][f"{API}/missions/{{mission_id}}/events"]["get"]
    assert set(operation["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert {p["name"]: p["in"] for p in operation["parameters"]} == {
        "mission_id": "path", "after": "query", "last-event-id": "header"
    }  # fmt: skip


async def test_a_token_is_described_as_needed_where_it_is(described: dict[str, Any], serve, tmp_path: Path) -> None:
    strict = (await (await serve(**Issuer().settings(tmp_path))).client.get("/openapi.json")).json()
    for document, credentials in ((described, [{"bearer": []}, {}]), (strict, [{"bearer": []}])):
        assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
        for call, operation in calls(document).items():
            assert operation.get("security") == (credentials if "401" in operation["responses"] else None), call


async def test_production_shows_no_interactive_page(service: Service, serve, tmp_path: Path) -> None:
    production = await serve(**Issuer().settings(tmp_path))
    assert (await service.client.get("/docs")).status_code == 200
    assert (await production.client.get("/docs")).status_code == 404
