"""Dollars per million jobs, from a table of prices and from measured calls, bytes and seconds.

The control plane is everything except the work on media: accepting, queueing, delivering and logging a job.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import noop, queues
from bench.lambdas import cold
from chalicelib.maintenance.alarms import ALARMS
from infra.local.client import CreatorApp
from infra.local.directus import accounts
from infra.local.stack import Stack, login
from workers.context import programs

if TYPE_CHECKING:
    from bench import Figures

MILLION = 1_000_000
PRICES: dict[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_text())
API_GB = 0.5
REQUESTS = 60
AWS_WAIT_MS = 45
"""Network waits on AWS that do not exist here, assumed: Directus 30 ms, SQS 10 ms, Redis and the function's network 5 ms."""
PLATFORM_LOG_BYTES = 400
"""START, END and REPORT of an invocation, and the 26 bytes that CloudWatch adds per log line."""
LINE_BYTES = 26
JOBS = 20
CLIP_SECONDS = 20
ROUNDS = 3
LAMBDA_GB = 3008 / 1024
SLOT_VCPU, SLOT_GB = 2.0, 8.0
"""A container worker as in the template: 4 vCPU and 16 GB for two jobs."""
GAUGES = 24
HOURS_A_MONTH = 730
ALWAYS = ("metrics", "alarms", "dashboard", "maintenance", "secrets", "keys")
"""What a stack costs in any form."""
OPERATIONS: dict[str, dict[str, Any]] = {
    "thumbnail": {"width": 320},
    "analysis": {},
    "upload": {},
    "caption_generation": {"format": "vtt"},
    "transcoding": {"format": "mp4", "resolution": "720p"},
}
"""Operation -> parameters, for a clip of 1280x720 and CLIP_SECONDS seconds."""


