"""`python -m bench.soak.worker`: a container worker whose jobs do nothing. The soak kills it."""

from __future__ import annotations

import logging
import os
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from chalicelib.domain.cost import load_prices
from chalicelib.ledger.ledger import Ledger
from chalicelib.ledger.scripts import Scripts
from chalicelib.queues.tickets import Tickets, client, polling_client
from chalicelib.settings import PRICES_FILE
from workers.runtime.container import ContainerWorker
from workers.runtime.runner import Ended, Runner

if TYPE_CHECKING:
    from chalicelib.ledger.types import Claim
    from workers.attempt.lease import Lease


class NoopRunner(Runner):
    """Everything except the work: `SOAK_SECONDS` is how long a job sleeps."""

    seconds = float(os.environ["SOAK_SECONDS"])

    def _attempt(self, claim: Claim, lease: Lease) -> Ended:
        if self.seconds:
            time.sleep(self.seconds)
        return self._finish(claim, lease, "completed", {"error": ""})


def main() -> None:
    """Work until killed."""
    Logger(service="mediaq")
    logging.disable(logging.WARNING)
    ledger = Ledger(Scripts(os.environ["REDIS_URL"], "{bench}"))
    tickets = Tickets(client(), {"container": os.environ["QUEUE_URL"]}, {}, poller=polling_client())
    nothing: Any = None  # Directus is asked after a wipe only
    tools: Any = SimpleNamespace(prices=load_prices(PRICES_FILE))
    idle: Any = SimpleNamespace(wake=lambda due: None, stop=lambda: None)
    ContainerWorker(
        NoopRunner(ledger, tickets, nothing, tools, at_once=False), ledger, tickets, pools=["container"],
        concurrency=int(os.environ["SOAK_SLOTS"]), poll_seconds=2, drain_seconds=5, webhook_sender=idle, credential_tester=idle,
    ).run()  # fmt: skip


if __name__ == "__main__":
    main()
