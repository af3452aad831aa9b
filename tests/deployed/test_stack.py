"""The packaged application, deployed by CloudFormation on the emulator: API Gateway, event source mapping, real media."""

from __future__ import annotations

import base64
import copy
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from bench.lambdas.process import SCHEDULED
from infra.cloud import __main__ as cli
from infra.cloud.deploy import DeploymentFailed
from infra.local.client import CreatorApp
from infra.local.directus import accounts
from infra.local.stack import login
from tests.deployed.emulator import STACK, Cloud
from tests.integration.conftest import clip, until  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.cloud import package
    from infra.cloud.template import Json


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account."""
    running = Cloud(tmp_path_factory.mktemp("cloud"))
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def template(cloud: Cloud, made: package.Package) -> Json:
    """The template, adapted to the emulator."""
    return cloud.adapted(made)


class Creator(CreatorApp):
    """A creator's app, whose API is behind the emulator's API Gateway."""

    def __init__(self, cloud: Cloud) -> None:
        token = login(cloud.directus, accounts.BEST.email, accounts.BEST.password)
        super().__init__(cloud.directus, cloud.api, token)
        self.base = cloud.api
        self.headers = {"Authorization": f"Bearer {token}"}

    def enqueue(self, job_id: str, operation: str, **values: Any) -> requests.Response:
        """Call `POST /api/queue/media`: the emulator's address of the stage says `/api` in its own way."""
        body = {"jobId": job_id, "operation": operation, **values}
        return requests.post(f"{self.base}/queue/media", json=body, headers=self.headers, timeout=60)


def test_from_nothing_to_a_job_and_back_to_nothing(cloud: Cloud, template: Json, clip: Path) -> None:  # noqa: F811
    began = time.monotonic()
    outputs = cloud.deploy(template)
    assert outputs["ApiUrl"].endswith("/api/")
    assert cloud.account.outputs(STACK) == outputs
    answers(cloud)
    jobs_complete(cloud, clip)
    credentials_are_sealed_with_the_key_of_the_stack(cloud)
    an_update_changes_what_runs(cloud, template)
    a_broken_update_is_rolled_back(cloud, template)
    cloud.account.delete(STACK)
    nothing_is_left(cloud)
    print(f"deployed, used and deleted in {time.monotonic() - began:.1f} s")


def answers(cloud: Cloud) -> None:
    """The published answers come out of API Gateway as they do anywhere."""
    stats = requests.get(f"{cloud.api}/queue/stats", timeout=60)
    assert stats.status_code == 200
    assert stats.json()["stats"] == {"waiting": 0, "active": 0, "completed": 0, "failed": 0, "delayed": 0}
    health = requests.get(f"{cloud.api}/queue/health", timeout=60).json()
    assert health["dependencies"] == {"redis": "ok", "sqs": "ok", "directus": "ok"}
    page = requests.get(f"{cloud.api}/queue/dashboard", timeout=60)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src 'sha256-" in page.headers["Content-Security-Policy"]
    assert "<title>mediaq</title>" in page.text
    assert requests.get(f"{cloud.api}/queue/metrics", timeout=60).text.startswith("# HELP mediaq_jobs_waiting")
    assert requests.get(f"{cloud.api}/queue/openapi.json", timeout=60).json()["openapi"] == "3.1.0"
    refused = requests.post(f"{cloud.api}/queue/media", json={}, headers={"Authorization": "Bearer no"}, timeout=60)
    assert (refused.status_code, refused.json()) == (401, {"error": "Invalid or expired Directus token"})
    internal = requests.post(f"{cloud.api}/queue/taxonomy/invalidate", timeout=60)
    assert internal.status_code == 403
    headers = {"X-Internal-Token": accounts.INTERNAL_TOKEN}
    assert requests.post(f"{cloud.api}/queue/taxonomy/invalidate", headers=headers, timeout=60).status_code == 200


def jobs_complete(cloud: Cloud, clip: Path) -> None:  # noqa: F811
    """The event source mapping hands tickets to the worker, which does what was asked for."""
    app = Creator(cloud)
    file_id = app.upload(clip)
    jobs = []
    for width in (64, 96, 128):
        job_id = app.create_record("thumbnail", file_id)
        answer = app.enqueue(job_id, "thumbnail", params={"width": width})
        assert answer.status_code == 200, answer.text
        jobs.append(job_id)
    records = [app.wait(job_id, 90) for job_id in jobs]
    assert [(record["status"], record["error"]) for record in records] == [("completed", None)] * 3
    assert sorted(record["result"]["width"] for record in records) == [64, 96, 128]
    mine = {"headers": app.headers, "timeout": 60}
    job = requests.get(f"{cloud.api}/queue/jobs/{jobs[0]}", **mine).json()["job"]
    assert [one["outcome"] for one in job["attempts"]] == ["completed"]
    listed = requests.get(f"{cloud.api}/queue/jobs", params={"operation": "thumbnail", "limit": 2}, **mine).json()
    assert {one["jobId"] for one in listed["jobs"]} <= set(jobs)
    assert requests.get(f"{cloud.api}/queue/jobs", params={"cursor": listed["next"]}, **mine).status_code == 200
    counted = until(lambda: counts(cloud, completed=3), 20, "counted")
    assert (counted["failed"], counted["waiting"]) == (0, 0)
    report = invoke(cloud, "Maintenance", SCHEDULED)
    assert (report["tickets"], report["revived"], report["dead"]) == (0, 0, 0)


