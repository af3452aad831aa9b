"""Tells callback addresses that jobs are over: what the ledger has due, one after another, tried again with growing pauses.

An address is under the same rules as one that a file is fetched from, and no redirect is followed. What is told may arrive
twice, and bears an id to know that by.
"""

from __future__ import annotations

import io
import threading
import time
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

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
"""Longer than a try takes, with a look into Directus before it."""
CONCURRENT_SENDS = 4
"""How many are told at the same time, of as many users."""
AGAIN_MS = (5_000, 20_000, 80_000, 320_000, 1_280_000, 5_120_000, 14_400_000)
"""The pause after each failed try; after the last of them, nobody tries any more: 8 tries within 6 hours."""
UNREACHABLE_MS = 30_000
UNANSWERED_MS = 30_000
"""How long the other callbacks of a user wait after one that was not answered."""
GONE = 410
LABEL = "callback_url"


class WebhookSender:
    """Delivers. Any number of them may work at the same time."""

    def __init__(self, ledger: Ledger, directus: Directus, fetcher: Fetcher, secrets: Sequence[str]) -> None:
        self._ledger = ledger
        self._directus = directus
        self._fetcher = fetcher
        self._secrets = secrets
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._awake = 0

    def deliver_due(self, seconds: float) -> int:
        """Deliver what is due, for about `seconds`; return how many tries there were. Never raises for a dependency."""
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
        """Deliver what is due beside whatever else this process does, as many abreast as there is work for."""
        with self._lock:
            wanted = min(due, CONCURRENT_SENDS) - self._awake
            self._awake += max(0, wanted)
        for _ in range(wanted):
            threading.Thread(target=self._run, daemon=True, name="webhook_sender").start()

    def _run(self) -> None:
        try:
            self.deliver_due(float("inf"))
        except Exception:  # the next sweep sends another
            logger.exception("callbacks are not delivered")
        finally:
            with self._lock:
                self._awake -= 1

    def stop(self) -> None:
        """Take up nothing more; what is under way has its time."""
        self._stopping.set()

    def _deliver(self, event: WebhookEvent) -> None:
        try:
            job = decode(event.body, event.id)
        except UnknownEnvelope:  # of a later release: its workers know it
            return
        try:
            record = self._directus.read_job(event.job_id)
        except Unavailable:
            self._ledger.record_webhook_attempt(event, None, "", UNREACHABLE_MS)
            return
        status, error, final = self._send(event, job, webhooks.body(event, job, record))
        again = None if final or event.attempts == len(AGAIN_MS) else AGAIN_MS[event.attempts]
        unanswered = bool(error) and not status and not final
        self._ledger.record_webhook_attempt(event, status, error, again, UNANSWERED_MS if unanswered else 0)
        outcome = {"status": status, "error": error, "again_ms": again, "job_id": event.job_id, "bull_job_id": event.id}
        logger.info("called back", extra=outcome)

    def _send(self, event: WebhookEvent, job: MediaJob, body: bytes) -> tuple[int, str, bool]:
        """Return the status (0: no answer), what went wrong, and whether that is the last word."""
        if not self._secrets:
            return 0, "This deployment has no WEBHOOK_SECRET any more", False
        at = int(time.time())
        secrets = [webhooks.secret_of(job.user_id, secret) for secret in self._secrets]
        headers = {
            "Content-Type": "application/json",
            webhooks.DELIVERY: event.id,
            webhooks.SIGNATURE: webhooks.signature(body, at, secrets),
        }
        try:
            status = self._fetcher.post(job.callback_url or "", io.BytesIO(body), len(body), headers, ANSWER_SECONDS, LABEL)
        except MediaRejected as error:  # the address is not allowed, and will not be
            return 0, str(error), True
        except (AttemptFailed, JobStopped) as error:
            return 0, str(error), False
        if 200 <= status < 300:  # noqa: PLR2004 - success
            return status, "", True
        return status, f"{LABEL} answered with status {status}", status == GONE
