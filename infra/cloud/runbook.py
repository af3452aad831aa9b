"""The list of alarms for docs/operations.md, generated from the table of alarms."""

from __future__ import annotations

from chalicelib.maintenance.alarms import ALARMS


def table() -> str:
    """Return the list as Markdown; every alarm links to its section."""
    lines = ["| alarm | turns on when | for | seen by |", "|---|---|---|---|"]
    for alarm in ALARMS:
        when = f"no `{alarm.metric}`" if alarm.below else f"`{alarm.metric}` > {alarm.threshold:g}"
        within = "within " if alarm.statistic == "Sum" else ""
        seen = f"CloudWatch ({alarm.source.namespace})" if alarm.source else "the maintenance task, CloudWatch"
        if alarm.below:
            seen = "`GET /health`, CloudWatch"
        lasting = f"{within}{alarm.minutes} min" if alarm.minutes else "at once"
        lines.append(f"| [{alarm.name}](#alarm-{alarm.name}) | {when} | {lasting} | {seen} |")
    return "\n".join(lines)
