"""The fact schema for property sales that is used when neither the mission nor the tenant brings one."""

from __future__ import annotations

from contracts.classes import fact_schema
from contracts.mission import FactKey, MissionEnvelope

_YES_NO = ("true", "false")

PROPERTY_SALES: tuple[FactKey, ...] = (
    FactKey(key="area", description="Area or district where the lead wants to live"),
    FactKey(key="budget", description="The most the lead can or wants to spend, as an amount of money"),
    FactKey(key="number_of_beds", description="Number of bedrooms wanted"),
    FactKey(key="number_of_baths", description="Number of bathrooms wanted"),
    FactKey(key="property_name", description="Name or address of the property the lead is interested in"),
    FactKey(key="visit_date", description="Date and time agreed for a viewing of a property"),
    FactKey(key="visit_booked", description="Whether a viewing or visit was booked", values=_YES_NO),
    FactKey(key="pets", description="Whether the lead has or will bring pets", values=_YES_NO),
    FactKey(key="furnished", description="Whether the home should be furnished", values=_YES_NO),
    FactKey(key="move_in_date", description="When the lead wants to move in"),
)


def asked_schema(envelope: MissionEnvelope) -> tuple[FactKey, ...]:
    """Return the fact schema that a mission works with: its own, else the shipped one."""
    return fact_schema(envelope.inputs) or PROPERTY_SALES
