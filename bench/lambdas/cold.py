"""Cold starts: from a new process with the unpacked zip to the response, and the import time of each library.

Compared with the naive package of the same app: no bytecode, nothing left out, and every module imported at start.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import timed
from bench.lambdas.process import event
from infra.cloud import archive
from infra.local import processes
from infra.local.client import CreatorApp
from infra.local.directus import accounts
from infra.local.process import LOOPBACK, pick_port
from infra.local.processes import ROOT
from infra.local.stack import login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Figures

ROUNDS = 15
IMPORTS = ("chalice", "boto3", "redis", "jwt", "requests", "aws_lambda_powertools", "msgspec")
DRIVER = ROOT / "bench" / "lambdas" / "process.py"
EAGER = [
    *("boto3", "jwt", "redis", "requests", "msgspec", "aws_lambda_powertools.metrics"),
    *(f"chalicelib.usecases.{name}" for name in ("cancel", "enqueue", "retry", "taxonomy")),
    *(f"chalicelib.maintenance.{name}" for name in ("health", "maintenance", "monitor")),
    *(f"chalicelib.queues.{name}" for name in ("schedules", "tickets")),
    *("chalicelib.directus.client", "chalicelib.ledger.ledger"),
]


class Package(NamedTuple):
    """An unpacked package, and what its process imports before it serves."""

    folder: Path
    eager: list[str]


def run() -> Figures:
    """Time both packages alternately, and each library alone; in ms."""
    with tempfile.TemporaryDirectory() as folder, stores(Path(folder)) as (environment, app, token):
        both = packages(Path(folder))
        figures = {}
        for route in ("GET stats", "POST media"):
            seconds: dict[str, list[float]] = {name: [] for name in both}
            for _ in range(ROUNDS):
                for name, package in both.items():
                    asked = request(route, app, token)
                    seconds[name].append(timed(lambda package=package, asked=asked: _serve(package, environment, asked)))  # type: ignore[misc]
            medians = {name: statistics.median(taken) for name, taken in seconds.items()}
            figures[f"cold {route}"] = {
                **{f"{name} ms": round(median * 1000) for name, median in medians.items()},
                "ratio": round(medians["ours"] / medians["naive"], 3),
            }
    bare = _process("pass")
    return figures | {"import_ms": {name: round((_process(f"import {name}") - bare) * 1000, 1) for name in IMPORTS}}


def packages(folder: Path) -> dict[str, Package]:
    """Unpack both packages below `folder`."""
    ours, naive = folder / "ours", folder / "naive"
    archive.build(folder / "api.zip", folder / "work")
    with zipfile.ZipFile(folder / "api.zip") as zipped:
        zipped.extractall(ours)
    shutil.copytree(archive.libraries(), naive)
    archive.ours(naive, "app.py", "chalicelib")
    shutil.copytree(ours / "chalice", naive / "chalice")
    for compiled in naive.rglob("__pycache__"):
        shutil.rmtree(compiled)
    return {"ours": Package(ours, []), "naive": Package(naive, EAGER)}


@contextmanager
def stores(folder: Path) -> Iterator[tuple[dict[str, str], CreatorApp, str]]:
    """Run the services of the API; yield its settings, and a creator's app with its token."""
    redis_port, sqs_port, directus_port = pick_port(), pick_port(), pick_port()
    running = [
        processes.redis_process(folder / "redis", redis_port),
        processes.sqs_process(folder / "sqs", sqs_port),
        processes.stand_in_process(folder / "directus", directus_port),
    ]
    try:
        for part in running:
            part.start()
        sqs, directus = f"http://{LOOPBACK}:{sqs_port}", f"http://{LOOPBACK}:{directus_port}"
        token = login(directus, accounts.BEST.email, accounts.BEST.password)
        environment = processes.environment(
            redis_url=processes.redis_url(folder / "redis", redis_port),
            sqs_url=sqs,
            directus_url=directus,
            queues=processes.make_queues(sqs),
            work=folder / "jobs",
        )
        yield environment, CreatorApp(directus, "", token), token
    finally:
        for part in running:
            part.stop()


def request(route: str, app: CreatorApp, token: str) -> dict[str, Any]:
    """Return the event of a request, with a new record for each enqueue request."""
    method, name = route.split()
    if method == "GET":
        return event(method, f"/queue/{name}")
    job_id = app.create_record("download", None, input_url=f"https://example.com/{uuid.uuid4()}")
    return event(method, f"/queue/{name}", token, {"jobId": job_id, "operation": "download"})


def _serve(package: Package, environment: dict[str, str], request: dict[str, Any]) -> None:
    command = [sys.executable, "-S", "-I", "-B", str(DRIVER), str(package.folder)]
    if package.eager:
        command += ["--eager", ",".join(package.eager)]
    done = subprocess.run(command, input=json.dumps(request), env=environment, capture_output=True, text=True, check=True)
    [answer] = [json.loads(line)["answer"] for line in done.stdout.splitlines() if line.startswith('{"answer"')]
    if answer["statusCode"] != 200:  # noqa: PLR2004 - OK
        raise RuntimeError(f"not served: {answer}")


def _process(code: str) -> float:
    def start() -> None:
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

    return statistics.median(timed(start, 1) for _ in range(5))
