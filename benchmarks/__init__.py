"""Measuring whole missions on data that nobody here wrote. Results are stored beside, so that runs can be compared."""
