"""Postgres, embedded or external: the cluster, the ledger, the checkpointer and their SQL. The driver stays here."""
