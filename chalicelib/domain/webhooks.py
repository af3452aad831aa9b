"""Completion webhooks: what is said, and how it is signed so that its receiver can tell it from anybody else's.

    Mediaq-Signature: t=1764115200,v1=5257a869...

`v1` is HMAC-SHA256 of "<t>.<body>" in hexadecimal, with the secret of the job's owner. A user's secret is made from the
deployment's, so none has to be stored, and one user cannot sign for another. While the deployment's is being changed there is
a `v1` of each.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import msgspec

from chalicelib.domain import warning_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.directus.records import Record
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.types import Callback

SIGNATURE = "Mediaq-Signature"
DELIVERY = "Mediaq-Delivery"
"""The id of what is told: the same for every try, so that a receiver can tell a repetition."""


def secret_of(user_id: str, deployment_secret: str) -> str:
    """Return what signs the callbacks of a user."""
    digest = hmac.new(deployment_secret.encode(), b"callbacks of " + user_id.encode(), hashlib.sha256)
    return f"whsec_{digest.hexdigest()}"


def signature(body: bytes, at: int, secrets: Sequence[str]) -> str:
    """Sign a body, sent `at` s since 1970."""
    signed = [hmac.new(secret.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={one}" for one in signed)])


def body(told: Callback, job: MediaJob, record: Record | None) -> bytes:
    """Write down what happened. What the record says is left out once it is about another run, or gone."""
    closed = {"completed": "completed"}.get(told.outcome, "failed")
    fits = record is not None and record.status == closed
    return msgspec.json.encode(
        {
            "type": f"job.{told.outcome}",
            "id": told.id,
            "job": {
                "jobId": told.job_id,
                "bullJobId": told.id,
                "operation": job.operation,
                "state": told.outcome,
                "output_file_id": record.output_file_id if record and fits else None,
                "error": record.error if record and fits else None,
                "finished_at": record.finished_at if record and fits else None,
                "warnings": msgspec.to_builtins(warning_codes.from_result(record.result)) if record and fits else [],
            },
        }
    )
