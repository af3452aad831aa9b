"""Tests of credentials: the API asks, a worker answers, through Redis. Only workers can open a credential."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import msgspec

if TYPE_CHECKING:
    from chalicelib.ledger.scripts import Scripts

PER_MINUTE = 5
WAITING_MAX = 1000


class Limited(Exception):
    """There were too many tests; the next one may start in `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Test(NamedTuple):
    """A test that a worker took."""

    credential_id: str
    id: str
    url: str


class Outcome(msgspec.Struct):
    """What came of a test: the HTTP status (0: no answer), or the error."""

    status: int
    error: str = ""


class CredentialTests:
    """The tests in Redis. Raises `LedgerUnavailable`."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def request(self, user_id: str, credential_id: str, url: str) -> str:
        """Ask for a test and return its id. A test that no worker takes within two minutes is dropped.

        Raises:
            Limited: too many tests of this user in the last minute, or too many tests that wait.
        """
        test_id = str(uuid4())
        word, *rest = self._scripts.call(
            "credentials/request_test", user_id, credential_id, test_id, url, PER_MINUTE, WAITING_MAX
        )
        if word != "ok":
            raise Limited(max(1, int(rest[0])) if rest else 60)
        return test_id

    def take(self) -> Test | None:
        """Take the oldest test that waits."""
        word, *rest = self._scripts.call("credentials/take_test")
        return Test(*map(str, rest)) if word == "test" else None

    def answer(self, test: Test, outcome: Outcome) -> None:
        """Store the outcome of a test."""
        self._scripts.call("credentials/answer_test", test.id, msgspec.json.encode(outcome).decode())

    def read(self, test_id: str) -> Outcome | None:
        """Return the outcome of a test; None if there is none yet."""
        word, *rest = self._scripts.call("credentials/read_test", test_id)
        return msgspec.json.decode(rest[0], type=Outcome) if word == "outcome" else None
