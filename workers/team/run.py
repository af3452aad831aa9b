"""The loop of a coordinator: cut the film, run parts, until all results are in its folder."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from chalicelib import tracing
from chalicelib.errors import AttemptFailed, JobStopped, LeaseLost, LedgerUnavailable, MediaRejected
from chalicelib.ledger.ledger import new_token
from workers.context.warnings import WarningCollector
from workers.parts import cut, encode, join
from workers.parts import film as film_module
from workers.sandbox import accounting
from workers.team.exchange import WATCH_SECONDS, Exchange
from workers.team.part_lease import PartLease
from workers.team.timeline import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.ledger.parts import ClaimedPart, GiveBack, PartsState
    from workers.context.team import TeamWork
    from workers.context.work import Work
    from workers.parts.film import Film
    from workers.team.coordinator import Coordinator

logger = Logger(service="mediaq", child=True)


class Run:
    """One film of a coordinator."""

    def __init__(self, team: Coordinator, work: Work, film: Film) -> None:
        self._team = team
        self._work = work
        self._film = film
        self._total = len(film.parts)
        self._errors = 0
        self._exchange = Exchange(team, film, work.folder, work.source.sha256)

    def perform(self, meanwhile: Callable[[], None]) -> TeamWork:
        """Encode all parts."""
        work, film, exchange = self._work, self._film, self._exchange
        exchange.start()
        cut.run(work, film.file, film.stream, film.cut_plan(work.folder), exchange.offer)
        meanwhile()
        while len(exchange.have) < self._total:
            work.check()
            work.progress(self._share)
            if exchange.error:
                raise MediaRejected(exchange.error)
            self._step()
        exchange.settle()
        return describe(self._total, self._read_state(), self._errors)

    def _count_helpers(self, state: PartsState | None) -> None:
        """Add the work of the helpers in this run to the cost of the job; an earlier run counted its own."""
        for row in state.rows if state is not None else []:
            if row.cpu_ms and row.n not in self._exchange.finished_before:
                accounting.current().add_others(row.took_ms / 1000, row.cpu_ms / 1000)

    def close(self) -> None:
        """Count what helpers did, however the run ended, and end all threads."""
        self._count_helpers(self._read_state())
        self._exchange.close()

    @property
    def _share(self) -> float:
        """The share of the work whose results are here."""
        return sum(self._film.parts[n].weight for n in list(self._exchange.have))

    def _step(self) -> None:
        """Run a part, or wait a moment."""
        if not self._exchange.broken.empty():
            n = self._exchange.broken.get()
            return None if n in self._exchange.have else self._run_alone(n)
        try:
            word, part = self._team.ledger.claim_own(self._team.job, self._team.token, new_token(), self._team.worker)
        except LedgerUnavailable:
            left = [n for n in range(self._total) if n not in self._exchange.have | self._exchange.coming]
            return self._run_alone(left[0]) if left else self._wait()
        if part is not None:
            return self._run_claimed(part)
        if word == "unknown":
            self._exchange.plan_again()  # the ledger was wiped
        elif word == "lost":
            self._work.check()
        return self._wait()

    def _wait(self) -> None:
        self._exchange.changed.wait(WATCH_SECONDS)
        self._exchange.changed.clear()

    def _run_alone(self, n: int) -> None:
        self._encode(n, self._work)
        self._exchange.got(n)

    def _run_claimed(self, part: ClaimedPart) -> None:
        """Encode a part and store its result; another worker may be faster."""
        if part.n in self._exchange.have:
            return self._exchange.finish_again(part)
        lease, started = PartLease(part, self._team.ledger), time.monotonic()

        def check() -> None:
            self._work.check()
            lease.check()
            if part.n in self._exchange.have:
                raise LeaseLost("Another worker finished the part")

        with ExitStack() as held:
            held.enter_context(lease)
            try:
                with tracing.span("part", job_id=part.job_id, part=part.n):
                    self._encode(part.n, replace(self._work, check=check))
            except LeaseLost as lost:
                self._release(part, lost)
                return self._work.check()  # of the part, or of the whole job
            except JobStopped as stopped:
                return self._give_back(part, stopped)
            except BaseException as error:  # such as a full disk
                self._release(part, error)
                raise
            self._exchange.got(part.n)
            self._exchange.finish(part, held.pop_all(), self._errors)
        about = {"job_id": part.job_id, "part": part.n, "run": part.run, "worker": self._team.worker, "outcome": "finished"}
        logger.info("part", extra={**about, "seconds": round(time.monotonic() - started, 3)})
        return None

    def _encode(self, n: int, work: Work) -> None:
        """Encode a part from our own input. Its file has its name only when it is complete."""
        warnings = WarningCollector()
        source = self._work.folder / film_module.source_name(n, self._film.recipe.picture.codec)
        target = self._work.folder / f"own-{n:04}.nut"
        begin, weight = self._share, self._film.parts[n].weight
        shown = replace(work, warnings=warnings, progress=lambda share: self._work.progress(begin + weight * share))
        encode.run(shown, self._film.recipe, source, target, n)
        self._errors = max(self._errors, warnings.decode_errors)
        target.replace(self._work.folder / join.encoded_name(n))

    def _release(self, part: ClaimedPart, error: BaseException) -> None:
        with suppress(LedgerUnavailable):  # otherwise its lease ends
            self._team.ledger.give_back(part, "released", str(error))

    def _give_back(self, part: ClaimedPart, stopped: JobStopped) -> None:
        """Give a part back after an error, which ends this attempt at the job."""
        how: GiveBack = "released"
        if isinstance(stopped, (MediaRejected, AttemptFailed)):
            how = "rejected" if isinstance(stopped, MediaRejected) else "failed"
        with suppress(LedgerUnavailable):  # otherwise its lease ends
            self._team.ledger.give_back(part, how, str(stopped))
        raise stopped

    def _read_state(self) -> PartsState | None:
        try:
            return self._team.ledger.read(self._team.job.job_id, self._team.job.id)
        except LedgerUnavailable:
            return None
