"""The ledger in plain Python. Property tests compare the Lua scripts with it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.unit.ledger.model_job import Job
from tests.unit.ledger.model_state import LedgerState

LEASE, SECOND_LOOK, STARVED = 10_000, 3_000, 60_000
GRACE, RECOVERY = 120_000, 15_000


@dataclass
class Model(LedgerState):
    """The transitions. Every method returns what the script of that name answers."""

    def admit(self, job: Job, record: str, now: int, delay: int, limit: int, token: str) -> str:
        """Admit `job`, whose id is that of the script's answer."""
        if job.job_id in self.jobs:
            if record == "failed":
                return "closing"
            open_job = self.jobs[job.job_id]
            if not open_job.shared or now - open_job.sent >= STARVED:
                open_job.sent = now
            open_job.shared = True
            return "open"
        outcome = self.done.get(job.job_id, ("", "", ""))[1]
        if outcome == "completed":
            return "completed"
        if self.locks.get(job.job_id, token) != token:
            return "locked"
        if outcome not in ("", "retracted") and record not in ("failed", "reopened"):
            return "stale"
        if 0 <= limit <= self.charged.get(job.user, 0):
            return "limit"
        if record == "failed":
            self.lock(job.job_id, token)
            return "reopen"
        self.unlock(job.job_id, token)
        self.born = self.born or now
        self.done.pop(job.job_id, None)
        job.sent = now
        if delay:
            job.state, job.at, job.scheduled = "delayed", now + delay, True
        else:
            job.round = self.next_round(job.pool, job.priority, job.user)
        self.jobs[job.job_id] = job
        self.charged[job.user] = self.charged.get(job.user, 0) + 1
        return "admitted"

    def retract(self, job_id: str, id_: str, token: str) -> str:
        """Undo an admission."""
        job = self.jobs.get(job_id)
        if job is None or job.id != id_:
            marker = self.done.get(job_id, ("", "", ""))
            return "kept" if marker[0] == id_ and marker[1] != "retracted" else "retracted"
        if job.state == "active" or job.runs:
            return "kept"
        if job.shared:
            job.sent = 0
            return "shared"
        self.give_round_back(job)
        self.charged[job.user] -= 1
        del self.jobs[job_id]
        if token:
            self.lock(job_id, token)
        self.done[job_id] = (id_, "retracted", "")
        return "retracted"

    def claim(self, pool: str, id_: str, job_id: str, token: str, now: int) -> tuple[str, str]:
        """Return the word for one ticket, and the job to run."""
        [word], jobs = self.claim_with(pool, [(id_, job_id)], [token], now)
        return ("run", jobs[0]) if jobs else (word, "")

    def claim_with(self, pool: str, tickets: list[tuple[str, str]], tokens: list[str], now: int) -> tuple[list[str], list[str]]:
        """Return the word for each ticket, and the jobs to run."""
        self.promote(now)
        words = [self.verdict(pool, *ticket) for ticket in tickets]
        most = words.count("wait") if tickets else len(tokens)
        jobs = [self.claim_best([pool], token, now) for token in tokens[:most]]
        return words, [job_id for job_id in jobs if job_id]

    def verdict(self, pool: str, id_: str, job_id: str) -> str:
        """Say what becomes of a ticket."""
        own = self.jobs.get(job_id)
        if own is None:
            return "drop" if self.done.get(job_id, ("",))[0] >= id_ else "unknown"
        if own.id != id_:
            return "drop" if own.id > id_ else "unknown"
        if own.state == "active":
            return "hold"
        if own.pool != pool:
            return "elsewhere"
        return "hold" if own.state == "delayed" or pool in self.paused else "wait"

    def claim_best(self, pools: list[str], token: str, now: int) -> str:
        """Claim the best job of the first pool that has one; return it, or ""."""
        for pool in pools:
            if pool in self.paused or not self.line(pool):
                continue
            best = self.jobs[self.line(pool)[0]]
            place = (pool, best.priority)
            if best.round > self.current.get(place, 0):
                self.current[place] = best.round
                self.last = {key: last for key, last in self.last.items() if key[:2] != place or last > best.round}
            best.runs += 1
            best.deadline = now + best.wall + GRACE
            self.hold(best, token, now)
            return best.job_id
        return ""

    def finish_and_claim(
        self, job: tuple[str, str, str], outcome: str, now: int, delay: int, token: str, pools: list[str]
    ) -> tuple[str, str]:
        """End an attempt of (job id, id, token); return the word, and the job that `token` claims next.

        A repeated call claims nothing new, and one that returns the job to its queue claims nothing.
        """
        held = self.jobs.get(job[0])
        first = held is not None and held.id == job[1] and self.speaks(held, job[2])
        word = self.finish(*job, outcome, now, delay)
        if not first or not token or outcome == "retry":
            return word, ""
        self.promote(now)
        return word, self.claim_best(pools, token, now)

    def hold(self, job: Job, token: str, now: int) -> None:
        """Lease a job."""
        job.closing &= job.token == token
        job.starting |= job.token != token
        job.state, job.token, job.former, job.suspect, job.orphan = "active", token, "", False, False
        job.at = min(now + LEASE, job.deadline)

    def renew(self, job_id: str, id_: str, token: str, now: int, phase: str) -> str:
        """Renew a lease."""
        job = self.jobs.get(job_id)
        if job is None:
            return "lost" if self.done.get(job_id, ("",))[0] >= id_ else "unknown"
        if job.id < id_:
            return "unknown"
        if job.id == id_ and self.unheld(job):
            return "unknown"
        if job.id > id_ or not self.speaks(job, token) or now >= job.deadline:
            return "lost"
        if job.state == "waiting":
            job.stalls = max(0, job.stalls - 1)
        self.hold(job, token, now)
        job.starting &= phase == "starting"
        job.closing |= phase == "closing" and not job.cancel
        if phase == "cancelling":
            if job_id in self.locks:
                return "locked"
            job.cancel = job.closing = True
        return "cancelled" if job.cancel else "ok"

    def finish(self, job_id: str, id_: str, token: str, outcome: str, now: int, delay: int) -> str:
        """End an attempt."""
        job = self.jobs.get(job_id)
        if job is None or job.id < id_:
            done = self.done.get(job_id, ("", "", ""))
            if done[0] == id_:
                return "ok" if done[2] == token else "lost"
            return "lost" if done[0] > id_ else "unknown"
        if job.id > id_:
            return "lost"
        if outcome == "retry" and job.ended == token:
            return "ok"
        if not self.speaks(job, token):
            return "lost"
        if outcome == "retry":
            job.state, job.at, job.attempts = "delayed", now + delay, job.attempts + 1
            job.ended, job.token, job.former, job.suspect, job.orphan = token, "", "", False, False
            job.closing = job.starting = False
            return "ok"
        self.close(job, outcome, token)
        return "ok"

    def close(self, job: Job, outcome: str, token: str) -> None:
        """Count an outcome."""
        if job.state != "active":
            self.give_round_back(job)
        if outcome != "completed":
            self.charged[job.user] -= 1
        self.totals[outcome] += 1
        self.done[job.job_id] = (job.id, outcome, token)
        del self.jobs[job.job_id]

    def release(self, job_id: str, id_: str, token: str, now: int, delay: int) -> str:
        """Give a job back."""
        job = self.jobs.get(job_id)
        if job is None or job.id < id_:
            return "unknown"
        if job.id == id_ and job.ended == token:
            return "ok"
        if job.id > id_ or not self.speaks(job, token):
            return "lost"
        job.token, job.former, job.suspect, job.orphan, job.closing, job.ended = "", "", False, False, False, token
        job.starting = False
        job.state, job.at = ("delayed", now + delay) if delay else ("waiting", 0)
        return "ok"

    def move(self, job_id: str, id_: str, token: str, pool: str) -> str:
        """Hop to another pool."""
        job = self.jobs.get(job_id)
        if job is None or job.id < id_:
            return "unknown"
        if job.id == id_ and job.ended == token:
            return "ok"
        if job.id > id_ or not self.speaks(job, token):
            return "lost"
        job.pool, job.state, job.token, job.former, job.suspect, job.orphan = pool, "waiting", "", "", False, False
        job.ended, job.closing, job.starting = token, False, False
        job.round = self.next_round(pool, job.priority, job.user)
        return "ok"

    def begin_cancel(self, job_id: str, id_: str, token: str, now: int) -> str:
        """Let nobody start it, or close it but as cancelled."""
        job = self.jobs.get(job_id)
        if job is None or job.id != id_:
            if not id_:
                self.born = self.born or now
                if now - self.born < RECOVERY:
                    return "busy"
            return "unknown" if self.lock(job_id, token) else "busy"
        if job.closing:
            return "busy" if job.cancel else "closing"
        job.cancel = True
        if job.state == "active" and job.starting:
            return "busy"
        return "flagged" if self.lock(job_id, token) else "busy"

    def cancel(self, job_id: str, id_: str, token: str) -> str:
        """Cancel an open job, if it is the one that is meant."""
        self.unlock(job_id, token)
        job = self.jobs.get(job_id)
        if job is None or job.id != id_:
            return "unknown"
        if job.state == "active" or job.runs:
            job.cancel = True
            return "flagged"
        self.close(job, "cancelled", "")
        return "removed"

    def sweep(self, now: int) -> set[str]:
        """Requeue after two looks; return the requeued jobs."""
        self.born = self.born or now
        self.promote(now)
        requeued = set()
        for job in self.in_state("active"):
            if job.at > now:
                continue
            if not job.suspect:
                job.suspect, job.at = True, now + SECOND_LOOK
                continue
            job.stalls += job.token != ""
            job.orphan, job.closing, job.starting = job.token == "", False, False
            job.state, job.former, job.token, job.suspect = "waiting", job.token, "", False
            job.sent = now
            requeued.add(job.job_id)
        return requeued

    def adopt(self, job: Job, record: str, token: str, now: int) -> str:
        """Put a forgotten job back."""
        self.born = self.born or now
        known = self.jobs.get(job.job_id)
        if self.done.get(job.job_id, ("",))[0] >= job.id or (known and known.id > job.id):
            return "old"
        if known and known.id == job.id:
            if not token or self.speaks(known, token):
                return "known"
            if self.unheld(known):
                if known.state == "waiting":
                    known.runs, known.deadline = 1, now + known.wall + GRACE
                self.hold(known, token, now)
                return "adopted"
            return "lost"
        if known:
            self.charged[known.user] -= 1
            del self.jobs[job.job_id]
        job.round = self.next_round(job.pool, job.priority, job.user)
        job.adopted, job.sent, job.cancel = True, now, job.job_id in self.locks
        self.charged[job.user] = self.charged.get(job.user, 0) + 1
        self.jobs[job.job_id] = job
        if record == "processing":
            job.runs, job.deadline = 1, now + job.wall + GRACE
            self.hold(job, token, now)
            job.starting = True  # as far as anybody knows
        return "adopted"
