"""The Grafana dashboard, the alert rules and the compose file: what is shipped is what is generated, and it names what exists."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from chalicelib.ledger.ledger import Ledger
from chalicelib.ledger.parts import PartsLedger
from chalicelib.ledger.usage import UsageLedger
from chalicelib.ledger.workers import WorkersLedger
from chalicelib.maintenance import metrics
from chalicelib.maintenance.alarms import KNOWN
from infra.local.processes import ROOT
from infra.monitoring import alerts, grafana
from infra.monitoring.__main__ import HERE, files
from tests.docs.pages import anchors

if TYPE_CHECKING:
    from chalicelib.ledger.scripts import Scripts

EXPRESSIONS = [
    *[rule["expr"] for rule in alerts.rules()["groups"][0]["rules"]],
    *[expression for panel in grafana.PANELS for expression, _ in panel.queries],
]


@pytest.mark.parametrize("file", files(), ids=lambda file: file.name)
def test_the_shipped_file_is_up_to_date(file: Any) -> None:
    assert file.read_text() == files()[file], "run python -m infra.monitoring"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_prometheus_understands_it(expression: str) -> None:
    promql_parser.parse(expression)


def test_nonsense_is_noticed() -> None:
    with pytest.raises(ValueError, match=r"expected|unexpected|unclosed"):
        promql_parser.parse("sum(rate(mediaq_jobs_ended_total[5m])")


def test_every_metric_exists_and_is_shown(scripts: Scripts) -> None:
    of = metrics.Ledgers(Ledger(scripts), PartsLedger(scripts), WorkersLedger(scripts), UsageLedger(scripts))
    known = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(metrics.render(of))
    }
    named = {name for expression in EXPRESSIONS for name in re.findall(r"mediaq_\w+", expression)}
    assert named <= known
    internal = {
        "mediaq_jobs_in_parts",
        "mediaq_pool_paused",
        "mediaq_taxonomy_cache_entries",
        "mediaq_taxonomy_cache_requests_total",
    }
    assert known - named == internal


def test_every_alarm_has_a_rule_and_every_rule_a_runbook() -> None:
    rules = alerts.rules()["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(KNOWN) + 1
    sections = anchors(ROOT / "docs" / "operations.md")
    assert all(rule["annotations"]["runbook"].partition("#")[2] in sections for rule in rules)


def test_the_panels_do_not_overlap() -> None:
    taken = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in grafana.dashboard()["panels"]]
    assert len(set(taken)) == len(taken)
    assert json.loads((HERE / "grafana" / "mediaq.json").read_text())["uid"] == "mediaq"


def test_the_compose_file_mounts_files_that_exist_and_publishes_to_this_machine_only() -> None:
    services = yaml.safe_load((HERE / "compose.yml").read_text())["services"]
    for service in services.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert not source.startswith("./") or (HERE / source).is_file()
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        assert service["image"] == "${WORKER_IMAGE:-mediaq-worker}" or re.search("@sha256:[0-9a-f]{64}$", service["image"])
