"""The charges of a user in a cycle: the ledger counts them, and Directus knows those that the ledger does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib.directus.records import written
from chalicelib.domain import plans
from chalicelib.domain.cost import spent_by
from chalicelib.domain.jobs import OPERATIONS

if TYPE_CHECKING:
    from chalicelib.directus.client import Directus
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.usage import UsageLedger


class Charges:
    """Reads the charges, and seeds them after a wipe of the ledger."""

    def __init__(self, directus: Directus, ledger: UsageLedger) -> None:
        self._directus = directus
        self._ledger = ledger

    def jobs(self, user_id: str, cycle: str) -> dict[str, int]:
        """Return the number of jobs by operation.

        The count of Directus is not stored: while jobs are open it can be off by one, and would stay wrong for a month.
        """
        known = self._ledger.jobs(user_id, cycle, list(OPERATIONS))
        unknown = [operation for operation, (_, seed) in known.items() if seed is None]
        counted = self._directus.count_completed(user_id, unknown, plans.cycle_start(cycle)) if unknown else {}
        return {operation: charged + (seed or counted.get(operation, 0)) for operation, (charged, seed) in known.items()}

    def seed_jobs(self, user_id: str, cycle: str, operation: str) -> None:
        """Store the number of completed jobs."""
        counts = self._directus.count_completed(user_id, [operation], plans.cycle_start(cycle))
        self._ledger.seed_jobs(user_id, cycle, operation, counts[operation])

    def seed(self, word: str, job: MediaJob) -> bool:
        """Store what the ledger asks for with `seed` and `seed_spending`; False: it asks for nothing."""
        match word:
            case "seed":
                self.seed_jobs(job.user_id, job.cycle, job.operation)
            case "seed_spending":
                self.spent(job.user_id, job.cycle)
            case _:
                return False
        return True

    def spent(self, user_id: str, cycle: str) -> int:
        """Return the cost of the ended jobs, in billionths of a dollar. Stores what Directus knows of it."""
        found = self._ledger.spending(user_id, cycle)
        if found.before is not None:
            return found.counted + found.before
        before, since = 0, written(datetime.fromtimestamp(found.since_ms / 1000, UTC))
        if since > plans.cycle_start(cycle):
            before = sum(map(spent_by, self._directus.read_results(user_id, plans.cycle_start(cycle), since)))
        self._ledger.seed_spending(user_id, cycle, before)
        return found.counted + before
