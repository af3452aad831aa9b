"""Takes a job from a queue, runs it under a lease, commits its result."""
