"""The CloudFormation template: Chalice's, from `app.py`, merged with the files in `resources/`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.cloud import cloudwatch, protection, roles
from infra.local.processes import REGION, ROOT

Json = dict[str, Any]
HERE = Path(__file__).parent
RESOURCES = HERE / "resources"
FRAGMENTS = (
    RESOURCES / "parameters.json",
    ROOT / "infra" / "queues.json",
    RESOURCES / "redis.json",
    RESOURCES / "functions.json",
    RESOURCES / "containers.json",
    RESOURCES / "parts.json",
)
FUNCTIONS = ("APIHandler", "Maintenance")
CHALICE_STAGE = "cloud"

VARIABLES: Json = {
    "STAGE": {"Ref": "Stage"},
    "SECRETS_VERSION": {"Ref": "SecretsVersion"},
    "DIRECTUS_URL": {"Ref": "DirectusUrl"},
    "REDIS_URL": {"Fn::If": ["OwnRedis", {"Ref": "RedisUrl"}, {"Fn::Sub": "rediss://${Redis.PrimaryEndPoint.Address}:6379/0"}]},
    "QUEUE_URL_LAMBDA": {"Ref": "LambdaQueue"},
    "QUEUE_URL_CONTAINER": {"Ref": "ContainerQueue"},
    "DEAD_LETTER_URL_LAMBDA": {"Ref": "LambdaDeadLetters"},
    "DEAD_LETTER_URL_CONTAINER": {"Ref": "ContainerDeadLetters"},
    "SCHEDULE_ROLE_ARN": {"Fn::GetAtt": ["ScheduleRole", "Arn"]},
    "SCHEDULE_GROUP": {"Ref": "Schedules"},
    "WORKER_CONCURRENCY": {"Ref": "ContainerConcurrency"},
    "ALARM_OVER": cloudwatch.alarm_thresholds(),
    "LOG_LEVEL": {"Ref": "LogLevel"},
    "OTEL_EXPORTER_OTLP_ENDPOINT": {"Ref": "OtelEndpoint"},
    "FETCH_ALLOW": {"Ref": "FetchAllow"},
    "TRANSCRIBE_BUCKET": {"Ref": "TranscribeBucket"},
    "PARTS_BUCKET": {"Fn::If": ["HasParts", {"Ref": "PartsBucket"}, ""]},
    "PARTS_FROM_SECONDS": {"Ref": "PartsFromSeconds"},
    "PARTS_WORKERS": {"Ref": "PartsWorkers"},
    "CREDENTIALS_KMS_KEY": {"Fn::GetAtt": ["CredentialsKey", "Arn"]},
}
SECRETS = {
    "DIRECTUS_TOKEN": "directus_token",
    "DIRECTUS_SECRET": "directus_secret",
    "DIRECTUS_SECRET_BEFORE": "directus_secret_before",
    "INTERNAL_TOKEN": "internal_token",
    "INTERNAL_TOKEN_BEFORE": "internal_token_before",
    "WEBHOOK_SECRET": "webhook_secret",
    "WEBHOOK_SECRET_BEFORE": "webhook_secret_before",
    "CREDENTIALS_KEYS": "credentials_keys",
}
"""Setting -> key in the secret that `SecretArn` names."""
FOR_WORKERS = ("CREDENTIALS_KEYS",)
"""Secrets that only workers get: they open the credentials of users."""


def build(work: Path) -> Json:
    """Return the whole template; `work` is an empty folder for Chalice."""
    shutil.copytree(ROOT / "chalicelib", work / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", work)
    shutil.copytree(ROOT / ".chalice", work / ".chalice")
    (work / "requirements.txt").touch()  # `archive.py` builds the zip from the lock file
    (work / "merge.json").write_text(json.dumps(ours()))
    chalice = str(Path(sys.executable).with_name("chalice"))
    command = [chalice, "package", "--stage", CHALICE_STAGE, "--merge-template", "merge.json", "out"]
    environment = {"PATH": str(Path(sys.executable).parent), "AWS_DEFAULT_REGION": REGION, "HOME": str(work)}
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise RuntimeError(f"chalice package failed:\n{done.stderr or done.stdout}")
    template: Json = json.loads((work / "out" / "sam.json").read_text())
    for name in ("RestAPIId", "APIHandlerName", "APIHandlerArn", "EndpointURL"):  # replaced by ApiUrl
        template["Outputs"].pop(name, None)
    template["Description"] = "mediaq: a media job queue as a service"
    return template


def ours() -> Json:
    """Return everything that does not come from Chalice."""
    merged: Json = {}
    for file in FRAGMENTS:
        fragment = json.loads(file.read_text())
        for section, entries in fragment.items():
            if isinstance(entries, dict):
                known = merged.setdefault(section, {})
                known.update({name: entry for name, entry in entries.items() if name not in known})
    resources: Json = merged["Resources"]
    resources.update(roles.resources() | cloudwatch.alarms() | cloudwatch.dashboard())
    merged["Parameters"].update(cloudwatch.parameters())
    policy = resources["ContainersAsWanted"]["Properties"]["StepScalingPolicyConfiguration"]
    policy["StepAdjustments"] = cloudwatch.scaling_steps()
    protection.apply(resources)
    for name in (*FUNCTIONS, "LambdaWorker"):
        properties = resources[name]["Properties"]
        properties["Environment"] = {"Variables": function_environment(opens=name == "LambdaWorker")}
        properties["VpcConfig"] = {
            "Fn::If": [
                "InVpc",
                {"SubnetIds": {"Ref": "SubnetIds"}, "SecurityGroupIds": [{"Ref": "PartsSecurityGroup"}]},
                {"Ref": "AWS::NoValue"},
            ]
        }
    for name in ("ContainerTask", "OperatorTask"):
        [container] = resources[name]["Properties"]["ContainerDefinitions"]
        container["Environment"] = [{"Name": key, "Value": value} for key, value in container_environment().items()]
        container["Secrets"] = _container_secrets(opens=name == "ContainerTask")
    return merged


def _secrets_of(*, opens: bool) -> Json:
    """Return the secrets of a process. `opens`: it may open the credentials of users."""
    return {name: key for name, key in SECRETS.items() if opens or name not in FOR_WORKERS}


def function_environment(*, opens: bool) -> Json:
    """Return the settings of a Lambda. Secrets are resolved at deployment: see ADR 11."""
    secrets: Json = {
        name: {"Fn::Sub": f"{{{{resolve:secretsmanager:${{SecretArn}}:SecretString:{key}}}}}"}
        for name, key in _secrets_of(opens=opens).items()
    }
    return VARIABLES | secrets | {"REDIS_PASSWORD": _redis_secret(_resolved)}


def container_environment() -> Json:
    """Return the settings of a container, without secrets."""
    return VARIABLES | {"WORK_DIR": "/work", "AWS_DEFAULT_REGION": {"Ref": "AWS::Region"}}


def _container_secrets(*, opens: bool) -> list[Any]:
    """Return the secrets of a container. ECS passes them to the process only."""
    named = _secrets_of(opens=opens)
    secrets: list[Any] = [{"Name": name, "ValueFrom": {"Fn::Sub": f"${{SecretArn}}:{key}::"}} for name, key in named.items()]
    given = {"Name": "REDIS_PASSWORD", "ValueFrom": {"Fn::Sub": "${RedisSecretArn}:token::"}}
    made = {"Name": "REDIS_PASSWORD", "ValueFrom": {"Fn::Sub": "${RedisAuth}:token::"}}
    none = {"Ref": "AWS::NoValue"}
    return [*secrets, {"Fn::If": ["MakeRedis", made, {"Fn::If": ["OwnRedisSecret", given, none]}]}]


def _redis_secret(of: Any) -> Json:
    return {"Fn::If": ["MakeRedis", of("RedisAuth"), {"Fn::If": ["OwnRedisSecret", of("RedisSecretArn"), ""]}]}


def _resolved(arn: str) -> Json:
    return {"Fn::Sub": f"{{{{resolve:secretsmanager:${{{arn}}}:SecretString:token}}}}"}
