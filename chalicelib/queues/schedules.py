"""EventBridge Scheduler: tickets for later than SQS can delay them. The only file that knows the service.

A schedule contains the whole envelope, like a ticket, so a delayed job survives a wipe of Redis. It deletes itself.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain import jobs
from chalicelib.errors import TicketsUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_scheduler import EventBridgeSchedulerClient

    from chalicelib.domain.jobs import MediaJob

DELAY_MAX_MS = 7 * 86_400_000


class Schedules:
    """One-time schedules in `group`, with a role that may send to the queues.

    Every method raises `TicketsUnavailable` if the service is unreachable, throttles, or rejects the call.
    """

    def __init__(self, role_arn: str, group: str) -> None:
        self._role_arn = role_arn
        self._group = group

    @cached_property
    def _client(self) -> EventBridgeSchedulerClient:
        retries: Any = {"total_max_attempts": 2, "mode": "standard"}
        return boto3.client("scheduler", config=Config(connect_timeout=2, read_timeout=5, retries=retries))

    def send_later(self, job: MediaJob, queue_url: str, delay_ms: int) -> None:
        """Schedule a ticket for `job` after `delay_ms`. A second call for the same admission changes nothing."""
        due = datetime.now(UTC) + timedelta(milliseconds=delay_ms)
        with _errors("ConflictException"):
            self._client.create_schedule(
                Name=job.id,
                GroupName=self._group,
                ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={
                    "Arn": _arn(queue_url, self._client.meta.region_name),
                    "RoleArn": self._role_arn,
                    "Input": jobs.encode(job),
                },
            )

    def forget(self, bull_job_id: str) -> None:
        """Delete the schedule of an admission, if there is one."""
        with _errors("ResourceNotFoundException"):
            self._client.delete_schedule(Name=bull_job_id, GroupName=self._group)


@contextmanager
def _errors(ignored: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != ignored:
            raise TicketsUnavailable("EventBridge Scheduler refused the call") from error
    except BotoCoreError as error:
        raise TicketsUnavailable("EventBridge Scheduler connection refused") from error


def _arn(queue_url: str, region: str) -> str:
    account, name = urlsplit(queue_url).path.strip("/").split("/")[-2:]
    return f"arn:aws:sqs:{region}:{account}:{name}"
