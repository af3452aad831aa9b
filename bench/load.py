"""`POST /media` with several callers at once, on the local system: its latency, and accepted jobs a second.

The local API is one process with threads. On AWS, each Lambda process has one request at a time.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.client import CreatorApp
from infra.local.directus import accounts
from infra.local.stack import Stack, login

if TYPE_CHECKING:
    from bench import Figures

CALLERS = (1, 8, 32)
REQUESTS = 320


def run() -> Figures:
    """Enqueue while no worker runs."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder)).start()
        try:
            stack.processes["worker"].stop()
            directus = stack.url("directus")
            app = CreatorApp(directus, stack.url("api"), login(directus, accounts.BEST.email, accounts.BEST.password))
            upload = Path(folder) / "clip.mp4"
            upload.write_bytes(b"never read")
            file_id = app.upload(upload)
            _measure(app, file_id, 8, 40)  # warm
            for callers in CALLERS:
                figures[f"POST /media with {callers} callers"] = _measure(app, file_id, callers, REQUESTS)
        finally:
            stack.stop()
    return figures


def _measure(app: CreatorApp, file_id: str, callers: int, requests: int) -> dict[str, float]:
    records = [app.create_record("transcoding", file_id) for _ in range(requests)]

    def enqueue(job_id: str) -> float:
        began = time.perf_counter()
        app.enqueue(job_id, "transcoding").raise_for_status()
        return (time.perf_counter() - began) * 1000

    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as threads:
        taken = sorted(threads.map(enqueue, records))
    seconds = time.perf_counter() - began
    return {
        "ms, median": round(statistics.median(taken), 1),
        "ms, p99": round(taken[int(0.99 * len(taken))], 1),
        "jobs a second": round(requests / seconds),
    }
