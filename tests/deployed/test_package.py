"""The output of `make package`: complete, small, reproducible, without unused files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.lambdas.process import event
from chalicelib.maintenance import alarms
from infra.cloud import archive, cloudwatch, package, runbook, template
from infra.local.directus import accounts
from infra.local.processes import ROOT

if TYPE_CHECKING:
    from tests.contract.conftest import Api

DRIVER = ROOT / "bench" / "lambdas" / "process.py"


@pytest.fixture(scope="session")
def unpacked(made: package.Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip, as Lambda sees it: read-only."""
    folder = tmp_path_factory.mktemp("package")
    with zipfile.ZipFile(made.archive) as zipped:
        zipped.extractall(folder)
    return folder


def serve(folder: Path, environment: dict[str, str], *events: dict[str, Any]) -> tuple[list[Any], list[str]]:
    """Return what a fresh process answers, and what it imported."""
    command = [sys.executable, "-S", "-I", "-B", str(DRIVER), str(folder)]
    lines = "".join(f"{json.dumps(one)}\n" for one in events)
    done = subprocess.run(command, input=lines, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(('{"answer"', '{"imported"'))]
    return [one["answer"] for one in said[:-1]], said[-1]["imported"]


def test_the_same_sources_give_the_same_bytes(made: package.Package, tmp_path: Path) -> None:
    program = f"import pathlib; from infra.cloud import archive; print(archive.build(pathlib.Path({str(tmp_path / 'z')!r}), pathlib.Path({str(tmp_path / 'w')!r})))"
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == made.sha256


def test_every_module_has_its_bytecode_and_no_look_at_the_source(unpacked: Path) -> None:
    modules = list(unpacked.rglob("*.py"))
    assert len(modules) > 300
    for module in modules:
        bytecode = module.parent / "__pycache__" / f"{module.stem}.{sys.implementation.cache_tag}.pyc"
        assert bytecode.read_bytes()[4:8] == b"\x01\x00\x00\x00", module  # hash-based, never checked


def test_it_is_small(made: package.Package, unpacked: Path) -> None:
    assert made.archive.stat().st_size < 6_000_000
    assert sum(file.stat().st_size for file in unpacked.rglob("*") if file.is_file()) < 20_000_000


def test_no_tests_and_no_development_tools(unpacked: Path) -> None:
    names = {entry.name for entry in unpacked.iterdir()}
    assert {"app.py", "chalicelib", "chalice", "redis", "boto3"} <= names
    for absent in (
        "tests",
        "workers",
        "infra",
        "bench",
        "pip",
        "setuptools",
        "pytest",
        "click",
        "job_status",
        "cryptography",
        "hiredis",
    ):
        assert absent not in names
    assert not list(unpacked.rglob("tests"))


def test_everything_in_it_is_used(api: Api, unpacked: Path) -> None:
    """Every package of the zip has a module that some request, or the maintenance task, imports."""
    api.services.scripts.redis.hset("{test}:meta", "seeded", 1)
    token = api.backends.tokens["enterprise"]
    record = api.record()
    body = {"jobId": record, "operation": "transcoding"}
    requests = [
        event("GET", "/queue/stats"),
        event("GET", "/queue/health"),
        *(event("GET", f"/queue/{name}") for name in ("metrics", "trend", "pools", "openapi.json", "dashboard")),
        *(event("GET", f"/queue/{name}", token) for name in ("jobs", "usage", "callbacks/secret")),
        event("POST", "/queue/media", token, body),
        event("GET", "/queue/jobs/{job_id}", token, parameters={"job_id": record}),
        event("POST", "/queue/pools/{pool}/resume", accounts.ADMIN_TOKEN, parameters={"pool": "lambda"}),
        event("POST", "/queue/media/bulk", token, {"jobs": [body]}),
        event("DELETE", "/queue/jobs/{job_id}", token, parameters={"job_id": record}),
        event("POST", "/queue/jobs/{job_id}/retry", token, parameters={"job_id": record}),
        event("POST", "/queue/media", token, {**body, "delay": 3_600_000}),
        event("POST", "/queue/media/created", body={"key": record}, internal=accounts.INTERNAL_TOKEN),
        event("POST", "/queue/taxonomy/invalidate", internal=accounts.INTERNAL_TOKEN),
        {"maintenance": True},
    ]
    answers, imported = serve(unpacked, api.backends.environment, *requests)
    statuses = [answer["statusCode"] for answer in answers[:-1]]
    assert statuses == [200] * len(statuses), answers
    assert answers[-1]["dead"] == 0
    used = {str(Path(name).parent) for name in imported}
    packages = {str(file.parent.relative_to(unpacked)) for file in unpacked.rglob("*.py")}
    idle = {one for one in packages if one not in used and not any(name.startswith(f"{one}/") for name in used)}
    assert idle == set()


