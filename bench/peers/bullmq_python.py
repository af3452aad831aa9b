"""BullMQ's Python port: `bullmq_python.py COMMAND`, arguments as JSON on stdin, one line of JSON as the answer."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

from bullmq import Queue, Worker  # type: ignore[import-not-found]

OPTIONS = {"attempts": 3, "backoff": {"type": "exponential", "delay": 2000}, "removeOnComplete": 100, "removeOnFail": 1000}


async def admit(arguments: dict[str, Any]) -> dict[str, float]:
    """Add jobs, one after the other."""
    queue = Queue("media", {"connection": os.environ["REDIS_URL"]})
    started = time.perf_counter()
    for job in arguments["jobs"]:
        await queue.add("media", job["data"], {**OPTIONS, "jobId": job["id"], "priority": job["priority"]})
    seconds = time.perf_counter() - started
    await queue.close()
    return {"seconds": seconds}


async def drain(arguments: dict[str, Any]) -> dict[str, float]:
    """Run jobs that do nothing."""
    left = arguments["count"]
    finished = asyncio.Event()

    async def process(job: Any, token: str) -> None:
        del job, token

    def completed(job: Any, result: Any) -> None:
        nonlocal left
        del job, result
        left -= 1
        if left == 0:
            finished.set()

    started = time.perf_counter()
    worker = Worker("media", process, {"connection": os.environ["REDIS_URL"], "concurrency": arguments["concurrency"]})
    worker.on("completed", completed)
    await finished.wait()
    seconds = time.perf_counter() - started
    await worker.close(force=True)
    return {"seconds": seconds}


if __name__ == "__main__":
    command = {"admit": admit, "drain": drain}[sys.argv[1]]
    print(json.dumps(asyncio.run(command(json.load(sys.stdin)))))
