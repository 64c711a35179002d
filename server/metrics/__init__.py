"""What is told to Prometheus: the store's facts, and this process's own counts."""
