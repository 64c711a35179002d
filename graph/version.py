"""The version of the graph's shape, stored on every mission: a worker runs only missions of a graph that it has."""

from __future__ import annotations

GRAPH_VERSION = "1"
"""Raise it when a stage is added, removed or renamed, or a channel changes its meaning."""

STUDIO_VERSION = f"{GRAPH_VERSION}+studio"
"""Of missions whose checkpoints LangGraph's own server keeps: no worker takes them."""
