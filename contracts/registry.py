"""Every kind of stored artifact, its contract by schema version, and how its ids begin."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from pydantic import ValidationError

from contracts.base import ArtifactId, Contract
from contracts.canonical import sha256_hex
from contracts.decisions import PolicyDecision
from contracts.errors import IntegrityBroken
from contracts.evidence import ResearchArtifact, WorkerResult
from contracts.packets import AggregationPacket, ReviewPacket
from contracts.tasks import LibrarianPass, PromptPackage, Task, TaskPlan


class Kind(StrEnum):
    """The kinds of artifact a mission leaves behind."""

    PLAN = "plan"
    TASK = "task"
    PROMPT_PACKAGE = "prompt_package"
    LIBRARIAN_PASS = "librarian_pass"
    RESEARCH_ARTIFACT = "research_artifact"
    WORKER_RESULT = "worker_result"
    AGGREGATION_PACKET = "aggregation_packet"
    REVIEW_PACKET = "review_packet"
    POLICY_DECISION = "policy_decision"


@dataclass(frozen=True)
class KindSpec:
    """How one kind is stored: its table, its id's prefix, and its reader by schema version."""

    table: str
    prefix: str
    readers: dict[str, type[Contract]]


SPECS: dict[Kind, KindSpec] = {
    Kind.PLAN: KindSpec("colony_plans", "pl_", {"v1": TaskPlan}),
    Kind.TASK: KindSpec("colony_tasks", "tk_", {"v1": Task}),
    Kind.PROMPT_PACKAGE: KindSpec("colony_prompt_packages", "pp_", {"v1": PromptPackage}),
    Kind.LIBRARIAN_PASS: KindSpec("colony_librarian_passes", "lp_", {"v1": LibrarianPass}),
    Kind.RESEARCH_ARTIFACT: KindSpec("colony_research_artifacts", "ra_", {"v1": ResearchArtifact}),
    Kind.WORKER_RESULT: KindSpec("colony_worker_results", "wr_", {"v1": WorkerResult}),
    Kind.AGGREGATION_PACKET: KindSpec("colony_aggregation_packets", "ap_", {"v1": AggregationPacket}),
    Kind.REVIEW_PACKET: KindSpec("colony_review_packets", "rp_", {"v1": ReviewPacket}),
    Kind.POLICY_DECISION: KindSpec("colony_policy_decisions", "pd_", {"v1": PolicyDecision}),
}


def kind_of(contract: Contract) -> Kind:
    """Return the kind a contract is stored as.

    Raises:
        KeyError: the contract is not an artifact.
    """
    for kind, spec in SPECS.items():
        if type(contract) in spec.readers.values():
            return kind
    raise KeyError(type(contract).__name__)


def artifact_id(contract: Contract) -> ArtifactId:
    """Name an artifact after its content."""
    return ArtifactId(SPECS[kind_of(contract)].prefix + contract.sha256()[:32])


def read(kind: Kind, content: bytes, sha256: str) -> Contract:
    """Read stored bytes back into their contract, by the schema version they carry.

    Raises:
        IntegrityBroken: the bytes don't match the hash, or can't be read as that kind.
    """
    if sha256_hex(content) != sha256:
        raise IntegrityBroken(f"a stored {kind} does not match its hash")
    try:
        version = json.loads(content)["schema_version"]
        return SPECS[kind].readers[version].model_validate_json(content)
    except (KeyError, ValueError, ValidationError) as exc:
        raise IntegrityBroken(f"a stored {kind} has an unknown version or shape") from exc
