"""A job without disk space is released without spending an attempt, a limited number of times; a Lambda hands it over."""

from __future__ import annotations

import errno
import shutil
from typing import TYPE_CHECKING

import pytest

from chalicelib.errors import LambdaExceeded
from tests.contract.api.test_media import drain_tickets
from tests.contract.jobs.test_lambda_handler import Context, enqueue, event, failures, queue
from tests.media import make_tools
from workers.attempt import attempt
from workers.runtime import lambda_handler
from workers.runtime import runner as runners

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.conftest import Api


__all__ = ["queue"]


@pytest.mark.parametrize(("runs", "attempts"), [(20, 0), (1, 1)], ids=["released", "failed when it was too often"])
def test_no_space(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: int, attempts: int) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    monkeypatch.setattr(runners, "DISK_FULL_RETRIES_MAX", runs)
    drain_tickets(api.services.tickets)
    record = api.record()
    assert api.enqueue({"jobId": record, "operation": "transcoding"}).status_code == 200
    [ticket] = api.services.tickets.receive("container", wait_seconds=1)
    runners.Runner(api.services.ledger, api.services.tickets, api.services.directus, make_tools(tmp_path)).handle(ticket)
    job = api.services.ledger.get(record)
    assert job is not None
    assert (job.state, job.attempts) == ("delayed", attempts)
    assert api.directus("GET", f"/items/media_jobs/{record}")["status"] == "processing"
    assert list(tmp_path.glob("job-*")) == []
    api.services.canceller.cancel(record)


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The job needs more disk than this Lambda has"),
        (LambdaExceeded("The job needs more memory than this Lambda has"), "The job needs more memory than this Lambda has"),
    ],
    ids=["disk", "memory"],
)
def test_what_a_lambda_is_too_small_for_moves_to_the_container_pool(
    queue: Api, monkeypatch: pytest.MonkeyPatch, failure: Exception, says: str
) -> None:
    def fail(work: object) -> None:
        raise failure

    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "3008")
    monkeypatch.setitem(attempt.RUN, "thumbnail", fail)  # type: ignore[arg-type]
    record = enqueue(queue)
    assert failures(lambda_handler.handler(event(queue), Context())) == []
    seen = queue.services.ledger.get(record)
    assert seen is not None
    assert (seen.state, seen.pool, seen.attempts, seen.stalls) == ("waiting", "container", 0, 0)
    assert says in seen.journal
    queue.services.canceller.cancel(record)
