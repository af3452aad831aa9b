"""Tries credentials for their owners: one request to an address of their hosts, whose status is the answer."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from chalicelib.directus.records import timestamp
from chalicelib.errors import JobStopped, Unavailable
from chalicelib.ledger.credential_tests import Outcome

if TYPE_CHECKING:
    from chalicelib.directus.client import Directus
    from chalicelib.ledger.credential_tests import CredentialTests, Test
    from workers.context.work import Tools

logger = Logger(service="mediaq", child=True)
ANSWER_SECONDS = 7.0
"""Less than the caller of the API waits."""
RUN_SECONDS = 60.0
LABEL = "url"


class CredentialTester:
    """Runs the tests that wait in Redis."""

    def __init__(self, tests: CredentialTests, directus: Directus, tools: Tools) -> None:
        self._tests = tests
        self._directus = directus
        self._tools = tools
        self._lock = threading.Lock()
        self._awake = False

    def wake(self, waiting: int) -> None:
        """Run the tests that wait in the background: a slow server must not delay the sweeps."""
        with self._lock:
            if not waiting or self._awake:
                return
            self._awake = True
        threading.Thread(target=self._run, daemon=True, name="credential_tester").start()

    def _run(self) -> None:
        try:
            self.run_safely(RUN_SECONDS)
        finally:
            with self._lock:
                self._awake = False

    def run_safely(self, seconds: float) -> None:
        """Run tests that wait, and log what goes wrong: neither a sweep nor a ticket of the same Lambda depends on it."""
        try:
            self.run_waiting(seconds)
        except Exception:
            logger.exception("credentials are not tested")

    def run_waiting(self, seconds: float) -> int:
        """Run tests that wait, for about `seconds`; return how many. Never raises for an unreachable dependency."""
        until, ran = time.monotonic() + seconds, 0
        try:
            while time.monotonic() < until and (test := self._tests.take()) is not None:
                outcome = self._try(test)
                status = outcome.error or str(outcome.status)
                logger.info("credential tested", extra={"credential_id": test.credential_id, "status": status})
                try:  # first: who has the answer may read the credential next
                    self._directus.note_use(test.credential_id, timestamp(), status[:200])
                finally:
                    self._tests.answer(test, outcome)
                ran += 1
        except Unavailable as error:
            logger.warning("tests of credentials must wait", extra={"error": str(error)})
        return ran

    def _try(self, test: Test) -> Outcome:
        connection = self._directus.read_connection(test.credential_id)
        if connection is None:
            return Outcome(0, "The credential is gone")
        try:
            authorization = self._tools.keyring.open(connection)
            return Outcome(self._tools.fetcher.probe(test.url, authorization, seconds=ANSWER_SECONDS, label=LABEL))
        except JobStopped as error:
            return Outcome(0, str(error))
