"""What a worker is given for one task, and how it turns a model's words into claims with proof."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from contracts.base import Value
from contracts.errors import BadInput
from contracts.evidence import Citation, Claim, ResearchArtifact, WorkerResult, claim_id
from contracts.mission import MissionEnvelope
from contracts.outputs import Quoted
from contracts.ports import Ports, Prompt
from contracts.quotes import widened
from contracts.sameness import truth
from contracts.tasks import PromptPackage, Task
from nodes.work.place import place
from nodes.work.tools import TaskTools
from nodes.work.windows import Window

FilledT = TypeVar("FilledT", bound=Value)


@dataclass
class WorkContext:
    """One task at work.

    Attributes:
        rejected: the claims that the last review found not to hold: they are not made again.
        tools: what the task's pass grants, for a model to ask for.
    """

    ports: Ports
    envelope: MissionEnvelope
    task: Task
    package: PromptPackage
    evidence: Sequence[ResearchArtifact]
    results: Mapping[str, WorkerResult]
    rejected: frozenset[str] = frozenset()
    tools: TaskTools | None = None

    def of(self, need: str) -> list[ResearchArtifact]:
        """Return the evidence of one need, in the order of its ids; empty outside the task's scope."""
        return [a for a in self.evidence if a.need == need and need in self.package.data_scope]

    def held(self, claims: Iterable[Claim]) -> list[Claim]:
        """Return the claims that no review has rejected, each once, in the order they were last made."""
        kept: dict[str, Claim] = {}
        for made in claims:
            kept.pop(made.claim_id, None)
            kept[made.claim_id] = made
        return [made for made in kept.values() if made.claim_id not in self.rejected]

    def first(self, need: str) -> ResearchArtifact:
        """Return the one artifact of a need.

        Raises:
            BadInput: nothing was gathered for it.
        """
        found = self.of(need)
        if not found:
            raise BadInput(f"{self.task.title}: nothing was gathered from {need}", code="evidence_missing")
        return found[0]

    async def fill(
        self, output: type[FilledT], parameters: Mapping[str, Any], windows: Sequence[Window]
    ) -> tuple[FilledT, dict[str, Window]]:
        """Ask the model to fill a schema from the windows; returns it with the windows by label.

        What it read by tools before it answered is among them.
        """
        labelled = {f"E{n}": window for n, window in enumerate(windows, start=1)}
        prompt = Prompt(self.package, parameters, [w.block(label) for label, w in labelled.items()])
        box = self.tools.box(self.task.task_key, labelled) if self.tools is not None else None
        return await self.ports.model.fill(output, prompt, tools=box), labelled


def located(quoted: Quoted, labelled: Mapping[str, Window]) -> Citation | None:
    """Find a model's quote in the evidence it names, and cite the evidence; None when the words are not there."""
    window = labelled.get(quoted.evidence.strip(" []:").upper())
    if window is None or (found := place(window.text, quoted.quote)) is None:
        return None
    start, end = widened(window.text, *found)
    return Citation(
        artifact_id=window.artifact.artifact_id,
        quote=window.text[start:end],
        start=window.start + start,
        end=window.start + end,
    )


def claim(
    task: Task,
    subject: str,
    attribute: str,
    value: str | None,
    citations: tuple[Citation, ...],
    *,
    text: str,
    confidence: float = 0.9,
) -> Claim:
    """Make a claim named after its content."""
    return Claim(
        claim_id=claim_id(task.task_key, attribute, value, citations),
        text=text,
        subject=subject,
        attribute=attribute,
        value=value,
        polarity="negated" if value is not None and truth(value) is False else "affirmed",
        citations=citations,
        confidence=confidence,
    )
