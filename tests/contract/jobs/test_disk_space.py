"""A job without disk space is released without spending an attempt, a limited number of times."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.contract.api.test_media import drain_tickets
from tests.media import make_tools
from workers.runtime import runner as runners

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.conftest import Api


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
