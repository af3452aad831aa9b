"""Every Lambda entry point. Routes are in `chalicelib/api/routes`, the maintenance task in `chalicelib/maintenance`."""

from __future__ import annotations

from aws_lambda_powertools import Logger
from chalice import Rate

from chalicelib import tracing
from chalicelib.api.http import QueueApi
from chalicelib.api.routes import (
    callbacks,
    captions,
    credentials,
    dashboard,
    health,
    jobs,
    media,
    pools,
    stats,
    taxonomy,
    usage,
    workers,
)
from chalicelib.services import services

logger = Logger(service="mediaq")
tracing.start("mediaq-api")

app = QueueApi("mediaq")
app.register_blueprint(stats.blueprint, url_prefix="/queue")
app.register_blueprint(health.blueprint, url_prefix="/queue")
app.register_blueprint(media.blueprint, url_prefix="/queue")
app.register_blueprint(usage.blueprint, url_prefix="/queue")
app.register_blueprint(workers.blueprint, url_prefix="/queue")
app.register_blueprint(dashboard.blueprint, url_prefix="/queue")
app.register_blueprint(jobs.blueprint, url_prefix="/queue/jobs")
app.register_blueprint(callbacks.blueprint, url_prefix="/queue/callbacks")
app.register_blueprint(pools.blueprint, url_prefix="/queue/pools")
app.register_blueprint(captions.blueprint, url_prefix="/captions")
app.register_blueprint(credentials.blueprint, url_prefix="/credentials")
app.register_blueprint(taxonomy.blueprint, url_prefix="/queue/taxonomy")


@app.schedule(Rate(1, unit=Rate.MINUTES))
def maintenance(event: object) -> dict[str, object]:
    """Sweep, send missing tickets, seed the totals after a wipe, publish the gauges."""
    del event
    report = None
    try:
        report = services().maintenance.run()
    finally:
        services().monitor.run(report)
    logger.info("maintenance", extra=report._asdict())
    return report._asdict()
