"""Stretches of evidence, as they go into prompts."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.evidence import ResearchArtifact
from contracts.ports import EvidenceBlock


@dataclass(frozen=True)
class Window:
    """A stretch of one artifact's text, as it goes into a prompt."""

    artifact: ResearchArtifact
    start: int
    text: str

    def block(self, label: str) -> EvidenceBlock:
        """Return the stretch as a model sees it."""
        a = self.artifact
        return EvidenceBlock(label, a.kind, a.trust.value, a.source.title, self.text, a.artifact_id)


def windows(artifact: ResearchArtifact, most: int, limit: int = 4) -> tuple[list[Window], int]:
    """Cut an artifact's text at line ends into windows of at most ``most`` characters.

    Of a text that is longer than ``limit`` windows the end is kept, where the latest word stands. Returns the windows
    and how many characters were left out at the beginning.
    """
    text = artifact.text
    cut: list[Window] = []
    end = len(text)
    while end > 0 and len(cut) < limit:
        start = max(0, end - most)
        if start > 0:
            line_end = text.find("\n", start, end)
            start = line_end + 1 if 0 <= line_end < end - 1 else start
        cut.append(Window(artifact, start, text[start:end].rstrip("\n")))
        end = start
    return cut[::-1], end
