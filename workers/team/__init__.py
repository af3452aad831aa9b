"""Shares the parts of one job among all workers: the store of their files, the coordinator of a job, and its helpers."""
