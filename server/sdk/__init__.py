"""The LangGraph SDK's view of Colony: threads are missions, assistants their classes, runs parts of their events."""

from server.sdk import paths

paths.install()
