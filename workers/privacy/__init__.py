"""Removes private metadata from files without encoding them again."""