def credentials_are_sealed_with_the_key_of_the_stack(cloud: Cloud) -> None:
    """The API encrypts with KMS; what comes out opens with the key, and only for its own row."""
    body = {"name": "CDN", "kind": "bearer", "hosts": ["cdn.example.com"], "secret": {"token": "s3cret-of-the-stack"}}
    answer = requests.post(f"{cloud.api}/credentials", json=body, headers=Creator(cloud).headers, timeout=60)
    assert answer.status_code == 200, answer.text
    made = answer.json()["credential"]
    admin = {"Authorization": f"Bearer {accounts.ADMIN_TOKEN}"}
    row = requests.get(f"{cloud.directus}/items/platform_connections/{made['id']}", headers=admin, timeout=60).json()["data"]
    assert row["credentials"].startswith("mediaq.kms.1:")
    sealed = base64.b64decode(row["credentials"].partition(":")[2])
    assert b"s3cret" not in sealed
    opened = cloud.client("kms").decrypt(CiphertextBlob=sealed, EncryptionContext={"credential": made["id"]})
    assert json.loads(opened["Plaintext"])["secret"] == {"token": "s3cret-of-the-stack"}
    assert "CREDENTIALS_KEYS" not in cloud.function("APIHandler")["Environment"]["Variables"]


def counts(cloud: Cloud, completed: int) -> dict[str, int] | None:
    found: dict[str, int] = requests.get(f"{cloud.api}/queue/stats", timeout=60).json()["stats"]
    return found if found["completed"] == completed and found["active"] == 0 else None


def invoke(cloud: Cloud, name: str, event: dict[str, Any]) -> Any:
    function = cloud.function(name)["FunctionName"]
    answer = cloud.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.loads(answer["Payload"].read())


def an_update_changes_what_runs(cloud: Cloud, template: Json) -> None:
    """Parameters that are not named stay as they are; the same again is no change."""
    assert cloud.function("APIHandler")["Environment"]["Variables"]["LOG_LEVEL"] == "INFO"
    cloud.account.apply(STACK, template, {"LogLevel": "DEBUG"}, "packages")
    variables = cloud.function("APIHandler")["Environment"]["Variables"]
    assert (variables["LOG_LEVEL"], variables["DIRECTUS_URL"]) == ("DEBUG", cloud.directus)
    assert variables["DIRECTUS_TOKEN"] == accounts.SERVICE_TOKEN
    assert counts(cloud, completed=3)
    cloud.account.apply(STACK, template, {"LogLevel": "DEBUG"}, "packages")


def a_broken_update_is_rolled_back(cloud: Cloud, template: Json) -> None:
    """The reason is said, and what ran before runs on."""
    broken = copy.deepcopy(template)
    broken["Resources"]["LambdaWorker"]["Properties"]["Code"]["S3Key"] = "no-such.zip"
    broken["Resources"]["APIHandler"]["Properties"]["MemorySize"] = 1024
    with pytest.raises(DeploymentFailed, match="LambdaWorker"):
        cloud.account.apply(STACK, broken, {}, "packages")
    assert cloud.function("APIHandler")["MemorySize"] == 512
    assert counts(cloud, completed=3)


def nothing_is_left(cloud: Cloud) -> None:
    """Every function, queue and log group of the stack is gone."""
    assert cloud.client("lambda").list_functions()["Functions"] == []
    assert cloud.client("sqs").list_queues().get("QueueUrls", []) == []
    assert cloud.client("apigateway").get_rest_apis()["items"] == []
    assert cloud.client("iam").list_roles()["Roles"] == []
    assert cloud.client("cloudwatch").describe_alarms()["MetricAlarms"] == []


@pytest.mark.slow
def test_by_the_command_line(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What docs/deploying.md says: the foundation, the stack on it, the stack deleted. No image, so no worker."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
    settings = {name: cloud.parameters[name] for name in ("DirectusUrl", "SecretArn", "RedisUrl", "RedisSecretArn")}
    deploy = ["deploy", "dev", *(word for name, value in settings.items() for word in ("--set", f"{name}={value}"))]
    assert cli.main(deploy) == 1
    assert "make it with `python -m infra.cloud foundation`" in capsys.readouterr().err
    assert cli.main(["foundation", "--egress", "endpoints"]) == 0
    assert "SubnetIds = subnet-" in capsys.readouterr().out
    assert ":role/mediaq-foundation-" in cloud.client("apigateway").get_account()["cloudwatchRoleArn"]
    assert cli.main(["deploy", "dev"]) == 1
    assert "mediaq-dev needs DirectusUrl, SecretArn" in capsys.readouterr().err
    assert cli.main(deploy) == 0
    said = capsys.readouterr().out
    assert "CREATE_COMPLETE          APIHandler" in said
    assert "QueueUrlLambda = " in said
    assert "CREATE_COMPLETE          PartsSecurityGroup" in said  # so it is in the foundation's network
    assert cli.main(["deploy", "dev", "--set", "LogRetentionDays=14"]) == 0
    assert cli.main(["deploy", "dev", "--set", "LogLevel=DEBUG"]) == 0  # what is not named stays, whatever the stage began with
    [stack] = cloud.client("cloudformation").describe_stacks(StackName="mediaq-dev")["Stacks"]
    values = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    assert (values["LogRetentionDays"], values["LogLevel"], values["RedisReplicas"]) == ("14", "DEBUG", "0")
    stages = {one["stageName"] for api in cloud.client("apigateway").get_rest_apis()["items"]
              for one in cloud.client("apigateway").get_stages(restApiId=api["id"])["item"]}  # fmt: skip
    assert stages == {"api"}
    assert cli.main([*deploy, "--set", "NoSuchParameter=1"]) == 1
    assert "NoSuchParameter" in capsys.readouterr().err
    assert cli.main(["destroy", "dev"]) == 0
    assert cloud.client("lambda").list_functions()["Functions"] == []
