"""What the jobs of each user were in a cycle: their number by operation, and their cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from chalicelib.ledger.scripts import Scripts

SPENDING = "nano_usd"


class Spending(NamedTuple):
    """The cost of a user's jobs in a cycle, in billionths of a dollar."""

    counted: int
    """Of the jobs that ended since `since_ms`."""
    before: int | None
    """Of those that ended earlier in the cycle; None: not known yet."""
    since_ms: int
    """When the ledger began to count, the last wipe included; in ms since 1970."""


class UsageLedger:
    """The charges. Every method raises `LedgerUnavailable` if Redis is unreachable."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def jobs(self, user_id: str, cycle: str, operations: list[str]) -> dict[str, tuple[int, int | None]]:
        """Return for each operation (charged jobs, jobs that Directus counted before; None: not counted yet)."""
        flat = self._scripts.call("usage/read", user_id, cycle, *operations)
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return {
            name: (int(charged), int(seed) if seed != "" else None)
            for name, (charged, seed) in zip(operations, pairs, strict=True)
        }

    def seed_jobs(self, user_id: str, cycle: str, operation: str, count: int) -> None:
        """Store the number of completed jobs that Directus counted for the user in the cycle."""
        self._scripts.call("usage/seed", user_id, cycle, operation, count)

    def spending(self, user_id: str, cycle: str) -> Spending:
        """Return what the user's jobs cost."""
        counted, before, since_ms = self._scripts.call("usage/spending", "", user_id, cycle)
        return Spending(int(counted), int(before) if before != "" else None, int(float(since_ms)))

    def seed_spending(self, user_id: str, cycle: str, nano: int) -> None:
        """Store the cost of the jobs that ended before the ledger began to count."""
        self._scripts.call("usage/seed", user_id, cycle, SPENDING, nano)

    def spent(self) -> dict[str, int]:
        """Return the cost of all jobs that ended since the ledger began to count, by operation, in billionths of a dollar."""
        flat = self._scripts.call("usage/spent")
        return {name: int(nano) for name, nano in zip(flat[::2], flat[1::2], strict=True) if name != "since_ms"}
