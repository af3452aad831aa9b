"""The operations, one file each: `run(work)` turns a fetched input into outputs and a measured result."""
