"""The quality of an output, measured against its input."""
