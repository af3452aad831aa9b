"""What happens to parts when Redis was away, rolled back, or told by another worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from chalicelib.ledger.codec import LostJob
from chalicelib.ledger.ledger import new_token
from chalicelib.ledger.parts import NewPart, PartPlan
from tests.unit.factories import run_new
from tests.unit.ledger.parts.test_parts import new_parts, plan, started, take

if TYPE_CHECKING:
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.parts import PartsLedger
    from tests.conftest import Clock, LossyScripts


def test_an_outage_of_redis_spends_no_run(ledger: Ledger, parts: PartsLedger, clock: Clock) -> None:
    """All leases ended meanwhile; the coordinator asks first, and the holder renews a moment later."""
    job, token = started(ledger, parts, total=1)
    part = take(parts)
    assert part is not None
    for _ in range(5):
        clock.advance(60_000)
        ledger.renew(job, token)
        assert parts.watch(job, token, 0).held == 1
        clock.advance(2_000)
        assert parts.renew(part) == "ok"
    assert parts.finish(part, "result", 1, 0) == "ok"


def test_results_of_an_older_admission_are_not_used(ledger: Ledger, parts: PartsLedger) -> None:
    """Redis lost the newer admission, and its worker restores it."""
    job, _ = started(ledger, parts)
    part = take(parts)
    assert part is not None
    parts.finish(part, "old result", 1, 0)
    newer = msgspec.structs.replace(job, id="ffffffff-ffff-7fff-bfff-ffffffffffff")
    assert ledger.adopt([LostJob(newer, "processing", 0, "token")]) == ["adopted"]
    assert ledger.renew(newer, "token") == "ok"
    assert parts.watch(newer, "token", 0).word == "unknown"
    assert parts.plan(newer, "token", plan()).finished == {}


def test_helpers_come_back_when_the_store_does(ledger: Ledger, parts: PartsLedger) -> None:
    job, token = run_new(ledger)
    parts.plan(job, token, PartPlan("h1", "-", "", 2, ()))
    parts.add(job, token, [NewPart(0, 1, "", 1)])
    assert take(parts) is None
    parts.plan(job, token, plan(2))
    assert take(parts) is None
    parts.add(job, token, [NewPart(0, 1, "source-0", 1)])
    assert take(parts) is not None


def test_a_part_that_failed_elsewhere_is_its_coordinators(ledger: Ledger, parts: PartsLedger) -> None:
    job, token = started(ledger, parts, total=1)
    for _ in range(2):
        part = take(parts)
        if part is not None:
            assert parts.give_back(part, "handed", "ffmpeg was killed") == "ok"
    assert take(parts) is None
    parts.add(job, token, new_parts(1))
    assert take(parts) is None
    assert parts.watch(job, token, 0).error == ""
    assert parts.claim_own(job, token, new_token(), "me")[0] == "part"


def test_a_claim_whose_answer_is_lost_is_found_among_many_jobs(
    ledger: Ledger, parts: PartsLedger, shared_scripts: LossyScripts
) -> None:
    """Its job has gone to the end of the line."""
    for number in range(60):
        started(ledger, parts, f"u{number}", total=2)
    shared_scripts.lose = True
    part = take(parts)
    assert part is not None
    assert parts.totals().active == 1


def test_jobs_with_nothing_to_take_hide_no_other(ledger: Ledger, parts: PartsLedger) -> None:
    for number in range(20):
        started(ledger, parts, f"u{number}", total=1)
    assert [take(parts) is not None for _ in range(21)] == [True] * 20 + [False]
