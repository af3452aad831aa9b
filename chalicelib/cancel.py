"""Cancels jobs: `python -m chalicelib.cancel JOB_ID ...`, with the settings of any other part in the environment.

Directus first, the ledger second: a record that is failed already stops the next attempt, whatever becomes of us in between.
The worker hears of it with the next renewal of its lease, within 2 s, and its media process is gone within another.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from chalicelib.errors import SettingsError, Unavailable
from chalicelib.jobs import CANCELLED

if TYPE_CHECKING:
    from chalicelib.directus import Directus
    from chalicelib.ledger import Ledger

Answer = Literal["cancelled", "closed", "missing"]
SAID: dict[Answer, str] = {
    "cancelled": "cancelled",
    "closed": "completed or failed already; nothing was changed",
    "missing": "there is no such record",
}


class Canceller:
    """The use case: cancel an open job."""

    def __init__(self, directus: Directus, ledger: Ledger) -> None:
        self._directus = directus
        self._ledger = ledger

    def cancel(self, job_id: str) -> Answer:
        """Cancel a job by its record's id.

        Raises:
            Unavailable: Directus or Redis is away. Asked again, it goes on where it stopped.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        changed = self._directus.update_open_job(job_id, {"status": "failed", "error": CANCELLED, "finished_at": now})
        if not changed:
            record = self._directus.read_job(job_id)
            if record is None:
                return "missing"
            if (record.status, record.error) != ("failed", CANCELLED):
                return "closed"
        self._ledger.cancel(job_id)  # again, if an earlier call got no further than Directus
        return "cancelled"


def main(argv: list[str] | None = None) -> int:
    """Cancel jobs. Exit codes: 0 all were cancelled, 1 some were not, 2 the arguments or settings are unusable, 3 try again."""
    from chalicelib.services import Services  # noqa: PLC0415 - wires everything, of which a caller of `Canceller` needs none
    from chalicelib.settings import current  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python -m chalicelib.cancel", description="Cancel jobs that are waiting or running.")
    parser.add_argument("job_ids", nargs="+", type=UUID, metavar="JOB_ID", help="the id of a media_jobs record")
    ids = [str(one) for one in parser.parse_args(argv).job_ids]
    try:
        canceller = Services(current()).canceller
        answers = {job_id: canceller.cancel(job_id) for job_id in ids}
    except SettingsError as error:
        sys.stderr.write(f"mediaq cancel: {error}\n")
        return 2
    except Unavailable as error:
        sys.stderr.write(f"mediaq cancel: {error}; try again\n")
        return 3
    for job_id, answer in answers.items():
        sys.stdout.write(f"{job_id}: {SAID[answer]}\n")
    return int(set(answers.values()) != {"cancelled"})


if __name__ == "__main__":
    sys.exit(main())
