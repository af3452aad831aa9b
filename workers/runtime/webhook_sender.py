"""Delivers webhooks: takes due events from the ledger, sends them, and retries with backoff.

The address rules of downloads apply, and no redirect is followed. An event may be delivered twice; its id identifies it.
"""

from __future__ import annotations

import io
import threading
import time
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from chalicelib import tracing
from chalicelib.domain import webhooks
from chalicelib.domain.jobs import UnknownEnvelope, decode
from chalicelib.errors import AttemptFailed, JobStopped, MediaRejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.directus.client import Directus
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.domain.webhooks import WebhookEvent
    from chalicelib.ledger.ledger import Ledger
    from workers.network.fetch import Fetcher

logger = Logger(service="mediaq", child=True)
ANSWER_SECONDS = 10.0
LEASE_MS = 60_000
"""Longer than one delivery takes, with a read from Directus before it."""
CONCURRENT_SENDS = 4
"""How many deliveries run in parallel, for as many users."""
AGAIN_MS = (5_000, 20_000, 80_000, 320_000, 1_280_000, 5_120_000, 14_400_000)
"""The backoff after each failed attempt. After the last one the event is given up: 8 attempts within 6 hours."""
UNREACHABLE_MS = 30_000
UNANSWERED_MS = 30_000
"""How long the user's other webhooks wait after an attempt without an answer."""
GONE = 410
LABEL = "callback_url"


class WebhookSender:
    """Delivers webhooks. Any number of senders may run in parallel."""

    def __init__(self, ledger: Ledger, directus: Directus, fetcher: Fetcher, secrets: Sequence[str]) -> None:
        self._ledger = ledger
        self._directus = directus
        self._fetcher = fetcher
        self._secrets = secrets
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._awake = 0

    def deliver_due(self, seconds: float) -> int:
        """Deliver due events for about `seconds`; return the number of attempts. Never raises for an unreachable dependency."""
        until, attempts = time.monotonic() + seconds, 0
        try:
            while time.monotonic() < until and not self._stopping.is_set():
                event = self._ledger.take_webhook(LEASE_MS)
                if event is None:
                    break
                self._deliver(event)
                attempts += 1
        except Unavailable as error:
            logger.warning("callbacks must wait", extra={"error": str(error)})
        return attempts

    def wake(self, due: int) -> None:
        """Deliver due events in the background, with as many threads as there is work for."""
        with self._lock:
            wanted = min(due, CONCURRENT_SENDS) - self._awake
            self._awake += max(0, wanted)
        for _ in range(wanted):
            threading.Thread(target=self._run, daemon=True, name="webhook_sender").start()

    def _run(self) -> None:
        try:
            self.deliver_due(float("inf"))
        except Exception:  # the next sweep starts another one
            logger.exception("webhooks are not delivered")
        finally:
            with self._lock:
                self._awake -= 1

    def stop(self) -> None:
        """Start no more deliveries; those in progress finish."""
        self._stopping.set()

    def _deliver(self, event: WebhookEvent) -> None:
        try:
            job = decode(event.body, event.id)
        except UnknownEnvelope:  # of a later release: its workers can read it
            return
        try:
            record = self._directus.read_job(event.job_id)
        except Unavailable:
            self._ledger.record_webhook_attempt(event, None, "", UNREACHABLE_MS)
            return
        with tracing.span("callback", parent=job.traceparent, kind="client", job_id=event.job_id):
            status, error, final = self._send(event, job, webhooks.body(event, job, record))
        again = None if final or event.attempts == len(AGAIN_MS) else AGAIN_MS[event.attempts]
        unanswered = bool(error) and not status and not final
        self._ledger.record_webhook_attempt(event, status, error, again, UNANSWERED_MS if unanswered else 0)
        outcome = {"status": status, "error": error, "again_ms": again, "job_id": event.job_id, "bull_job_id": event.id}
        logger.info("called back", extra=outcome)

    def _send(self, event: WebhookEvent, job: MediaJob, body: bytes) -> tuple[int, str, bool]:
        """Return the status (0: no answer), the error, and whether it is final."""
        if not self._secrets:
            return 0, "This deployment has no WEBHOOK_SECRET any more", False
        at = int(time.time())
        secrets = [webhooks.secret_of(job.user_id, secret) for secret in self._secrets]
        headers = {
            "Content-Type": "application/json",
            webhooks.DELIVERY: event.id,
            webhooks.SIGNATURE: webhooks.signature(body, at, secrets),
        }
        if trace := tracing.traceparent():
            headers["traceparent"] = trace
        try:
            status = self._fetcher.post(job.callback_url or "", io.BytesIO(body), len(body), headers, ANSWER_SECONDS, LABEL)
        except MediaRejected as error:  # the address is not allowed, and never will be
            return 0, str(error), True
        except (AttemptFailed, JobStopped) as error:
            return 0, str(error), False
        if 200 <= status < 300:  # noqa: PLR2004 - success
            return status, "", True
        return status, f"{LABEL} answered with status {status}", status == GONE
