"""The values that inputs can have where they are a closed list: a rule that names another one can never mean it."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.mission import AutonomyTier, Level, MissionClass, ModelTier, ReviewLevel, Sensitivity
from contracts.stateflow import Layer
from contracts.tasks import TaskKind
from policies.limits import TOOLS

DEPLOYMENT_MODES = frozenset(
    {"developer-light", "developer-full", "test", "test-debug", "production", "production-debug"}
)
_SOURCES = frozenset(tool.source for tool in TOOLS.values())
_TOOLS = frozenset(TOOLS)
_KINDS = frozenset(kind.value for kind in TaskKind)
_TYPES = frozenset(name.value for name in MissionClass)

VALUES: Mapping[str, frozenset[str]] = {
    "mission_type": _TYPES,
    "disabled_mission_types": _TYPES,
    "risk_level": frozenset(level.value for level in Level),
    "sensitivity_class": frozenset(one.value for one in Sensitivity),
    "autonomy_tier": frozenset(tier.value for tier in AutonomyTier),
    "review_level": frozenset(one.value for one in ReviewLevel),
    "deployment_mode": DEPLOYMENT_MODES,
    "package_tier": frozenset(tier.value for tier in ModelTier),
    "provider": frozenset({"extractive", "openai", "anthropic"}),
    "operation": frozenset({"patch", "note", "task", "message"}),
    "entity": frozenset({"lead", "page"}),
    **dict.fromkeys(("kinds", "allowed_kinds"), _KINDS),
    **dict.fromkeys(("source", "sources", "allowed_sources", "external_sources"), _SOURCES),
    **dict.fromkeys(("tools", "allowed_tools", "writing_tools", "external_tools", "ungranted_tools"), _TOOLS),
    **dict.fromkeys(("done", "done_in_mission"), _TOOLS),
}
"""By an input's own name, wherever it stands."""

ACTIONS: Mapping[Layer, frozenset[str]] = {
    Layer.ADMISSION: frozenset({"admit"}),
    Layer.SCOPE: frozenset({"plan", "grant", "call"}),
    Layer.ROUTING: frozenset({"route"}),
    Layer.RELEASE: frozenset({"release", "edit", "approve_alone", "approve", "accept"}),
}
"""What each layer is asked."""

NOBODY_LOOKS: Mapping[str, str] = {
    "call": "an escalation refuses the call: nobody can be asked at that moment",
    "edit": "an escalation lets the edit through",
    "approve": "an escalation lets the answer through",
    "accept": "an escalation lets the answer through",
}
"""Actions on which ``@escalate`` does not do what its author may think."""
