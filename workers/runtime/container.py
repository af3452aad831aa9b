"""The container worker: polls its pools, runs jobs in threads, and drains on SIGTERM."""

from __future__ import annotations

import itertools
import math
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from chalicelib.errors import TicketsUnavailable, Unavailable
from chalicelib.maintenance.maintenance import send_missing
from chalicelib.queues.tickets import RECEIVE_AT_MOST
from workers.runtime.task_protection import TaskProtection

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import FrameType

    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.types import Claim
    from chalicelib.queues.tickets import Ticket, Tickets
    from workers.runtime.credential_tester import CredentialTester
    from workers.runtime.heartbeat import Heartbeats
    from workers.runtime.runner import Runner
    from workers.runtime.webhook_sender import WebhookSender

logger = Logger(service="mediaq", child=True)
SWEEP_SECONDS = 2.0
RETRY_SECONDS = 2.0
SILENT_SECONDS = 60.0
"""A pool that has not been polled for so long, with a free slot, makes the worker unhealthy."""
PROTECTED_SECONDS = 5400.0
"""How long a draining worker may delay a deployment for its running jobs."""


class ContainerWorker:
    """One polling thread per pool, up to `concurrency` jobs, a sweep every two seconds."""

    def __init__(
        self,
        runner: Runner,
        ledger: Ledger,
        tickets: Tickets,
        *,
        pools: list[str],
        concurrency: int,
        poll_seconds: int,
        drain_seconds: float,
        retire_seconds: float = math.inf,
        webhook_sender: WebhookSender,
        credential_tester: CredentialTester,
        heartbeats: Heartbeats | None = None,
        protection: TaskProtection | None = None,
    ) -> None:
        self._runner = runner
        self._ledger = ledger
        self._tickets = tickets
        self._pools = pools
        self._concurrency = concurrency
        self._poll_seconds = poll_seconds
        self._drain_seconds = drain_seconds
        self._retire_seconds = retire_seconds
        self._webhook_sender = webhook_sender
        self._credential_tester = credential_tester
        self._heartbeats = heartbeats
        self._protection = protection or TaskProtection(None)
        self._free = threading.Semaphore(concurrency)
        self._stopping = threading.Event()
        self._signals = 0
        self._busy = 0
        self._paused: frozenset[str] = frozenset()
        self._idle = threading.Condition()
        self._turns = itertools.cycle(range(len(pools)))
        runner.next_pools = self._next_pools
        self._polled = dict.fromkeys(pools, time.monotonic())
        """When each pool was polled last."""

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then drain: finish the jobs, or release them at the deadline or a second signal.

        Without a signal, the worker retires when it is old or a deployment waits for it; then its jobs are finished, however
        long.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        threads = [threading.Thread(target=self._poll, args=(pool,), daemon=True, name=f"poll-{pool}") for pool in self._pools]
        threads.append(threading.Thread(target=self._sweep, daemon=True, name="sweep"))
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="job") as self._slots:
            for thread in threads:
                thread.start()
            if self._heartbeats is not None:
                self._heartbeats.follow(self._runner)
                self._heartbeats.start(self.polls)
            logger.info("working", extra={"pools": self._pools, "concurrency": self._concurrency})
            self._wait_for_the_end()
            self._stopping.set()
            if self._heartbeats is not None:
                self._heartbeats.drain()
            self._finish_jobs()
            logger.info("stopping", extra={"drain_seconds": self._drain_seconds})
            deadline = time.monotonic() + self._drain_seconds
            self._drain(deadline)
            self._webhook_sender.stop()
            for thread in threads:  # an abandoned poll may receive a ticket; ours are released
                while thread.is_alive() and self._signals <= 1:
                    thread.join(0.1)
            self._drain(deadline)  # a poll may have started a job at the last moment
            self._runner.kept_tickets.flush()
        if self._heartbeats is not None:
            self._heartbeats.stop()
        logger.info("stopped")

    def polls(self) -> bool:
        """Return whether every pool was polled lately, or no slot is free, or the worker stops."""
        with self._idle:
            if self._busy >= self._concurrency or self._stopping.is_set():
                self._polled = dict.fromkeys(self._pools, time.monotonic())
            return all(time.monotonic() - at < SILENT_SECONDS for at in self._polled.values())

    def _wait_for_the_end(self) -> None:
        old_at = time.monotonic() + self._retire_seconds
        while not self._signals and not self._protection.waited_for and time.monotonic() < old_at:
            self._protection.follow(busy=self._jobs_running())
            time.sleep(0.2)

    def _finish_jobs(self) -> None:
        """Wait for running jobs without a signal. The protection ends before the 3 hours that a deployment may take."""
        protected_until = time.monotonic() + PROTECTED_SECONDS
        if not self._signals:
            logger.info("retiring", extra={"a_deployment_waits": self._protection.waited_for})
        while not self._signals and self._jobs_running():
            self._protection.follow(busy=time.monotonic() < protected_until)
            time.sleep(0.2)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._signals += 1  # no lock and no log in a signal handler: the main thread may hold either

    def _drain(self, deadline: float) -> None:
        while self._jobs_running() and time.monotonic() < deadline and self._signals <= 1:
            time.sleep(0.1)
        while self._jobs_running():  # repeatedly: a pending poll may have started one
            self._runner.stop()
            time.sleep(0.1)

    def _jobs_running(self) -> bool:
        with self._idle:
            return self._busy > 0

    def _poll(self, pool: str) -> None:
        """Receive tickets while there is a free slot. A ticket without a slot goes back at once."""
        while not self._stopping.is_set():
            self._polled[pool] = time.monotonic()
            if pool in self._paused:  # from the last sweep; a ticket received all the same is held
                self._stopping.wait(SWEEP_SECONDS)
                continue
            self._free.acquire()  # wait for a slot, but do not hold it during a long poll: another pool may need it
            self._free.release()
            try:
                tickets = self._tickets.receive(pool, RECEIVE_AT_MOST, self._poll_seconds)
                if tickets:
                    self._start(pool, tickets)
            except TicketsUnavailable as error:
                logger.warning("cannot receive", extra={"pool": pool, "error": str(error), "cause": repr(error.__cause__)})
                self._stopping.wait(RETRY_SECONDS)
            except Exception:  # a worker that does not poll is dead without anyone noticing
                logger.exception("cannot receive", extra={"pool": pool})
                self._stopping.wait(RETRY_SECONDS)

    def _start(self, pool: str, tickets: list[Ticket]) -> None:
        """Claim jobs for free slots. Tickets that find none go back at once."""
        slots = 0
        started: list[Future[None]] = []
        try:
            while slots < len(tickets) and not self._stopping.is_set() and self._take_slot():
                slots += 1
            handled = self._runner.claims.claim(
                pool, tickets, slots, lambda claim, ticket: started.append(self._slots.submit(self._work, claim, ticket))
            )
        finally:
            for _ in range(slots - len(started)):
                self._free_slot()
        if handled.calls_for_parts:
            self._start_looking(1)

    def _work(self, claim: Claim, ticket: Ticket | None) -> None:
        try:
            self._runner.run(claim, ticket)
            if self._runner.helper is not None:
                self._look()  # the turn may be that of a job with parts
        except Exception:  # the slot must be freed
            logger.exception("a job was not run")
        finally:
            self._free_slot()

    def _start_looking(self, most: int) -> None:
        """Let up to `most` free slots look for work without a ticket."""
        while most > 0 and not self._stopping.is_set() and self._take_slot():
            most -= 1
            self._slots.submit(self._look_and_free)

    def _look_and_free(self) -> None:
        try:
            self._look()
        except Exception:  # the next sweep tries again
            logger.exception("cannot look for work")
        finally:
            self._free_slot()

    def _look(self) -> None:
        """Run parts and jobs of all pools as long as there are any. A part is not taken if the turn is that of a job."""
        while not self._stopping.is_set() and any(self._helps(pool) or self._runner.look(pool) for pool in self._next_pools()):
            pass

    def _next_pools(self) -> list[str]:
        """Return the pools in which to look for the next job: each is the first in turn. None: the worker stops."""
        if self._stopping.is_set():
            return []
        first = next(self._turns)
        return [*self._pools[first:], *self._pools[:first]]

    def _helps(self, pool: str) -> bool:
        return self._runner.helper is not None and self._runner.helper.help(pool)

    def _take_slot(self) -> bool:
        if not self._free.acquire(blocking=False):
            return False
        with self._idle:
            self._busy += 1
        return True

    def _free_slot(self) -> None:
        self._free.release()
        with self._idle:
            self._busy -= 1

    def _sweep(self) -> None:
        while not self._stopping.wait(SWEEP_SECONDS):
            try:
                swept = self._ledger.sweep()
                self._paused = swept.paused
                self._webhook_sender.wake(swept.due)
                self._credential_tester.wake(swept.tests)
                waiting = sum(
                    count for pool, count in swept.waiting.items() if pool in self._pools and pool not in swept.paused
                )
                self._start_looking(waiting + swept.offered)
                send_missing(swept.missing, self._tickets)
            except Unavailable as error:
                logger.warning("cannot sweep", extra={"error": str(error)})
            except Exception:
                logger.exception("cannot sweep")
