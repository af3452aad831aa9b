"""Traces that are off: nothing is imported, and the trace of a caller is passed on."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from chalicelib import tracing
from infra.local.processes import ROOT
from tests.unit.factories import job

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (HEADER, HEADER), (HEADER.upper(), HEADER), (f" {HEADER} ", HEADER), (None, ""), ("", ""), ("nonsense", ""), (f"{HEADER}-x", ""),
        (HEADER.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32), ""), (HEADER.replace("00f067aa0ba902b7", "0" * 16), ""),
        (f"01{HEADER[2:]}", ""), (f"{HEADER}\n", HEADER),
    ],
)  # fmt: skip
def test_headers(header: str | None, found: str) -> None:
    assert tracing.valid(header) == found


def test_the_trace_of_a_caller_is_passed_on() -> None:
    assert tracing.traceparent() == ""
    with tracing.span("request", parent=HEADER), tracing.span("inner", anything=5):
        assert tracing.traceparent() == HEADER
    assert tracing.traceparent() == ""
    assert tracing.trace_id(HEADER) == {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
    assert tracing.trace_id(job().traceparent) == {}


@pytest.mark.parametrize("variables", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}])
def test_nothing_is_imported(variables: dict[str, str]) -> None:
    """Neither by the API nor by a worker."""
    code = "import sys, app, workers.__main__; from chalicelib import tracing; tracing.start('x'); assert not any(name.startswith('opentelemetry') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": str(ROOT), **variables}, check=True)


def test_a_slow_collector_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    over = threading.Event()

    class Provider:
        def force_flush(self) -> None:
            sent.append(1)
            over.wait(20)

    monkeypatch.setattr(tracing._State, "provider", Provider())
    monkeypatch.setattr(tracing._State, "not_before", 0.0)
    monkeypatch.setattr(tracing, "FLUSH_SECONDS", 0.05)
    tracing.flush()
    assert sent == []  # not in a Lambda: spans are sent in the background
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "api")
    for _ in range(3):
        tracing.flush()
    over.set()
    assert sent == [1]
