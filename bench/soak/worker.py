"""`python -m bench.soak.worker`: a container worker whose jobs do nothing but sleep. The soak kills it."""

from __future__ import annotations

import logging
import os
import time
from types import SimpleNamespace
from typing import Any

from aws_lambda_powertools import Logger

from bench.noop import NoopRunner
from chalicelib.ledger.ledger import Ledger
from chalicelib.ledger.scripts import Scripts
from chalicelib.queues.tickets import Tickets, client, polling_client
from workers.runtime.container import ContainerWorker


def main() -> None:
    """Work until killed."""
    Logger(service="mediaq")
    logging.disable(logging.WARNING)
    seconds = float(os.environ["SOAK_SECONDS"])
    ledger = Ledger(Scripts(os.environ["REDIS_URL"], "{bench}"))
    tickets = Tickets(client(), {"container": os.environ["QUEUE_URL"]}, {}, poller=polling_client())
    idle: Any = SimpleNamespace(wake=lambda due: None, stop=lambda: None)
    ContainerWorker(
        NoopRunner(ledger, tickets, lambda _: time.sleep(seconds)), ledger, tickets, pools=["container"],
        concurrency=int(os.environ["SOAK_SLOTS"]), poll_seconds=2, drain_seconds=5, webhook_sender=idle, credential_tester=idle,
    ).run()  # fmt: skip


if __name__ == "__main__":
    main()
