"""`python -m infra.monitoring`: write the alert rules and the Grafana dashboard, after a change of the alarms or metrics."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from infra.monitoring import alerts, grafana

HERE = Path(__file__).parent


def files() -> dict[Path, str]:
    """Return what is generated: file -> text."""
    return {
        HERE / "alerts.yml": yaml.safe_dump(alerts.rules(), sort_keys=False, width=120, allow_unicode=True),
        HERE / "grafana" / "mediaq.json": json.dumps(grafana.dashboard(), indent=1) + "\n",
    }


if __name__ == "__main__":
    for file, text in files().items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        sys.stdout.write(f"{file.relative_to(HERE.parents[1])}\n")
