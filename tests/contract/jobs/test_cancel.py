"""Cancelling a job, by the use case and by the operator command."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from chalicelib.__main__ import main
from chalicelib.errors import RecordBusy
from chalicelib.ledger.ledger import new_token
from chalicelib.usecases import cancel
from tests.conftest import PREFIX

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


def test_it_waits_for_the_call_that_holds_the_record(api: Api) -> None:
    api.services.scripts.redis.hset(f"{PREFIX}:meta", "born_ms", 1)  # no wipe was lately
    record, token = api.record(), new_token()
    assert api.services.ledger.lock(record, token) == "ok"
    threading.Timer(0.3, api.services.ledger.unlock, [record, token]).start()
    began = time.monotonic()
    assert api.services.canceller.cancel(record) == "cancelled"
    assert time.monotonic() - began >= 0.2


def test_it_does_not_wait_for_ever(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancel, "WAIT_SECONDS", 0.2)
    api.services.scripts.redis.hset(f"{PREFIX}:meta", "born_ms", 1)
    record = api.record()
    assert api.services.ledger.lock(record, new_token()) == "ok"
    with pytest.raises(RecordBusy):
        api.services.canceller.cancel(record)
    assert api.directus("GET", f"/items/media_jobs/{record}")["status"] == "pending"


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
