"""Dramatiq on SQS: `dramatiq_side.py COMMAND`, arguments as JSON on stdin, one line of JSON as the answer."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

import dramatiq  # type: ignore[import-not-found]
from dramatiq_sqs import SQSBroker  # type: ignore[import-not-found]

broker = SQSBroker(namespace="bench", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")
dramatiq.set_broker(broker)
ran: list[str] = []
began: list[float] = []
goal = 0
finished = threading.Event()


@dramatiq.actor(queue_name="jobs")  # type: ignore[untyped-decorator]
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
        job.send(one["id"], one["data"])
    return {"seconds": time.perf_counter() - started}


def drain(arguments: dict[str, Any]) -> dict[str, Any]:
    """Run jobs until there were so many; say in which order."""
    global goal  # noqa: PLW0603 - the actor runs in this process
    goal = arguments["count"]
    worker = dramatiq.Worker(broker, worker_threads=1)
    worker.start()
    finished.wait()
    seconds = time.perf_counter() - began[0]  # not the worker's own start
    worker.stop()
    return {"seconds": seconds, "order": ran}


if __name__ == "__main__":
    answer = {"enqueue": enqueue, "drain": drain}[sys.argv[1]](json.load(sys.stdin))
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)
