"""Channels that carry runtime events to the outside."""
