"""mediaq with jobs that do nothing: the ledger, tickets, runner and leases, without media and Directus."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from chalicelib.domain.cost import load_prices
from chalicelib.ledger.ledger import Ledger
from chalicelib.ledger.scripts import Scripts
from chalicelib.queues.tickets import RECEIVE_AT_MOST, Tickets, client
from chalicelib.settings import PRICES_FILE
from infra.local import processes
from infra.local.process import LOOPBACK, pick_port
from workers.runtime.runner import Ended, Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.types import Claim
    from workers.attempt.lease import Lease


class NoopRunner(Runner):
    """Claims, holds a lease, finishes, deletes the ticket: everything except the work."""

    def __init__(self, ledger: Ledger, tickets: Tickets, act: Callable[[str], object], helper: Any = None) -> None:
        """`act` is called with the job id of each job."""
        nothing: Any = None  # Directus is asked after a wipe only
        tools: Any = SimpleNamespace(prices=load_prices(PRICES_FILE))
        super().__init__(ledger, tickets, nothing, tools, helper, at_once=False)
        self.act = act

    def _attempt(self, claim: Claim, lease: Lease) -> Ended:
        self.act(lease.job.job_id)
        return self._finish(claim, lease, "completed", {"error": ""})


class System:
    """A Redis and an SQS emulator, with functions to enqueue and drain."""

    def __init__(self, redis_url: str, sqs: str, queues: dict[str, str]) -> None:
        self.sqs = sqs
        self.redis_url = redis_url
        self.scripts = Scripts(redis_url, "{bench}")
        self.ledger = Ledger(self.scripts)
        self.queues = queues

    def tickets(self, endpoint: str) -> Tickets:
        """Return the queues at an endpoint."""
        os.environ["AWS_ENDPOINT_URL"] = endpoint
        pools = ("lambda", "container")
        urls = {pool: self.queues[f"QUEUE_URL_{pool.upper()}"].replace(self.sqs, endpoint) for pool in pools}
        dead = {pool: self.queues[f"DEAD_LETTER_URL_{pool.upper()}"].replace(self.sqs, endpoint) for pool in pools}
        return Tickets(client(), urls, dead)

    def enqueue(self, jobs: list[MediaJob], tickets: Tickets) -> None:
        """Admit each job and send its ticket, like the API."""
        for job in jobs:
            admitted = self.ledger.admit(job, "pending", -1).send
            assert admitted is not None
            tickets.send(admitted)

    def drain(self, count: int, tickets: Tickets) -> list[str]:
        """Run jobs one at a time until `count`, then drop the remaining tickets; return the order."""
        ran: list[str] = []
        runner = NoopRunner(self.ledger, tickets, ran.append)
        runner.next_pools = lambda: ["container"]
        while len(ran) < count or self.left():
            runner.claims.claim("container", tickets.receive("container", RECEIVE_AT_MOST, 1), 1, runner.run)
            runner.kept_tickets.flush()
        return ran

    def left(self) -> int:
        """Return the number of tickets."""
        sqs = boto3.client("sqs", endpoint_url=self.sqs, region_name=processes.REGION)
        url = self.queues["QUEUE_URL_CONTAINER"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(found["ApproximateNumberOfMessages"]) + int(found["ApproximateNumberOfMessagesNotVisible"])


@contextmanager
def system() -> Iterator[System]:
    """Start both, with the queues of the local system."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(processes.AWS_ENVIRONMENT)
        Logger(service="mediaq")
        logging.disable(logging.WARNING)
        os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
        redis_port, sqs_port = pick_port(), pick_port()
        running = [
            processes.redis_process(Path(folder) / "redis", redis_port),
            processes.sqs_process(Path(folder) / "sqs", sqs_port),
        ]
        try:
            for part in running:
                part.start()
            url = f"http://{LOOPBACK}:{sqs_port}"
            yield System(processes.redis_url(Path(folder) / "redis", redis_port), url, processes.make_queues(url))
        finally:
            for part in running:
                part.stop()
            logging.disable(logging.NOTSET)
            os.environ.clear()
            os.environ.update(before)
