"""Every Lambda entry point. No logic: routes live in `chalicelib/routes`, the keeper in `chalicelib/maintenance/maintenance.py`."""

from __future__ import annotations

from aws_lambda_powertools import Logger
from chalice import Rate

from chalicelib.api.http import QueueApi
from chalicelib.api.routes import callbacks, dashboard, health, jobs, media, pools, stats, taxonomy, usage
from chalicelib.services import services

logger = Logger(service="mediaq")

app = QueueApi("mediaq")
app.register_blueprint(stats.blueprint, url_prefix="/queue")
app.register_blueprint(health.blueprint, url_prefix="/queue")
app.register_blueprint(media.blueprint, url_prefix="/queue")
app.register_blueprint(usage.blueprint, url_prefix="/queue")
app.register_blueprint(dashboard.blueprint, url_prefix="/queue")
app.register_blueprint(jobs.blueprint, url_prefix="/queue/jobs")
app.register_blueprint(callbacks.blueprint, url_prefix="/queue/callbacks")
app.register_blueprint(pools.blueprint, url_prefix="/queue/pools")
app.register_blueprint(taxonomy.blueprint, url_prefix="/queue/taxonomy")


@app.schedule(Rate(1, unit=Rate.MINUTES))
def keeper(event: object) -> dict[str, object]:
    """Sweep, send missing tickets, seed the totals after a wipe, publish the gauges."""
    del event
    report = None
    try:
        report = services().keeper.run()
    finally:
        services().monitor.run(report)
    logger.info("keeper", extra=report._asdict())
    return report._asdict()
