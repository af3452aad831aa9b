"""Cuts the picture of a film into parts that are encoded apart, and joins them: the same frames as in one pass."""
