"""ECS task scale-in protection: keeps ECS from stopping a busy task, and detects a waiting deployment.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection.html. Does nothing outside ECS.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import requests
from aws_lambda_powertools import Logger

if TYPE_CHECKING:
    from collections.abc import Callable

logger = Logger(service="mediaq", child=True)
EXPIRES_MINUTES = 60
RENEW_SECONDS = 600.0
ASK_AGAIN_SECONDS = 30.0
IDLE_SECONDS = 5.0
"""Protection is kept between two jobs for this long."""
TIMEOUT_SECONDS = 5.0
WAITED_FOR = "DEPLOYMENT_BLOCKED"
"""The reason that ECS gives when more tasks are protected than the service wants. For a protected task it means that a
deployment or a scale-in waits for it."""


class TaskProtection:
    """The protection of this task, enabled while there are jobs."""

    def __init__(self, agent: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        """`agent` is the URL of the ECS agent, from ECS_AGENT_URI; None outside ECS."""
        self._url = f"{agent}/task-protection/v1/state" if agent else ""
        self._clock = clock
        self._protected: bool | None = False  # None: an answer was lost
        self._retry_at = self._renew_at = 0.0
        self._busy_at = -IDLE_SECONDS
        self.waited_for = False
        """True if a deployment waits for this task: it should take no more jobs."""

    def follow(self, *, busy: bool) -> None:
        """Protect the task while it is `busy`, and release it afterwards. Errors are only logged: no job depends on it."""
        if not self._url:
            return
        now = self._clock()
        if busy:
            self._busy_at = now
        wanted = now - self._busy_at < IDLE_SECONDS
        changes = wanted != self._protected
        if (changes and now >= self._retry_at) or (wanted and now >= self._renew_at):
            if self._ask(wanted=wanted):
                self._renew_at = now + RENEW_SECONDS
            else:
                self._retry_at = self._renew_at = now + ASK_AGAIN_SECONDS

    def _ask(self, *, wanted: bool) -> bool:
        asked: dict[str, Any] = {"ProtectionEnabled": wanted} | ({"ExpiresInMinutes": EXPIRES_MINUTES} if wanted else {})
        try:
            said = requests.put(self._url, json=asked, timeout=TIMEOUT_SECONDS).json()
        except (requests.RequestException, ValueError) as error:
            logger.warning("task protection not changed", extra={"wanted": wanted, "cause": repr(error)})
            self._protected = None
            return False
        failure = {name: said[name] for name in ("failure", "error") if said.get(name)} if isinstance(said, dict) else said
        if failure:
            self.waited_for |= bool(self._protected) and WAITED_FOR in json.dumps(failure)
            logger.warning("task protection not changed", extra={"wanted": wanted, "answer": failure})
            return False
        self._protected = wanted
        return True
