"""Webhooks: the body sent to `callback_url`, and its signature.

    Mediaq-Signature: t=1764115200,v1=5257a869...

`v1` is the HMAC-SHA256 of "<t>.<body>" in hexadecimal, keyed with the secret of the job's owner. A user's secret is derived
from the deployment's secret, so mediaq stores none, and one user cannot sign for another. While it is rotated,
the header has one `v1` for each secret.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from chalicelib.domain import warning_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.directus.records import Record
    from chalicelib.domain.jobs import MediaJob

OUTPUTS_MAX = 200
SIGNATURE = "Mediaq-Signature"
DELIVERY = "Mediaq-Delivery"
"""The id of the event. It is the same on every attempt, so receivers can ignore duplicates."""


class WebhookEvent(NamedTuple):
    """The outcome of a job that is due for delivery."""

    job_id: str
    id: str
    """The `bullJobId` of the job."""
    outcome: str
    """completed, failed or cancelled."""
    body: str
    """The envelope of the job, as JSON."""
    attempts: int
    """How many deliveries were attempted before."""


def secret_of(user_id: str, deployment_secret: str) -> str:
    """Return the secret that signs a user's webhooks."""
    digest = hmac.new(deployment_secret.encode(), b"callbacks of " + user_id.encode(), hashlib.sha256)
    return f"whsec_{digest.hexdigest()}"


def signature(body: bytes, at: int, secrets: Sequence[str]) -> str:
    """Return the value of `Mediaq-Signature` for a body sent `at` seconds since 1970."""
    signed = [hmac.new(secret.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={one}" for one in signed)])


def _outputs(record: Record) -> list[dict[str, Any]]:
    """Return every output file of a record: name, id and media type. The owner can write anything into `result`."""
    listed = record.result.get("outputs") if isinstance(record.result, dict) else None
    fields = ("name", "file_id", "type")
    files = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [{field: str(one.get(field))[:200] for field in fields} for one in files[:OUTPUTS_MAX]]


def body(event: WebhookEvent, job: MediaJob, record: Record | None) -> bytes:
    """Return the JSON body. Fields of the record are null when the record is gone or describes a later run."""
    closed = {"completed": "completed"}.get(event.outcome, "failed")
    fits = record is not None and record.status == closed
    return msgspec.json.encode(
        {
            "type": f"job.{event.outcome}",
            "id": event.id,
            "job": {
                "jobId": event.job_id,
                "bullJobId": event.id,
                "operation": job.operation,
                "state": event.outcome,
                "output_file_id": record.output_file_id if record and fits else None,
                "outputs": _outputs(record) if record and fits else [],
                "error": record.error if record and fits else None,
                "finished_at": record.finished_at if record and fits else None,
                "warnings": msgspec.to_builtins(warning_codes.from_result(record.result)) if record and fits else [],
            },
        }
    )
