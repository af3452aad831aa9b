"""SQS: guarantees that an accepted job runs. The only file that knows the service.

A message is a ticket. Its body is the whole envelope, and it is deleted only when its own job has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import boto3
import msgspec
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain import jobs
from chalicelib.errors import TicketsUnavailable
from chalicelib.gathering import Gathering
from chalicelib.queues.schedules import DELAY_MAX_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_sqs import SQSClient

    from chalicelib.domain.jobs import MediaJob
    from chalicelib.queues.schedules import Schedules

logger = Logger(service="mediaq", child=True)

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
LONG_POLL_MAX_SECONDS = 20
RECEIVE_AT_MOST = BATCH_AT_MOST = 10
BATCH_MAX_BYTES = 1 << 18  # the limit of older SQS; today it is 1 MiB
DELAY_MAX_SECONDS = 900
VISIBILITY_MAX_SECONDS = 43_200
RECEIVE_VISIBILITY_SECONDS = 30
"""Visibility timeout of a received ticket: long enough to claim, short in case its receiver dies."""
RUN_VISIBILITY_SECONDS = 180
"""Visibility timeout of the ticket of a running job, renewed while it runs. The job of a dead worker does not wait for it:
whoever requeues the job sends a new ticket."""


@dataclass(frozen=True)
class Ticket:
    """A received message. `job` is None if this release cannot read the body; `poison` if no release can."""

    pool: str
    receipt: str
    body: str
    job: MediaJob | None
    poison: bool = False
    dead: bool = False
    """True: it was received from the dead-letter queue."""
    calls_for_parts: bool = False
    """True: it is no ticket of a job, but asks for help with the parts of running ones."""


class PartsCall(msgspec.Struct, frozen=True):
    """The body of a message that asks for help with parts. Older releases keep it for a newer worker."""

    parts_of: str
    v: Literal[2] = 2


class Sending(NamedTuple):
    """A job that needs a ticket, and the delay of that ticket."""

    job: MediaJob
    delay_ms: int = 0


def client(read_seconds: int = 3) -> SQSClient:
    """Return an SQS client that fails within seconds. The endpoint is `AWS_ENDPOINT_URL`, if set."""
    config = Config(
        connect_timeout=2,
        read_timeout=read_seconds,
        retries={"total_max_attempts": 2, "mode": "standard"},
        max_pool_connections=64,
    )
    return boto3.client("sqs", config=config)


def polling_client() -> SQSClient:
    """Return a client for long polls. Use it for nothing else: a lease cannot wait that long."""
    return client(LONG_POLL_MAX_SECONDS + 5)


class Tickets:
    """The queues, one per pool. All but `send_all` raise `TicketsUnavailable` if SQS is unreachable or throttles."""

    def __init__(
        self,
        sqs: SQSClient,
        queue_urls: Mapping[str, str],
        dead_letter_urls: Mapping[str, str],
        poller: SQSClient | None = None,
        schedules: Schedules | None = None,
    ) -> None:
        self._sqs = sqs
        self._poller = poller or sqs
        self._urls = queue_urls
        self._dead_letter_urls = dead_letter_urls
        self._schedules = schedules
        self._sends = Gathering(self._send_together, BATCH_AT_MOST)

    @property
    def delay_max_ms(self) -> int:
        """The longest delay of a ticket."""
        return DELAY_MAX_SECONDS * 1000 if self._schedules is None else DELAY_MAX_MS

    def send(self, job: MediaJob, delay_ms: int = 0) -> None:
        """Send a ticket for `job` to its pool, visible after `delay_ms`. Tickets of one moment share a call."""
        error = self._sends.call(Sending(job, delay_ms))
        if error is not None:
            raise TicketsUnavailable(str(error)) from error.__cause__

    def call_for_parts(self, job_id: str, count: int) -> None:
        """Ask `count` Lambdas to take parts of running jobs."""
        body = msgspec.json.encode(PartsCall(parts_of=job_id)).decode()
        for first in range(0, count, BATCH_AT_MOST):
            entries = [{"Id": str(at), "MessageBody": body} for at in range(first, min(count, first + BATCH_AT_MOST))]
            self._do("send_message_batch", self._urls["lambda"], Entries=entries)

    def send_all(self, sendings: Sequence[Sending]) -> dict[str, TicketsUnavailable]:
        """Send tickets in batches. Return the errors, by the ids of the jobs whose ticket was not sent."""
        if len(sendings) != 1:
            return self._send_batches(sendings)
        try:
            self.send(*sendings[0])
        except TicketsUnavailable as error:
            return {sendings[0].job.id: error}
        return {}

    def _send_together(self, sendings: list[Sending]) -> list[TicketsUnavailable | None]:
        unsent = self._send_batches(sendings)
        return [unsent.get(one.job.id) for one in sendings]

    def _send_batches(self, sendings: Sequence[Sending]) -> dict[str, TicketsUnavailable]:
        unsent: dict[str, TicketsUnavailable] = {}
        away: dict[bool, TicketsUnavailable] = {}
        for pool, batch in _batches(sendings):
            scheduled = batch[0].delay_ms > DELAY_MAX_SECONDS * 1000
            if scheduled in away:  # every further call would wait for its timeout
                unsent |= dict.fromkeys((one.job.id for one in batch), away[scheduled])
                continue
            try:
                unsent |= dict.fromkeys(self._send_batch(pool, batch), TicketsUnavailable("SQS refused the message"))
            except TicketsUnavailable as error:
                if isinstance(error.__cause__, BotoCoreError):
                    away[scheduled] = error
                logger.warning("tickets not sent", extra={"error": str(error), "cause": repr(error.__cause__)})
                unsent |= dict.fromkeys((one.job.id for one in batch), error)
        return unsent

    def unschedule(self, bull_job_id: str) -> None:
        """Delete the schedule of a job that is no longer wanted."""
        if self._schedules is None:
            return
        try:
            self._schedules.forget(bull_job_id)
        except TicketsUnavailable as error:
            logger.warning("schedule not deleted: its ticket will be dropped", extra={"error": str(error)})

    def _send_one(self, job: MediaJob, delay_ms: int) -> None:
        seconds = -(-delay_ms // 1000)
        if seconds > DELAY_MAX_SECONDS and self._schedules is not None:
            self._schedules.send_later(job, self._urls[job.pool], delay_ms)
            return
        seconds = min(DELAY_MAX_SECONDS, seconds)
        self._do("send_message", self._urls[job.pool], MessageBody=jobs.encode(job), DelaySeconds=seconds)

    def _send_batch(self, pool: str, batch: list[Sending]) -> list[str]:
        if len(batch) == 1:
            self._send_one(*batch[0])
            return []
        entries = [
            {"Id": str(at), "MessageBody": jobs.encode(job), "DelaySeconds": -(-delay_ms // 1000)}
            for at, (job, delay_ms) in enumerate(batch)
        ]
        answer = self._do("send_message_batch", self._urls[pool], Entries=entries)
        return [batch[int(failed["Id"])].job.id for failed in answer.get("Failed", ())]

    def receive(self, pool: str, most: int = 1, wait_seconds: int = 0, *, dead: bool = False) -> list[Ticket]:
        """Receive up to `most` tickets (at most 10 per call), waiting up to `wait_seconds` (at most 20) for the first.

        `dead`: receive from the dead-letter queue of the pool.
        """
        answer = self._do(
            "receive_message",
            (self._dead_letter_urls if dead else self._urls)[pool],
            self._poller,
            MaxNumberOfMessages=min(most, RECEIVE_AT_MOST),
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=RECEIVE_VISIBILITY_SECONDS,
        )
        return [
            read_ticket(pool, message["Body"], message["ReceiptHandle"], dead=dead) for message in answer.get("Messages", ())
        ]

    def delete(self, ticket: Ticket) -> None:
        """Delete the ticket of an ended job."""
        self._do("delete_message", self._url(ticket), ReceiptHandle=ticket.receipt)

    def hold(self, ticket: Ticket, delay_ms: int = 0) -> None:
        """Make the ticket visible again after `delay_ms`; at once by default."""
        visibility = _visibility(delay_ms)
        self._do("change_message_visibility", self._url(ticket), ReceiptHandle=ticket.receipt, VisibilityTimeout=visibility)

    def delete_all(self, tickets: Sequence[Ticket]) -> None:
        """Delete the tickets of ended jobs, ten with a call."""
        self._change("delete_message_batch", [(ticket, {}) for ticket in tickets])

    def hold_all(self, delays: Sequence[tuple[Ticket, int]]) -> None:
        """Make tickets visible again, each after its delay in ms, ten with a call."""
        entries = [(ticket, {"VisibilityTimeout": _visibility(delay_ms)}) for ticket, delay_ms in delays]
        self._change("change_message_visibility_batch", entries)

    def send_to_dead_letter_queue(self, ticket: Ticket) -> None:
        """Move an unreadable ticket to the dead-letter queue, for an operator."""
        self._do("send_message", self._dead_letter_urls[ticket.pool], MessageBody=ticket.body)
        self.delete(ticket)

    def ping(self) -> None:
        """Check that SQS answers for every queue."""
        for url in self._urls.values():
            self._do("get_queue_attributes", url, AttributeNames=["QueueArn"])

    def count_dead_letters(self, pool: str) -> int:
        """Return the approximate number of messages in the dead-letter queue of a pool."""
        names: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._do("get_queue_attributes", self._dead_letter_urls[pool], AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def _change(self, call: str, changes: list[tuple[Ticket, dict[str, int]]]) -> None:
        """Change tickets in batches. One that SQS refuses is received again after its visibility timeout."""
        by_queue: dict[str, list[dict[str, Any]]] = {}
        for ticket, values in changes:
            entries = by_queue.setdefault(self._url(ticket), [])
            entries.append({"Id": str(len(entries)), "ReceiptHandle": ticket.receipt, **values})
        for url, entries in by_queue.items():
            for first in range(0, len(entries), BATCH_AT_MOST):
                answer = self._do(call, url, Entries=entries[first : first + BATCH_AT_MOST])
                if failed := [one.get("Code") for one in answer.get("Failed", ()) if not _gone(one.get("Code", ""))]:
                    logger.warning("tickets not changed", extra={"call": call, "codes": failed})

    def _url(self, ticket: Ticket) -> str:
        return (self._dead_letter_urls if ticket.dead else self._urls)[ticket.pool]

    def _do(self, call: str, url: str, sqs: SQSClient | None = None, **arguments: Any) -> Any:
        try:
            return getattr(sqs or self._sqs, call)(QueueUrl=url, **arguments)
        except ClientError as error:
            if _gone(error.response["Error"]["Code"]):
                return {}
            raise TicketsUnavailable("SQS refused the call") from error
        except BotoCoreError as error:
            raise TicketsUnavailable from error


def _visibility(delay_ms: int) -> int:
    return min(VISIBILITY_MAX_SECONDS, -(-delay_ms // 1000))


def _gone(code: str) -> bool:
    """Return whether a ticket cannot be changed because its visibility timeout has passed."""
    return code.endswith(("ReceiptHandleIsInvalid", "MessageNotInflight"))


def read_ticket(pool: str, body: str, receipt: str, *, dead: bool = False) -> Ticket:
    """Return the ticket in a message, as received or as passed to a Lambda."""
    try:
        msgspec.json.decode(body, type=PartsCall)
        return Ticket(pool, receipt, body, None, dead=dead, calls_for_parts=True)
    except msgspec.MsgspecError:
        pass
    try:
        return Ticket(pool, receipt, body, jobs.decode(body), dead=dead)
    except jobs.UnknownEnvelope as error:
        return Ticket(pool, receipt, body, None, poison=not error.newer, dead=dead)


def _batches(sendings: Sequence[Sending]) -> Iterator[tuple[str, list[Sending]]]:
    """Group by queue into batches of one call; scheduled tickets go alone."""
    for pool in sorted({one.job.pool for one in sendings}):
        batch: list[Sending] = []
        size = 0
        for one in (one for one in sendings if one.job.pool == pool):
            if one.delay_ms > DELAY_MAX_SECONDS * 1000:
                yield pool, [one]
                continue
            length = len(jobs.encode(one.job).encode())
            if batch and (len(batch) == BATCH_AT_MOST or size + length > BATCH_MAX_BYTES):
                yield pool, batch
                batch, size = [], 0
            batch.append(one)
            size += length
        if batch:
            yield pool, batch
