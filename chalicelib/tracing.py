"""Traces with OpenTelemetry, from the API through the queue and the workers to the callback. Off unless an endpoint is set.

The standard variables apply: `OTEL_EXPORTER_OTLP_ENDPOINT` turns it on; `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`,
`OTEL_EXPORTER_OTLP_HEADERS` and the others are read by the SDK. While it is off nothing of OpenTelemetry is imported, and only
the `traceparent` of callers is passed on.

https://www.w3.org/TR/trace-context/#traceparent-header
"""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from aws_lambda_powertools import Logger

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = Logger(service="mediaq", child=True)
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
EXPORT_SECONDS, FLUSH_SECONDS = 5, 2.0
PAUSE_SECONDS = 60.0
"""How long an invocation does not wait for the collector after it was too slow."""
Kind = Literal["internal", "server", "client", "producer", "consumer"]


_CURRENT: ContextVar[str] = ContextVar("traceparent", default="")


class _State:
    tracer: Any = None
    provider: Any = None
    not_before: float = 0.0


def start(service: str) -> None:
    """Turn traces on, if an endpoint is set. `service`: its name, unless `OTEL_SERVICE_NAME` is set."""
    if _State.tracer is not None or not any(os.environ.get(name) for name in ENDPOINTS):
        return
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:  # on Lambda the API needs a layer that has it
        logger.warning("traces are off: the packages opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http are missing")
        return
    os.environ.setdefault("OTEL_SERVICE_NAME", service)
    _State.provider = TracerProvider(resource=Resource.create())
    _State.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=EXPORT_SECONDS)))
    _State.tracer = _State.provider.get_tracer("mediaq")
    logger.info("traces are on", extra={"service_name": os.environ["OTEL_SERVICE_NAME"]})


def valid(header: str | None) -> str:
    """Return a `traceparent` header of a caller, or "" if it is none."""
    text = (header or "").strip().lower()
    return text if TRACEPARENT.fullmatch(text) else ""


@contextmanager
def span(name: str, *, parent: str = "", kind: Kind = "internal", **attributes: Any) -> Iterator[None]:
    """Trace a block. `parent`: a `traceparent` from elsewhere; else the block around it."""
    if _State.tracer is None:
        with _as_current(parent or _CURRENT.get()):
            yield
        return
    from opentelemetry.trace import SpanKind  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    propagator, carrier = TraceContextTextMapPropagator(), dict[str, str]()
    context = propagator.extract({"traceparent": parent}) if parent else None
    about = {f"mediaq.{key}": value for key, value in attributes.items() if value is not None}
    with _State.tracer.start_as_current_span(name, context=context, kind=SpanKind[kind.upper()], attributes=about):
        propagator.inject(carrier)
        with _as_current(carrier.get("traceparent", "")):
            yield


@contextmanager
def _as_current(header: str) -> Iterator[None]:
    before = _CURRENT.set(header)
    try:
        yield
    finally:
        _CURRENT.reset(before)


def traceparent() -> str:
    """Return the `traceparent` of the block around the caller, or what a caller of ours sent; "": there is none."""
    return _CURRENT.get()


def trace_id(header: str) -> dict[str, str]:
    """Return the trace id in a `traceparent`, as a key for the log; empty if there is none."""
    return {"trace_id": header[3:35]} if header else {}


def flush() -> None:
    """Send the finished spans now, if this is a Lambda: it is frozen after its answer. A slow collector is not waited for."""
    if _State.provider is None or "AWS_LAMBDA_FUNCTION_NAME" not in os.environ or time.monotonic() < _State.not_before:
        return
    sender = threading.Thread(target=_State.provider.force_flush, daemon=True)
    sender.start()
    sender.join(FLUSH_SECONDS)
    if sender.is_alive():  # `force_flush` knows no timeout
        _State.not_before = time.monotonic() + PAUSE_SECONDS
