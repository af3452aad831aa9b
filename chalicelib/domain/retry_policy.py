"""When a job is retried: the number of attempts, the backoff between them, and how often its worker may die."""

from __future__ import annotations

MAX_ATTEMPTS = 3
BACKOFF_MS = 2000
MAX_STALLS = 1
"""A job whose worker died more often fails: it may be what kills the workers."""


def backoff_ms(attempt: int) -> int:
    """Return the backoff after a failed `attempt` (1, 2, ...), in ms: 2 s, 4 s, 8 s."""
    return BACKOFF_MS << (attempt - 1)
