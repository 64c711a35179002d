"""Prompt templates and exemplars from the files beside this module: versioned and hashed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from contracts.canonical import digest
from contracts.errors import NotFound
from contracts.ports import Template
from contracts.tasks import Exemplar

FOLDER = Path(__file__).parent
_SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, where it is installed


def version_of(entry: Template | Exemplar) -> str:
    """Return an entry's name with its version."""
    name = entry.template_id if isinstance(entry, Template) else entry.exemplar_id
    return f"{name}@{entry.version}"


def sha256_of(entry: Template | Exemplar) -> str:
    """Return the hash of an entry's whole text."""
    return digest(asdict(entry) if isinstance(entry, Template) else entry.model_dump(mode="json"))


class TemplateRegistry:
    """Satisfies ``TemplatePort``; of several versions the last in the file is used.

    Attributes:
        entries: every version of every template and exemplar, in the order of the files.
        locked: the hash that each version had when it was made.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        templates = [Template(**entry) for entry in _listed(folder / "templates.yaml")]
        exemplars = [Exemplar.model_validate(entry) for entry in _listed(folder / "exemplars.yaml")]
        self.entries: tuple[Template | Exemplar, ...] = (*templates, *exemplars)
        self.locked: Mapping[str, str] = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
        self._templates = {one.template_id: one for one in templates}
        self._exemplars = {one.exemplar_id: one for one in exemplars}

    def get(self, template_id: str) -> Template:
        """Return a template.

        Raises:
            NotFound: there is no such template.
        """
        if template_id not in self._templates:
            raise NotFound(f"there is no prompt template {template_id}", code="template_not_found")
        return self._templates[template_id]

    def exemplars(self, template_id: str) -> Sequence[Exemplar]:
        """Return a template's worked examples, in the order they are shown."""
        return [one for one in self._exemplars.values() if one.template_id == template_id]

    def versions(self) -> dict[str, str]:
        """Return the hash of every version as it is now: what ``versions.json`` must hold."""
        return {version_of(entry): sha256_of(entry) for entry in self.entries}


def _listed(path: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = yaml.load(path.read_text(encoding="utf-8"), _SAFE)  # noqa: S506 - a safe one
    return entries
