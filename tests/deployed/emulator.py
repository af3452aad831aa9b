"""The template as the emulator can run it, and an account on the emulator.

The emulator starts no containers, so the worker's image becomes a zip of the same code; docs/operations.md has the table of
what is different.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3

from infra.cloud import archive, package
from infra.cloud.deploy import Account
from infra.local import processes
from infra.local.directus import accounts
from infra.local.process import LOOPBACK, LocalProcess, pick_port

if TYPE_CHECKING:
    from pathlib import Path

    from infra.cloud.template import Json

BUCKET = "packages"
STACK = "mediaq-local"
WORKER_KEY = "worker.zip"
FUNCTIONS = (*package.FUNCTIONS, "LambdaWorker")


@dataclass
class Cloud:
    """An account on the emulator, with a Redis and a Directus that its functions can reach."""

    home: Path
    running: list[LocalProcess] = field(default_factory=list)

    def start(self) -> Cloud:
        """Start the emulator and the stores; put the bucket, the secret and the worker's code where an operator would."""
        port, redis_port, directus_port = pick_port(), pick_port(), pick_port()
        self.directus = f"http://{LOOPBACK}:{directus_port}"
        self.endpoint = f"http://{LOOPBACK}:{port}"
        self.log = self.home / "logs" / "sqs.log"
        self.running = [
            processes.sqs_process(self.home / "sqs", port, processes.CLOUD_SERVICES),
            processes.redis_process(self.home / "redis", redis_port),
            processes.stand_in_process(self.home / "directus", directus_port),
        ]
        for part in self.running:
            part.launch()
        for part in self.running:
            part.wait()
        redis = urlsplit(processes.redis_url(self.home / "redis", redis_port))
        self.redis = f"redis://{redis.hostname}:{redis.port}/0"
        self.session = _Session(self.endpoint)
        self.account = Account(self.session, poll_seconds=0.1)
        self.client("s3").create_bucket(Bucket=BUCKET)
        secret = {
            "directus_token": accounts.SERVICE_TOKEN,
            "directus_secret": accounts.SECRET,
            "directus_secret_before": "-",
            "internal_token": accounts.INTERNAL_TOKEN,
            "internal_token_before": "-",
            "webhook_secret": accounts.WEBHOOK_SECRET,
            "webhook_secret_before": "-",
            "credentials_keys": accounts.CREDENTIALS_KEY,
        }
        made = self.client("secretsmanager").create_secret(Name="mediaq/local", SecretString=json.dumps(secret))
        self.secret_arn = str(made["ARN"])
        token = json.dumps({"token": redis.password})
        made = self.client("secretsmanager").create_secret(Name="mediaq/redis", SecretString=token)
        self.redis_secret_arn = str(made["ARN"])
        folder = self.home / "worker"
        archive.ours(folder, "chalicelib", "workers")
        archive.pack(folder, self.home / WORKER_KEY)
        self.client("s3").upload_file(str(self.home / WORKER_KEY), BUCKET, WORKER_KEY)
        return self

    def stop(self) -> None:
        """Stop everything."""
        for part in self.running:
            part.stop()

    def client(self, service: str) -> Any:
        """Return a client of the account."""
        return self.session.client(service)

    @property
    def parameters(self) -> dict[str, str]:
        """What an operator says of this place."""
        return {
            "Stage": "local",
            "DirectusUrl": self.directus,
            "SecretArn": self.secret_arn,
            "RedisUrl": self.redis,
            "RedisSecretArn": self.redis_secret_arn,
            "WorkerImage": "zip",
        }

    def adapted(self, made: package.Package) -> Json:
        """Return the template of a package with the zips in their place and the worker as one of them."""
        key = f"{made.sha256}.zip"
        self.client("s3").upload_file(str(made.archive), BUCKET, key)
        template = package.placed(json.loads(made.template.read_text()), BUCKET, key)
        worker = template["Resources"]["LambdaWorker"]["Properties"]
        for name in ("PackageType", "ImageConfig"):
            del worker[name]
        worker["Code"] = {"S3Bucket": BUCKET, "S3Key": WORKER_KEY}
        worker["Handler"] = "workers.runtime.lambda_handler.handler"
        worker["Runtime"] = f"python{archive.PYTHON}"
        # A number that comes from a parameter reaches the emulator's poller as a string, and the poller stops.
        template["Resources"]["LambdaWorkerTickets"]["Properties"]["ScalingConfig"] = {"MaximumConcurrency": 2}
        for name in FUNCTIONS:
            variables = template["Resources"][name]["Properties"]["Environment"]["Variables"]
            variables["AWS_ENDPOINT_URL"] = self.endpoint
        return template

    def deploy(self, template: Json, **changes: str) -> dict[str, str]:
        """Bring the stack to a template."""
        return self.account.apply(STACK, template, self.parameters | changes, BUCKET)

    def function(self, name: str) -> Any:
        """Return the configuration of one of the stack's functions."""
        resource = self.client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId=name)
        physical = resource["StackResourceDetail"]["PhysicalResourceId"]
        return self.client("lambda").get_function_configuration(FunctionName=physical)

    @property
    def api(self) -> str:
        """Where the emulator serves the stage of the stack's API; it ends before /queue."""
        [found] = [one for one in self.client("apigateway").get_rest_apis()["items"] if one["name"] == STACK]
        return f"{self.endpoint}/restapis/{found['id']}/api/_user_request_"


class _Session:
    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._session = boto3.Session("test", "test", region_name=processes.REGION)

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint)
