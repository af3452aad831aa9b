"""Celery on SQS: `celery_side.py COMMAND`, arguments as JSON on stdin, one line of JSON as the answer."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import Any

from celery import Celery  # type: ignore[import-not-found]

URL = os.environ["AWS_ENDPOINT_URL"]
QUEUE = "celery-bench"
app = Celery("bench", broker=URL.replace("http://", "sqs://test:test@"))
app.conf.update(
    task_default_queue=QUEUE,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    broker_transport_options={
        "region": "us-east-1",
        "is_secure": False,
        "predefined_queues": {QUEUE: {"url": f"{URL}/000000000000/{QUEUE}"}},
        "wait_time_seconds": 10,
        "polling_interval": 0.1,
    },
    worker_hijack_root_logger=False,
)
ran: list[str] = []
goal = 0


@app.task(name="bench.job")  # type: ignore[untyped-decorator]
def job(job_id: str, data: dict[str, Any]) -> None:
    """Do nothing, and be counted."""
    del data
    ran.append(job_id)
    if len(ran) == goal:
        raise KeyboardInterrupt  # the only way out of a solo worker from within


def enqueue(arguments: dict[str, Any]) -> dict[str, float]:
    """Send jobs, one after the other."""
    started = time.perf_counter()
    for one in arguments["jobs"]:
        job.apply_async((one["id"], one["data"]), priority=one["priority"])
    return {"seconds": time.perf_counter() - started}


def drain(arguments: dict[str, Any]) -> dict[str, Any]:
    """Run jobs until there were so many; say in which order."""
    global goal  # noqa: PLW0603 - the task runs in this process
    goal = arguments["count"]
    started = time.perf_counter()
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        app.Worker(pool="solo", concurrency=1, loglevel="ERROR", quiet=True, without_gossip=True, without_mingle=True).start()
    return {"seconds": time.perf_counter() - started, "order": ran}


if __name__ == "__main__":
    answer = {"enqueue": enqueue, "drain": drain}[sys.argv[1]](json.load(sys.stdin))
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)
