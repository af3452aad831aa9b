"""The lease of a running job, on a real ledger."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from chalicelib.errors import JobCancelled
from tests.unit.factories import admit, claim
from workers.attempt.lease import Lease
from workers.attempt.lease_keeper import LeaseKeeper

if TYPE_CHECKING:
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.scripts import Scripts


def test_a_running_job_is_put_back_into_a_wiped_ledger(ledger: Ledger, scripts: Scripts) -> None:
    lease = Lease(claim(ledger, admit(ledger)), None, ledger, LeaseKeeper(ledger))
    scripts.redis.flushall()
    lease.confirm()
    assert ledger.stats().active == 1


def test_one_whose_record_is_closed_is_not(ledger: Ledger, scripts: Scripts) -> None:
    """Its outcome is among those that are counted in Directus: counted here too it would be two."""
    got = claim(ledger, admit(ledger))
    assert got.job is not None
    lease = Lease(got, None, ledger, LeaseKeeper(ledger))
    lease.confirm("closing")
    lease.closed()
    scripts.redis.flushall()
    lease.confirm()
    assert ledger.stats()[:3] == (0, 0, 0)
    assert ledger.finish(got.job, got.token, "completed", {}) == "unknown"
    assert ledger.stats().completed == 0


def test_a_job_that_was_cancelled_first_is_not_closed_otherwise(ledger: Ledger) -> None:
    got = claim(ledger, admit(ledger))
    assert got.job is not None
    lease = Lease(got, None, ledger, LeaseKeeper(ledger))
    lease.started()
    lease.confirm()
    assert ledger.begin_cancel(got.job.job_id, got.job.id, "t") == "flagged"
    with pytest.raises(JobCancelled):
        lease.confirm("closing")
    lease.confirm()  # as cancelled it may be closed


def test_after_a_wipe_it_is_put_back_and_closed_under_the_same_rule(ledger: Ledger, scripts: Scripts) -> None:
    got = claim(ledger, admit(ledger))
    assert got.job is not None
    scripts.redis.flushall()
    Lease(got, None, ledger, LeaseKeeper(ledger)).confirm("closing")
    assert ledger.begin_cancel(got.job.job_id, got.job.id, "t") == "closing"


def test_a_cancel_waits_until_the_record_is_started(ledger: Ledger) -> None:
    got = claim(ledger, admit(ledger))
    assert got.job is not None
    lease = Lease(got, None, ledger, LeaseKeeper(ledger))
    lease.confirm()
    assert ledger.begin_cancel(got.job.job_id, got.job.id, "t") == "busy"
    lease.started()
    lease.confirm()
    assert ledger.begin_cancel(got.job.job_id, got.job.id, "t") == "flagged"


def test_the_ledger_hears_soon_that_the_record_is_started(ledger: Ledger) -> None:
    got = claim(ledger, admit(ledger))
    assert got.job is not None
    with Lease(got, None, ledger, LeaseKeeper(ledger)) as lease:
        lease.started()
        until = time.monotonic() + 1  # half of what a renewal takes
        while ledger.begin_cancel(got.job.job_id, got.job.id, "t") == "busy":
            assert time.monotonic() < until
            time.sleep(0.02)
