"""Decisions: the rules people write in Cedar, the engine that asks them, and the questions code puts to it. No I/O."""
