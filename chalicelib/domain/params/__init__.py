"""What each operation accepts, one file an operation: checked when the job is enqueued, so that a wrong parameter is a 400.

The worker checks again, and turns these values, all of them from allow-lists or within bounds, into arguments.
"""