def run() -> Figures:
    """Measure, and multiply by the prices."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        api_ms = _api_ms(folder / "api")
        with noop.system() as system:
            calls = queues.our_calls(system)["mediaq shuffled"]
        seconds, log_bytes = _jobs(folder / "jobs")
    measured = {"API ms here": round(api_ms, 1), "SQS calls a job": calls, "log bytes a job": round(log_bytes)}
    return {
        "measured for the cost": measured,
        **control_plane(api_ms, calls, log_bytes),
        **compute(seconds),
        **fixed(),
    }


def control_plane(api_ms: float, sqs_calls: float, log_bytes: float) -> Figures:
    """Return dollars per million jobs of each service."""
    api_seconds = (api_ms + AWS_WAIT_MS) / 1000
    parts = {
        "API Gateway": PRICES["api gateway request"] * MILLION,
        "API Lambda requests": PRICES["lambda request"] * MILLION,
        "API Lambda time": PRICES["lambda x86 GB-second"] * API_GB * api_seconds * MILLION,
        "SQS": PRICES["sqs request"] * sqs_calls * MILLION,
        "logs": PRICES["logs GB"] * log_bytes * MILLION / 1e9,
    }
    total = sum(parts.values())
    behind_a_url = total - parts["API Gateway"]
    totals = {"together": total, "behind a function URL": behind_a_url}
    return {"control plane, dollars a million jobs": {name: round(value, 2) for name, value in (parts | totals).items()}}


def compute(seconds: dict[str, float]) -> Figures:
    """Return dollars per million jobs of each operation on both kinds of worker, and the break-even."""
    lambda_second = PRICES["lambda arm GB-second"] * LAMBDA_GB
    slot_second = slot_hour() / 3600
    dollars = {}
    for operation, taken in seconds.items():
        dollars[f"{operation} s"] = round(taken, 2)
        dollars[f"{operation} on Lambda"] = round((lambda_second * taken + PRICES["lambda request"]) * MILLION, 2)
        dollars[f"{operation} on Fargate, always busy"] = round(slot_second * taken * MILLION, 2)
    return {
        f"compute, dollars a million jobs ({CLIP_SECONDS} s of 720p)": dollars,
        "Fargate is cheaper when its slots are busy for more than": round(slot_second / lambda_second, 2),
    }


def fixed() -> Figures:
    """Return dollars per month that do not depend on the number of jobs."""
    alarms = sum(len(alarm.source.of) if alarm.source else 1 for alarm in ALARMS)
    maintenance = PRICES["lambda request"] + PRICES["lambda x86 GB-second"] * 0.25 * 3.5
    parts = {
        "Redis, dev": PRICES["cache.t4g.micro hour"] * HOURS_A_MONTH,
        "Redis, prod with a replica": 2 * PRICES["cache.m7g.large hour"] * HOURS_A_MONTH,
        "NAT gateway": PRICES["nat gateway hour"] * HOURS_A_MONTH,
        "VPC endpoints, nine in two zones": PRICES["vpc endpoint hour"] * 18 * HOURS_A_MONTH,
        "metrics": PRICES["metric month"] * GAUGES,
        "alarms": PRICES["alarm month"] * alarms,
        "dashboard": PRICES["dashboard month"],
        "maintenance": maintenance * 60 * HOURS_A_MONTH,
        "secrets": 2 * PRICES["secret month"],
        "keys": 2 * PRICES["key month"],
        "container worker, 4 vCPU and 16 GB": 2 * slot_hour() * HOURS_A_MONTH,
    }
    always = sum(parts[name] for name in ALWAYS)
    idle = {
        "dev: no worker runs, NAT gateway": always + parts["Redis, dev"] + parts["NAT gateway"],
        "prod: one container worker runs, NAT gateway": always
        + parts["Redis, prod with a replica"]
        + parts["NAT gateway"]
        + parts["container worker, 4 vCPU and 16 GB"],
    }
    return {
        "fixed, dollars a month": {name: round(value, 2) for name, value in parts.items()},
        "idle, dollars a month": {name: round(value, 2) for name, value in idle.items()},
    }


def slot_hour() -> float:
    """Return the dollars of an hour of a slot of a container worker."""
    return float(SLOT_VCPU * PRICES["fargate arm vCPU-hour"] + SLOT_GB * PRICES["fargate arm GB-hour"])


def _api_ms(folder: Path) -> float:
    """Return the time of `POST /media` in a warm process of the packaged API, in ms."""
    with cold.stores(folder) as (environment, app, token):
        package = cold.packages(folder)["ours"]
        requests = [json.dumps(cold.request("POST media", app, token)) for _ in range(REQUESTS + 1)]
        command = [sys.executable, "-S", "-I", "-B", str(cold.DRIVER), str(package.folder)]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin is not None
        assert process.stdout is not None
        taken = []
        for request in requests:
            began = time.perf_counter()
            process.stdin.write(f"{request}\n")
            process.stdin.flush()
            while not (line := process.stdout.readline()).startswith('{"answer"'):
                if not line:
                    raise RuntimeError("the API's process ended")
            taken.append((time.perf_counter() - began) * 1000)
        process.kill()
        process.communicate()
    return statistics.mean(taken[1:])


def _jobs(folder: Path) -> tuple[dict[str, float], float]:
    """Run every operation; return its seconds, from the record, and the log bytes of one job."""
    stack = Stack(folder, concurrency=1).start()
    try:
        directus = stack.url("directus")
        app = CreatorApp(directus, stack.url("api"), login(directus, accounts.BEST.email, accounts.BEST.password))
        file_id = app.upload(_clip(folder / "clip.mp4"))
        seconds = {}
        for operation, params in OPERATIONS.items():
            records = [_run(app, operation, file_id, params) for _ in range(ROUNDS)]
            seconds[operation] = statistics.median(_seconds(record) for record in records)
        before = _logged(stack)
        for _ in range(JOBS):
            _run(app, "thumbnail", file_id, OPERATIONS["thumbnail"])
        logged = (_logged(stack) - before) / JOBS
    finally:
        stack.stop()
    return seconds, logged + PLATFORM_LOG_BYTES


def _run(app: CreatorApp, operation: str, file_id: str, params: dict[str, Any]) -> dict[str, Any]:
    job_id = app.create_record(operation, file_id)
    app.enqueue(job_id, operation, params=params).raise_for_status()
    record = app.wait(job_id, 300)
    if record["status"] != "completed":
        raise RuntimeError(f"{operation}: {record['error']}")
    return record


def _seconds(record: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(record[name]) for name in ("started_at", "finished_at"))
    return (ended - began).total_seconds()


def _logged(stack: Stack) -> int:
    """Return the log bytes of the API and the worker, as CloudWatch counts them."""
    lines = [line for name in ("api", "worker") for line in (stack.logs / f"{name}.log").read_bytes().splitlines()]
    return sum(len(line) + LINE_BYTES for line in lines)


def _clip(target: Path) -> Path:
    picture = ["-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate=25:duration={CLIP_SECONDS}"]
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={CLIP_SECONDS}"]
    command = [programs.find().ffmpeg, "-nostdin", "-v", "error", "-y", *picture, *tone, "-shortest", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, str(target)], check=True)
    return target
