"""One attempt at a job: its lease, its input, its outputs, its journal."""
