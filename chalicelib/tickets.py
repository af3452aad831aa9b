"""SQS: the promise that an accepted job will run. The only file that knows the service.

A message is a ticket. Its body is the whole envelope, and it is deleted only when its own job is finished.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import jobs
from chalicelib.errors import TicketsUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs import SQSClient

    from chalicelib.jobs import MediaJob

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
LONG_POLL_MAX_SECONDS = 20
RECEIVE_AT_MOST = 10
DELAY_MAX_SECONDS = 900
VISIBILITY_MAX_SECONDS = 43_200
RECEIVED_SECONDS = 30
"""How long a received ticket stays away from others: enough to claim, and short when its receiver died."""
RUNNING_SECONDS = 300
"""How long the ticket of a running job stays away; renewed while the job runs. The job of a dead worker does not wait for
it, because whoever requeues the job sends it a fresh ticket."""


@dataclass(frozen=True)
class Ticket:
    """A received message. `job` is None when the body cannot be read by this release; `poison` when by none."""

    pool: str
    receipt: str
    body: str
    job: MediaJob | None
    poison: bool = False


def client(read_seconds: int = 3) -> SQSClient:
    """Make an SQS client that fails within seconds; the endpoint follows `AWS_ENDPOINT_URL`."""
    config = Config(
        connect_timeout=2,
        read_timeout=read_seconds,
        retries={"total_max_attempts": 2, "mode": "standard"},
        max_pool_connections=64,
    )
    return boto3.client("sqs", config=config)


def polling_client() -> SQSClient:
    """Make a client that can wait through a long poll. Not for anything else: a lease must not wait that long."""
    return client(LONG_POLL_MAX_SECONDS + 5)


class Tickets:
    """The queues, one a pool. Every method raises `TicketsUnavailable` when SQS is away or throttles."""

    def __init__(
        self,
        sqs: SQSClient,
        queue_urls: Mapping[str, str],
        dead_letter_urls: Mapping[str, str],
        poller: SQSClient | None = None,
    ) -> None:
        self._sqs = sqs
        self._poller = poller or sqs
        self._urls = queue_urls
        self._dead_letter_urls = dead_letter_urls

    def send(self, job: MediaJob, delay_ms: int = 0) -> None:
        """Send a ticket for `job` to its pool, to be seen after `delay_ms` (15 minutes at most)."""
        seconds = min(DELAY_MAX_SECONDS, -(-delay_ms // 1000))
        self._do("send_message", self._urls[job.pool], MessageBody=jobs.encode(job), DelaySeconds=seconds)

    def receive(self, pool: str, most: int = 1, wait_seconds: int = 0) -> list[Ticket]:
        """Receive up to `most` tickets (10 at most a call), waiting up to `wait_seconds` (20 at most) for the first."""
        answer = self._do(
            "receive_message",
            self._urls[pool],
            self._poller,
            MaxNumberOfMessages=min(most, RECEIVE_AT_MOST),
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=RECEIVED_SECONDS,
        )
        return [_ticket(pool, message) for message in answer.get("Messages", ())]

    def delete(self, ticket: Ticket) -> None:
        """Delete the ticket of a finished job."""
        self._do("delete_message", self._urls[ticket.pool], ReceiptHandle=ticket.receipt)

    def hold(self, ticket: Ticket, delay_ms: int = 0) -> None:
        """Give the ticket back, to be seen again after `delay_ms`; at once by default."""
        seconds = min(VISIBILITY_MAX_SECONDS, -(-delay_ms // 1000))
        self._do("change_message_visibility", self._urls[ticket.pool], ReceiptHandle=ticket.receipt, VisibilityTimeout=seconds)

    def bury(self, ticket: Ticket) -> None:
        """Move a ticket that no release can read to the dead-letter queue, where an operator can look at it."""
        self._do("send_message", self._dead_letter_urls[ticket.pool], MessageBody=ticket.body)
        self.delete(ticket)

    def _do(self, call: str, url: str, sqs: SQSClient | None = None, **arguments: Any) -> Any:
        try:
            return getattr(sqs or self._sqs, call)(QueueUrl=url, **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"].endswith(("ReceiptHandleIsInvalid", "MessageNotInflight")):
                return {}  # the ticket went back to the queue long ago: there is nothing left to change
            raise TicketsUnavailable("SQS refused the call") from error
        except BotoCoreError as error:
            raise TicketsUnavailable from error


def _ticket(pool: str, message: Mapping[str, Any]) -> Ticket:
    body, receipt = message["Body"], message["ReceiptHandle"]
    try:
        return Ticket(pool, receipt, body, jobs.decode(body))
    except jobs.UnknownEnvelope as error:
        return Ticket(pool, receipt, body, None, poison=not error.newer)
