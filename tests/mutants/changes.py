"""Changes by hand: what each breaks, where, and the tests that must notice.

The check of the generation in finish, renew and release is not among them: the token of a claim already tells generations apart.
"""

from __future__ import annotations

from typing import NamedTuple

LEDGER = "tests/unit/ledger"
WRITERS = "tests/contract/jobs/test_interleaving.py"
HANDLER = "tests/contract/jobs/test_lambda_handler.py"
LUA = "chalicelib/ledger/lua/"
ATTEMPT = "workers/attempt/attempt.py"
RUNNER = "workers/runtime/runner.py"
CLAIMS = "workers/runtime/claims.py"
CLAIM_TESTS = "tests/unit/runtime/test_claims.py"


class Change(NamedTuple):
    """A text in a file, and what replaces it."""

    breaks: str
    file: str
    old: str
    new: str
    tests: str = LEDGER


CHANGES = (
    Change("the fence", LUA + "lib.lua", "return job.token == token end\n  return job.state == 'waiting' and job.former",
           "return true end\n  return job.state == 'waiting' and job.former"),
    Change("the fence after a sweep", LUA + "lib.lua", "job.former == token and token ~= ''", "token ~= ''"),
    Change("the generation in claim", LUA + "jobs/claim.lua", "job.id > id and 'drop' or 'unknown'", "'unknown'"),
    Change("the second look of a sweep", LUA + "pools/sweep.lua", "elseif not job.suspect then", "elseif false then"),
    Change("the wait before the second look", LUA + "pools/sweep.lua", "now + second_check, m)", "now, m)"),
    Change("the count of stalls", LUA + "pools/sweep.lua", "(former ~= '' and 1 or 0)", "0"),
    Change("the new ticket of a requeued job", LUA + "pools/sweep.lua", "    wait(job, now)\n    ticket(job)", "    wait(job, now)\n    save(job)"),
    Change("counting once", LUA + "lib.lua", "call('HINCRBY', P .. 'totals', outcome, 1)", "call('HINCRBY', P .. 'totals', outcome, 2)"),
    Change("the answer to a repeated finish", LUA + "jobs/finish.lua", "if done_id == id then return done_token == token and ok(claimed_before(done_next, ARGV[11])) or {'lost'} end", ""),
    Change("the answer to a repeated retry", LUA + "jobs/finish.lua", "if outcome == 'retry' and job.ended == token then return {'ok'} end", ""),
    Change("the count of attempts", LUA + "jobs/finish.lua", "(job.attempts or 0) + 1, token", "(job.attempts or 0), token"),
    Change("the charge of the quota", LUA + "jobs/admit.lua", "\ncharge(job)\n", "\n"),
    Change("the limit of the quota", LUA + "jobs/admit.lua", ">= limit then return {'limit'} end", "> limit then return {'limit'} end"),
    Change("the refund", LUA + "lib.lua", "call('HINCRBY', usage, job.operation, -1)", "call('HINCRBY', usage, job.operation, 0)"),
    Change("the refund of a job that the seed will count", LUA + "lib.lua", "if unless_seeded and found[2] then return end", ""),
    Change("a repeated admission", LUA + "jobs/admit.lua", "then return {'admitted', open.id} end", "then end"),
    Change("ids that only grow", LUA + "jobs/admit.lua", "math.max(now_us, tonumber(meta[1] or 0) + 1)", "now_us"),
    Change("a repeated claim", LUA + "jobs/claim.lua", "if KEYS[2] then", "if false then"),
    Change("the order", LUA + "jobs/lib.lua", "call('ZPOPMIN', waiting)", "call('ZPOPMAX', waiting)"),
    Change("the promotion of delayed jobs", LUA + "jobs/claim.lua", "promote(now, PROMOTED_AT_MOST)", ""),
    Change("the pause of a pool", LUA + "jobs/lib.lua", "known[1] or (parts", "(parts"),
    Change("fairness between users", LUA + "lib.lua", "tonumber(call('ZADD', rounds, 'INCR', 1, user))", "1"),
    Change("the time limit in a lease", LUA + "lib.lua", "math.min(now + lease_ms, job.deadline_ms)", "now + lease_ms"),
    Change("the time limit in a renewal", LUA + "jobs/renew.lua", " or now >= job.deadline_ms then", " then"),
    Change("the undo of a stall", LUA + "jobs/renew.lua", "math.max(0, (job.stalls or 0) - 1)", "(job.stalls or 0)"),
    Change("the news of a cancel", LUA + "jobs/renew.lua", "'locked' end\n  return job.cancel and 'cancelled' or 'ok'", "'locked' end\n  return 'ok'"),
    Change("the news of a cancel in a renewal without changes", LUA + "jobs/renew.lua",
           "return job.cancel and 'cancelled' or 'ok'\n  end", "return 'ok'\n  end"),
    Change("a cancel while the record is closed", LUA + "jobs/cancel.lua",
           "if job.closing then return {job.cancel and 'busy' or 'closing'} end", "", f"{LEDGER} {WRITERS}"),
    Change("a cancel while the record is started", LUA + "jobs/cancel.lua",
           "if job.state == 'active' and job.starting then return {'busy'} end", "", f"{LEDGER} {WRITERS}"),
    Change("the record lock", LUA + "lib.lua", "if owner and owner ~= token then return false end", "", f"{LEDGER} {WRITERS}"),
    Change("the record lock in admit", LUA + "jobs/admit.lua", "if owner and owner ~= ARGV[16] then return {'locked'} end", "",
           f"{LEDGER} {WRITERS}"),
    Change("the end of the record lock", LUA + "lib.lua", "token, 'PX', RECORD_LOCK_MS)", "token)"),
    Change("a cancel after a wipe", LUA + "jobs/cancel.lua", "< RECOVERY_MS then return {'busy'} end", "< 0 then return {'busy'} end",
           f"{LEDGER} {WRITERS}"),
    Change("a holder that comes back after a wipe", LUA + "jobs/adopt.lua", "if not unheld(job) then return 'lost' end", ""),
    Change("a newer admission in adopt", LUA + "jobs/adopt.lua", "if job and job.id > entry.id then return 'old' end", ""),
    Change("the marker in adopt", LUA + "jobs/adopt.lua", "if done_id and done_id >= entry.id then return 'old' end", ""),
    Change("a job that two callers share", LUA + "jobs/retract.lua", "if job.shared then", "if false then"),
    Change("a job that was claimed before its retraction", LUA + "jobs/retract.lua", "if job.state == 'active' or job.runs then return {'kept'} end", ""),
    Change("one webhook of a user at a time", LUA + "webhooks/take.lua", "if held > now then", "if false then"),
    Change("a webhook event of an older run", LUA + "webhooks/record_attempt.lua", "if not entry or entry.id ~= ARGV[3] then return {'unknown'} end", "if not entry then return {'unknown'} end"),
    Change("a stale taxonomy", LUA + "taxonomy/store.lua", "~= ARGV[1] then return {'stale'} end", "== '' then return {'stale'} end"),
    Change("closing without the ledger", "workers/attempt/attempt.py", 'self._lease.confirm("cancelling" if values["error"] == CANCELLED else "closing")', "pass", WRITERS),
    Change("the ticket of an ended job", RUNNER, "        if ended:\n            self._delete_ticket(lease)", "        if ended:\n            pass", HANDLER),
    Change("an answer that was not read", "chalicelib/ledger/scripts.py", "            connection.disconnect()  # an answer", "            pass  # an answer"),
    Change("the ticket of a job that a stopping worker releases", RUNNER, "unsure |= self._stopped is not None", "pass", "tests/unit/runtime/test_container.py"),
    Change("the outputs of an earlier attempt", ATTEMPT, 'self._maybe_orphans |= record.status == "processing"', "pass", HANDLER),
    Change("the outputs after a lost race", ATTEMPT, "                self._delete(outputs)", "                pass", HANDLER),
    Change("a record that another writer closed", ATTEMPT, "if record is None or record.status not in OPEN_STATES:", "if record is None:", HANDLER),
    Change("the limit of stalls", ATTEMPT, "self._claim.stalls > MAX_STALLS:", "False:", "tests/integration/faults/test_faults.py -k kills_its_workers"),
    Change("the limit of attempts", RUNNER, "claim.attempt < retry_policy.MAX_ATTEMPTS", "True",
           "tests/integration/test_worker.py -k three_attempts"),
    Change("the limit of deferrals", RUNNER, "isinstance(failed, RetryLater) and claim.runs < DEFERRALS_MAX", "isinstance(failed, RetryLater)",
           "tests/contract/jobs/test_retry_after.py"),
    Change("the limit of full disks", RUNNER, "if claim.runs < DISK_FULL_RETRIES_MAX:", "if True:", "tests/contract/jobs/test_disk_space.py"),
    Change("the ticket of another job", RUNNER, "return ended and own is not None", "return ended", HANDLER),
    Change("the tickets while Redis is unreachable", CLAIMS, 'verdicts = [Claim("unknown")] * len(tickets)', 'verdicts = [Claim("drop")] * len(tickets)', CLAIM_TESTS),
    Change("a second ticket of a claimed job", CLAIMS, "own, verdicts[at] = tickets[at], claim", "own, verdicts[:] = tickets[at], [claim] * len(verdicts)", CLAIM_TESTS),
    Change("the slots of jobs that were claimed before others were restored", CLAIMS, "slots - claimed, start", "slots, start", CLAIM_TESTS),
    Change("a stopping worker's next claim", RUNNER, "() if self._stopped is not None or", "() if", "tests/unit/runtime/test_container.py"),
    Change("a stopping worker's pools", "workers/runtime/container.py", "        if self._stopping.is_set():\n            return []\n        first", "        first", "tests/unit/runtime/test_container.py"),
    Change("the turns of pools", "workers/runtime/container.py", "first = next(self._turns)", "first = 0", "tests/unit/runtime/test_container.py"),
    Change("the turn of parts", LUA + "jobs/lib.lua", "(parts and parts < job.score)", "false", "tests/unit/runtime/test_container.py"),
    Change("the next claim of a repeated finish", LUA + "jobs/finish.lua", "return done_token == token and ok(claimed_before(done_next, ARGV[11]))", "return done_token == token and {'ok'}"),
    Change("a job that was requeued and ends", LUA + "jobs/finish.lua", "if job.state == 'waiting' then leave(job) end", ""),
    Change("one claim for each ticket", LUA + "jobs/claim.lua", "local most = #ARGV < first_ticket and tokens or 0", "local most = tokens"),
    Change("a claim of a cancelled job", RUNNER, "attempt.cancel() if claim.cancelled else", "attempt.perform() if claim.cancelled else", HANDLER),
)  # fmt: skip
