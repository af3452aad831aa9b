"""The scheduled Lambda, as AWS calls it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from chalice.test import Client

if TYPE_CHECKING:
    import pytest

    from tests.contract.conftest import Api


def test_it_runs_and_publishes_the_counts(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app import app

    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    api.enqueue({"jobId": api.record(), "operation": "transcoding"})
    with Client(app) as client:
        event = client.events.generate_cw_event(source="aws.events", detail_type="Scheduled Event", detail={}, resources=[])
        assert client.lambda_.invoke("keeper", event).payload == {"tickets": 0, "seeded": False}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert len(lines) == 1
    assert lines[0]["waiting"] == [1.0]
    assert lines[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "mediaq"


def test_two_at_once_do_no_harm(api: Api) -> None:
    from concurrent.futures import ThreadPoolExecutor

    api.enqueue({"jobId": api.record(), "operation": "transcoding"})
    with ThreadPoolExecutor(2) as threads:
        reports = list(threads.map(lambda _: api.parts.keeper.run(sleep=lambda seconds: None), range(2)))
    assert [report.tickets for report in reports] == [0, 0]
    assert api.call("GET", "/stats").json["stats"]["waiting"] == 1
