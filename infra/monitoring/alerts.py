"""Alert rules for Prometheus, from the table of alarms: they turn on with those of `GET /health`."""

from __future__ import annotations

from typing import Any

from chalicelib.maintenance.alarms import ALARMS, KNOWN

RUNBOOK = "docs/operations.md#alarm-"
UNREACHABLE_MINUTES = 2


def rules() -> dict[str, Any]:
    """Return the rules, as Prometheus reads them."""
    known = [alarm for alarm in ALARMS if alarm.name in KNOWN]
    listed = [
        {
            "alert": "Mediaq" + "".join(word.capitalize() for word in alarm.name.split("-")),
            "expr": f'mediaq_alarm_on{{alarm="{alarm.name}"}} == 1',
            "labels": {"severity": "page"},
            "annotations": {"summary": alarm.description, "runbook": f"{RUNBOOK}{alarm.name}"},
        }
        for alarm in known
    ]
    unreachable = {
        "alert": "MediaqUnreachable",
        "expr": 'up{job="mediaq"} == 0 or absent(up{job="mediaq"})',
        "for": f"{UNREACHABLE_MINUTES}m",
        "labels": {"severity": "page"},
        "annotations": {"summary": "Prometheus cannot read the metrics of mediaq", "runbook": f"{RUNBOOK}api-errors"},
    }
    return {"groups": [{"name": "mediaq", "rules": [*listed, unreachable]}]}
