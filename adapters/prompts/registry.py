"""Prompt templates from the file beside this module."""

from __future__ import annotations

from pathlib import Path

import yaml

from contracts.errors import NotFound
from contracts.ports import Template

TEMPLATES = Path(__file__).parent / "templates.yaml"


class TemplateRegistry:
    """Satisfies ``TemplatePort``; of several versions the last in the file is used."""

    def __init__(self, path: Path = TEMPLATES) -> None:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        self._templates = {entry["template_id"]: Template(**entry) for entry in entries}

    def get(self, template_id: str) -> Template:
        """Return a template.

        Raises:
            NotFound: there is no such template.
        """
        if template_id not in self._templates:
            raise NotFound(f"there is no prompt template {template_id}", code="template_not_found")
        return self._templates[template_id]
