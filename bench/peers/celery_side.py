"""Celery on SQS: `celery_side.py COMMAND`, arguments as JSON on stdin, one line of JSON as the answer."""

from __future__ import annotations

import json
import os
import sys
import threading
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
        "polling_interval": 0.01,
    },
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
)
ran: list[str] = []
began: list[float] = []
goal = 0
finished = threading.Event()


@app.task(name="bench.job")  # type: ignore[untyped-decorator]
def job(job_id: str, data: dict[str, Any]) -> None:
    """Do nothing, and be counted."""
    del data
    began.append(time.perf_counter())
    ran.append(job_id)
    if len(ran) == goal:
        finished.set()


def enqueue(arguments: dict[str, Any]) -> dict[str, float]:
    """Send jobs, one after the other."""
    started = time.perf_counter()
    for one in arguments["jobs"]:
        job.apply_async((one["id"], one["data"]), priority=one["priority"])
    return {"seconds": time.perf_counter() - started}


def drain(arguments: dict[str, Any]) -> None:
    """Run jobs until there were so many; say in which order."""
    global goal  # noqa: PLW0603 - the task runs in this process
    goal = arguments["count"]

    def tell() -> None:
        finished.wait()
        seconds = time.perf_counter() - began[0]  # not the worker's own start
        time.sleep(0.5)  # for its last acknowledgement
        answer({"seconds": seconds, "order": ran})

    threading.Thread(target=tell, daemon=True).start()
    app.Worker(pool="solo", concurrency=1, loglevel="ERROR", quiet=True, without_gossip=True, without_mingle=True).start()


def answer(value: dict[str, Any]) -> None:
    """Print it and end: a worker has no other end."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    said = json.load(sys.stdin)
    if sys.argv[1] == "drain":
        drain(said)
    answer(enqueue(said))
