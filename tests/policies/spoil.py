"""Spoiled copies of the shipped rules."""

from __future__ import annotations

from pathlib import Path

from policies.engine import PolicyEngine


def spoil(rules: Path, name: str, text: str) -> Path:
    (rules / name).write_text(text, encoding="utf-8")
    return rules


def extended(rules: Path, text: str, name: str = "admission.cedar") -> PolicyEngine:
    return PolicyEngine.load(spoil(rules, name, (rules / name).read_text(encoding="utf-8") + "\n" + text))
