"""Cancelling a job, by the use case and by the operator command."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from chalicelib.__main__ import main

if TYPE_CHECKING:
    from tests.contract.conftest import Api


def test_a_waiting_job(api: Api) -> None:
    record = api.record()
    api.enqueue({"jobId": record, "operation": "transcoding"})
    assert api.services.canceller.cancel(record) == "cancelled"
    row = api.directus("GET", f"/items/media_jobs/{record}")
    assert (row["status"], row["error"]) == ("failed", "Cancelled")
    stats = api.call("GET", "/stats").json["stats"]
    assert (stats["waiting"], stats["failed"]) == (0, 0)
    assert api.services.canceller.cancel(record) == "cancelled"  # again, harmless


def test_what_is_over_stays_as_it_is(api: Api) -> None:
    record = api.record()
    api.directus("PATCH", f"/items/media_jobs/{record}", json={"status": "completed"})
    assert api.services.canceller.cancel(record) == "closed"
    assert api.directus("GET", f"/items/media_jobs/{record}")["status"] == "completed"
    assert api.services.canceller.cancel(str(uuid.uuid4())) == "missing"


def test_the_command(api: Api, operator: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from chalicelib import settings

    record, unknown = api.record(), str(uuid.uuid4())
    api.enqueue({"jobId": record, "operation": "transcoding"})
    assert main(["cancel", record]) == 0
    assert main(["cancel", unknown]) == 1
    assert capsys.readouterr().out == f"{record}: cancelled\n{unknown}: there is no such record\n"
    with pytest.raises(SystemExit) as wrong:
        main(["cancel", "not an id"])
    assert wrong.value.code == 2
    monkeypatch.setenv("DIRECTUS_URL", "http://127.0.0.1:1")
    settings.current.cache_clear()
    assert main(["cancel", record]) == 3
