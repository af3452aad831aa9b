"""For operators: `GET /queue/metrics`, `/queue/trend`, `/queue/openapi.json`, `/queue/dashboard`."""

from __future__ import annotations

import time

from chalice import Blueprint, Response

from chalicelib.api.http import endpoint, published, reusable
from chalicelib.services import services

blueprint = Blueprint(__name__)
TREND_SECONDS = 10
TREND_SAMPLES = 288
"""About the most samples of an answer: one in five minutes of a day."""
OPENAPI_SECONDS = 300


@blueprint.route("/metrics", methods=["GET"], cors=True)
@endpoint
def metrics() -> Response:
    """Return the metrics in Prometheus text format."""
    from chalicelib.maintenance import metrics as written  # noqa: PLC0415 - not for other routes to pay for

    of = services()
    text = written.render(written.Ledgers(of.ledger, of.parts, of.workers_ledger, of.usage_ledger))
    return Response(body=text, headers={"Content-Type": written.CONTENT_TYPE})


@blueprint.route("/trend", methods=["GET"], cors=True)
@endpoint
def trend() -> Response:
    """Return the samples of a range: 15 minutes, an hour, a day."""
    from chalicelib.directus.records import iso  # noqa: PLC0415
    from chalicelib.domain.queries import RANGES, TrendQuery  # noqa: PLC0415
    from chalicelib.domain.schemas import TrendAnswer, TrendSample  # noqa: PLC0415
    from chalicelib.domain.validation import validate  # noqa: PLC0415

    minutes = RANGES[validate(dict(blueprint.current_request.query_params or {}), TrendQuery).range]
    apart_ms = minutes * 60_000 // TREND_SAMPLES
    since_ms = (time.time() - 60 * minutes) * 1000
    seen = {one.at_ms // apart_ms: one for one in services().ledger.trend(minutes) if one.at_ms >= since_ms}.values()
    samples = [TrendSample(iso(one.at_ms), one.completed, one.failed, one.waiting, one.active) for one in seen]
    return reusable(published(TrendAnswer(samples=samples)), TREND_SECONDS)


@blueprint.route("/dashboard", methods=["GET"])
@endpoint
def dashboard() -> Response:
    """Return the dashboard page."""
    from chalicelib.api import dashboard as made  # noqa: PLC0415
    from chalicelib.domain.presets import load_presets  # noqa: PLC0415

    settings = services().settings
    page = made.page(settings.directus_public_url, tuple(load_presets(settings.presets_file)))
    return Response(body=page.html, headers={**page.headers})


@blueprint.route("/openapi.json", methods=["GET"], cors=True)
@endpoint
def openapi() -> Response:
    """Return the OpenAPI document."""
    from chalicelib.api import openapi as described  # noqa: PLC0415

    return reusable(described.document(), OPENAPI_SECONDS)
