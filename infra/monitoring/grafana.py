"""The Grafana dashboard, as its JSON model: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/."""

from __future__ import annotations

from typing import Any, NamedTuple

Json = dict[str, Any]
WIDTH, HEIGHT = 8, 7
COLUMNS = 24 // WIDTH
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


class Panel(NamedTuple):
    """One panel: its expressions, each with the text of its legend."""

    title: str
    says: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"


PANELS = (
    Panel(
        "Alarms",
        "Those that are on: see the runbook.",
        (("mediaq_alarm_on > 0", "{{alarm}}"),),
        kind="stat",
    ),
    Panel("Workers alive", "By the pool that they serve.", (("mediaq_workers_alive", "{{pool}}"),), kind="stat"),
    Panel(
        "Cost of the last 24 hours",
        "By the file of prices.",
        (("sum(increase(mediaq_cost_dollars_total[24h]))", "dollars"),),
        "currencyUSD",
        "stat",
    ),
    Panel(
        "Jobs",
        "Waiting, running, and waiting for a time.",
        (("mediaq_jobs_waiting", "waiting {{pool}}"), ("mediaq_jobs_active", "active"), ("mediaq_jobs_delayed", "delayed")),
    ),
    Panel(
        "Ended a minute",
        "Completed, and failed for good.",
        (("sum by (state) (rate(mediaq_jobs_ended_total[5m])) * 60", "{{state}}"),),
    ),
    Panel(
        "Failure ratio",
        "Of the last 15 minutes.",
        (
            (
                'sum(increase(mediaq_jobs_ended_total{state="failed"}[15m])) / sum(increase(mediaq_jobs_ended_total[15m]))',
                "failed",
            ),
        ),
        "percentunit",
    ),
    Panel(
        "Workers",
        "Alive, lost within 15 minutes, and the jobs that they run.",
        (("mediaq_workers_alive", "alive {{pool}}"), ("mediaq_workers_lost", "lost"), ("mediaq_workers_jobs", "jobs")),
    ),
    Panel("Time between two starts", "While jobs waited, smoothed.", (("mediaq_pool_pace_seconds", "{{pool}}"),), "s"),
    Panel(
        "Dollars an hour",
        "By operation.",
        (("sum by (operation) (rate(mediaq_cost_dollars_total[15m])) * 3600", "{{operation}}"),),
        "currencyUSD",
    ),
    Panel(
        "Parts of long films",
        "Open and active, and finished a minute.",
        (("mediaq_parts", "{{state}}"), ("rate(mediaq_parts_finished_total[5m]) * 60", "finished a minute")),
    ),
    Panel(
        "Part runs repeated",
        "Runs after the first of a part, a minute.",
        (("rate(mediaq_part_runs_repeated_total[5m]) * 60", "repeated a minute"),),
    ),
    Panel(
        "Maintenance task", "Time since it ran.", (("time() - mediaq_maintenance_last_run_timestamp_seconds", "since"),), "s"
    ),
)


def dashboard() -> Json:
    """Return the dashboard."""
    return {
        "uid": "mediaq",
        "title": "mediaq",
        "tags": ["mediaq"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }


def _panel(number: int, panel: Panel) -> Json:
    row, column = divmod(number, COLUMNS)
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "noValue": "none"}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for at, (expr, legend) in enumerate(panel.queries)
        ],
    }
