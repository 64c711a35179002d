"""One module per role: plain async functions from state and ports to a step's result. No LangGraph, no I/O."""
