"""EventBridge Scheduler: tickets that go out later than SQS can hold them back. The only file that knows the service.

A schedule holds the whole envelope, as a ticket does: a delayed job needs no Redis to come back either. It deletes itself.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import jobs
from chalicelib.errors import TicketsUnavailable

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

    from chalicelib.jobs import MediaJob

DELAY_MAX_MS = 7 * 86_400_000


class Schedules:
    """One-time schedules in `group`, made with a role that may send to the queues."""

    def __init__(self, client: EventBridgeSchedulerClient, role_arn: str, group: str) -> None:
        self._client = client
        self._role_arn = role_arn
        self._group = group

    def send_later(self, job: MediaJob, queue_url: str, delay_ms: int) -> None:
        """Have a ticket for `job` sent to a queue after `delay_ms`. Asked again for the same admission, it changes nothing.

        Raises:
            TicketsUnavailable: the service is away, throttles, or refuses.
        """
        due = datetime.now(UTC) + timedelta(milliseconds=delay_ms)
        queue = _arn(queue_url, self._client.meta.region_name)
        try:
            self._client.create_schedule(
                Name=job.id,
                GroupName=self._group,
                ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={"Arn": queue, "RoleArn": self._role_arn, "Input": jobs.encode(job)},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConflictException":
                raise TicketsUnavailable("EventBridge Scheduler refused the call") from error
        except BotoCoreError as error:
            raise TicketsUnavailable("EventBridge Scheduler connection refused") from error


def client() -> EventBridgeSchedulerClient:
    """Make a client; the endpoint follows `AWS_ENDPOINT_URL`."""
    return boto3.client("scheduler")


def _arn(queue_url: str, region: str) -> str:
    account, name = urlsplit(queue_url).path.strip("/").split("/")[-2:]
    return f"arn:aws:sqs:{region}:{account}:{name}"
