"""The template registry: files, versioned."""
