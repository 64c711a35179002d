"""The work itself: one module per kind of task, each from a task's context to its result."""
