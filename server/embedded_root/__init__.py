"""The embedded root: a small product backend for development, a real HTTP service on the embedded Postgres."""
