"""The base of every shape of the API."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """A closed answer."""

    model_config = ConfigDict(extra="forbid")
