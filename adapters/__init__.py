"""The outside: Postgres, the root, models; each module satisfies a port."""
