"""The REST surface, one module a resource."""
