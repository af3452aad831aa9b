"""Benchmarks of media operations."""
