"""The fault harness: real processes, a real Postgres and a root that misbehaves, judged afterwards from what is stored.

`python -m tests.faults --slice` runs what `make test` runs, `--full` the long counts; see docs/guarantees.md.
"""
