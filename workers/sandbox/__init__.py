"""Runs a program, or one of our modules, with limits and without a network."""
