"""What it would cost a cold start to read the secrets from Secrets Manager: the imports and one call."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench import timed
from infra.local import processes
from infra.local.process import LOOPBACK, pick_port

if TYPE_CHECKING:
    from bench import Figures

ROUNDS = 15
WAYS = {
    "environment": "os.environ['SECRET']",
    "signed by botocore": """
import http.client, json
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.GetSecretValue"}
asked = AWSRequest("POST", os.environ["AWS_ENDPOINT_URL"], data=json.dumps({"SecretId": "secret"}), headers=headers)
SigV4Auth(Credentials("test", "test"), "secretsmanager", "us-east-1").add_auth(asked)
ready = asked.prepare()
connection = http.client.HTTPConnection(ready.url.split("/")[2])
connection.request("POST", "/", ready.body, dict(ready.headers))
json.loads(connection.getresponse().read())["SecretString"]
""",
    "boto3": """
import boto3
boto3.client("secretsmanager").get_secret_value(SecretId="secret")["SecretString"]
""",
}
"""Way -> what a new process does to have its secret."""


def run() -> Figures:
    """Time each way alternately, from a new process to the secret; in ms above reading the environment."""
    with tempfile.TemporaryDirectory() as folder:
        port = pick_port()
        emulator = processes.sqs_process(Path(folder) / "sqs", port, processes.CLOUD_SERVICES).start()
        environment = os.environ | processes.AWS_ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{port}", "SECRET": "x"}
        try:
            _make_secret(environment)
            seconds: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(ROUNDS):
                for way, code in WAYS.items():
                    seconds[way].append(timed(lambda code=code: _run(code, environment)))  # type: ignore[misc]
        finally:
            emulator.stop()
    medians = {way: statistics.median(taken) * 1000 for way, taken in seconds.items()}
    return {"secrets at start": {f"{way} ms": round(median - medians["environment"]) for way, median in medians.items()}}


def _make_secret(environment: dict[str, str]) -> None:
    _run('import boto3; boto3.client("secretsmanager").create_secret(Name="secret", SecretString="x")', environment)


def _run(code: str, environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-c", f"import os\n{code}"], env=environment, check=True)