def test_a_route_does_not_pay_for_what_others_need(api: Api, unpacked: Path) -> None:
    _, imported = serve(unpacked, api.backends.environment, event("GET", "/queue/stats"))
    assert {name.split("/")[0] for name in imported} & {"boto3", "requests", "jwt", "urllib3", "certifi"} == set()
    assert "chalicelib/directus/client.py" not in imported
    _, imported = serve(unpacked, api.backends.environment, event("POST", "/queue/media", "x.y.z", {}))
    assert {name.split("/")[0] for name in imported} & {"boto3"} == set()  # a stranger is refused without it


class TestTemplate:
    def test_the_runtime_is_the_one_that_the_bytecode_is_of(self, built: template.Json) -> None:
        for name in template.FUNCTIONS:
            assert built["Resources"][name]["Properties"]["Runtime"] == f"python{archive.PYTHON}"

    def test_a_stage_named_api_so_that_the_published_paths_are_right(self, built: template.Json) -> None:
        api = built["Resources"]["RestAPI"]["Properties"]
        assert api["StageName"] == "api"
        assert api["OpenApiVersion"] == "2.0"  # else SAM makes a second stage, called Stage, that nothing throttles
        assert "/queue/media" in built["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]

    def test_every_parameter_is_explained_and_all_but_two_have_a_default(self, built: template.Json) -> None:
        assert all(len(parameter["Description"]) > 10 for parameter in built["Parameters"].values())
        assert {name for name, parameter in built["Parameters"].items() if "Default" not in parameter} == {
            "DirectusUrl",
            "SecretArn",
        }

    def test_every_setting_that_it_sets_exists(self, built: template.Json) -> None:
        known = (ROOT / "docs" / "settings.md").read_text()
        for name in template.function_environment(opens=True):
            assert f"`{name}`" in known

    def test_only_workers_get_the_keys_that_open_credentials(self, built: template.Json) -> None:
        assert {name for name, resource in built["Resources"].items() if "CREDENTIALS_KEYS" in json.dumps(resource)} == {
            "LambdaWorker",
            "ContainerTask",
        }

    @pytest.mark.parametrize("stage", sorted((ROOT / "infra/cloud/stages").glob("*.json")), ids=lambda file: file.stem)
    def test_the_stages_name_parameters_that_exist(self, built: template.Json, stage: Path) -> None:
        assert json.loads(stage.read_text()).keys() <= built["Parameters"].keys()

    def test_no_role_is_shared_and_none_is_chalice_s(self, built: template.Json) -> None:
        roles = [name for name, one in built["Resources"].items() if one["Type"] == "AWS::IAM::Role"]
        users = json.dumps({name: one for name, one in built["Resources"].items() if one["Type"] != "AWS::IAM::Role"})
        assert "DefaultRole" not in roles
        assert all(users.count(f'["{role}", "Arn"]') >= 1 for role in roles if role != "ScheduleRole")
        assert all(users.count(f'"Role": {{"Fn::GetAtt": ["{role}", "Arn"]}}') <= 1 for role in roles)

    def test_an_alarm_each_with_one_metric_one_threshold_and_a_link(self, built: template.Json) -> None:
        made = {name: one["Properties"] for name, one in built["Resources"].items() if name.startswith("Alarm")}
        assert len(made) == sum(len(alarm.source.of) if alarm.source else 1 for alarm in alarms.ALARMS)
        for properties in made.values():
            assert "Metrics" not in properties
            assert properties["EvaluationPeriods"] == properties["DatapointsToAlarm"]
        described = json.dumps(made)
        for alarm in alarms.ALARMS:
            assert f"#alarm-{alarm.name}" in described
        assert made["AlarmMaintenanceSilent"]["TreatMissingData"] == "breaching"

    def test_the_scaling_follows_what_is_wanted(self) -> None:
        steps = cloudwatch.scaling_steps()

        def workers(below: float) -> int:
            [step] = [
                step for step in steps
                if step["MetricIntervalLowerBound"] <= below < step.get("MetricIntervalUpperBound", float("inf"))
            ]  # fmt: skip
            return int(step["ScalingAdjustment"])

        assert [workers(below) for below in (0, 1, 2, 6, 7, 8, 21, 99, 100, 5000)] == [0, 1, 2, 6, 8, 8, 25, 100, 100, 100]
        assert len(steps) <= 20  # the most that a policy may have


class TestRunbook:
    def test_the_table_in_the_docs_is_that_of_the_alarms(self) -> None:
        assert runbook.table() in (ROOT / "docs" / "operations.md").read_text()

    def test_every_alarm_has_its_paragraph(self) -> None:
        text = (ROOT / "docs" / "operations.md").read_text()
        for alarm in alarms.ALARMS:
            assert f"### alarm-{alarm.name}\n" in text
