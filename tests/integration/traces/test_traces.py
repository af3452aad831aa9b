"""One trace from the caller through the API, the queue, the worker, its processes and other workers to the callback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests

from tests.integration.conftest import QUICK, System, make_clip, run_system, until
from tests.integration.traces.collector import Collector, Span, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.slow_site import SlowSite

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE}-{CALLER}-01"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    yield from serve()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, collector: Collector, site: SlowSite) -> Iterator[System]:
    """A system that sends its traces to the collector, and splits every film."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
        patch.setenv("FETCH_ALLOW", f"{site.address} {collector.address.removeprefix('http://')}")
        patch.setenv("PARTS_FROM_SECONDS", "0.01")
        yield from run_system(tmp_path_factory.mktemp("traced"))


def submit(system: System, clip: Path, callback_url: str, **headers: str) -> str:
    file_id = system.app.upload(clip)
    job_id = system.app.create_record("transcoding", file_id)
    body = {"jobId": job_id, "operation": "transcoding", "params": QUICK, "callback_url": callback_url}
    headers |= {"Authorization": f"Bearer {system.token}"}
    answer = requests.post(f"{system.stack.url('api')}/api/queue/media", json=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    assert system.app.wait(job_id, 60)["status"] == "completed"
    return job_id


def logged(system: System, job_id: str) -> set[tuple[str, str]]:
    """Who logged a line of a job, with which trace."""
    lines = [json.loads(line) for name in ("api", "worker") for line in system.log(name).splitlines() if job_id in line]
    return {(line["message"], line.get("trace_id", "")) for line in lines}


def test_one_connected_trace(traced: System, collector: Collector, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 8, "320x240", "-g", "25")
    job_id = submit(traced, clip, f"{collector.address}/done", traceparent=HEADER)
    until(lambda: collector.callbacks and collector.named("callback") and collector.named("job transcoding"), 30, "all spans")
    spans = {one.id: one for one in collector.spans if one.trace == TRACE}
    assert {one.trace for one in collector.spans if one.attributes.get("mediaq.job_id") == job_id} == {TRACE}

    def path(span: Span) -> list[str]:
        """The names from a span up to the caller."""
        return [span.name, *(path(spans[span.parent]) if span.parent in spans else [span.parent])]

    found = {tuple(path(one)) for one in spans.values()}
    job = ["job transcoding"]
    request = next(name for name in (one.name for one in spans.values()) if name.startswith("POST "))
    top = [request, CALLER]
    assert request.endswith("/queue/media")
    for wanted in (
        top, ["ledger admit", *top], ["sqs send", *top], [*job, *top], ["fetch", *job, *top], ["upload", *job, *top],
        ["ffmpeg", "process", *job, *top], ["ffmpeg", "part", "process", *job, *top], ["callback", *top],
    ):  # fmt: skip
        assert tuple(wanted) in found, sorted(found)
    assert {one.service for one in spans.values()} == {"mediaq-api", "mediaq-worker"}
    assert not any(one.failed for one in spans.values())
    assert collector.callbacks[0]["traceparent"][3:35] == TRACE
    assert {("enqueued", TRACE), ("claimed", TRACE), ("finished", TRACE)} <= logged(traced, job_id)


def test_a_request_without_a_trace_begins_one(traced: System, collector: Collector, clip: Path) -> None:
    job_id = submit(traced, clip, f"{collector.address}/done", traceparent="nonsense")
    [job] = until(
        lambda: [one for one in collector.named("job transcoding") if one.attributes["mediaq.job_id"] == job_id], 30, "it"
    )
    assert job.trace != TRACE
    until(lambda: [one for one in collector.spans if one.id == job.parent], 30, "the request above it")
    assert ("claimed", job.trace) in logged(traced, job_id)
