"""The dashboard: first paint and size, and the response times of the routes that it polls."""

from __future__ import annotations

import gzip
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from infra.local import browser
from infra.local.client import CreatorApp
from infra.local.directus import accounts
from infra.local.stack import Stack, login

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench import Figures

LOADS = 15
CALLS = 100
JOBS = 300
PAINTED = """new Promise(done => new PerformanceObserver(list => done(list.getEntries()[0].startTime))
    .observe({type: "paint", buffered: true}))"""


def run() -> Figures:
    """Measure on a local system with three hundred jobs in the list."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "system").start()
        try:
            return _measure(stack)
        finally:
            stack.stop()


def _measure(stack: Stack) -> Figures:
    api = f"{stack.url('api')}/api/queue"
    token = login(stack.url("directus"), accounts.BEST.email, accounts.BEST.password)
    app = CreatorApp(stack.url("directus"), stack.url("api"), token)
    jobs = [app.create_record("thumbnail", None) for _ in range(JOBS)]
    page = requests.get(f"{api}/dashboard", timeout=10).content
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"

    def asking(path: str) -> Callable[[], object]:
        return lambda: session.get(f"{api}/{path}", timeout=10).raise_for_status()

    return {
        "dashboard": {
            "bytes": len(page),
            "bytes, compressed": len(gzip.compress(page)),
            "first paint, ms": _first_paint(f"{api}/dashboard"),
        },
        "an answer, ms": {
            path.replace(jobs[0], "{jobId}"): _median_ms(asking(path))
            for path in ("stats", "jobs", "jobs?limit=100", f"jobs/{jobs[0]}", "usage", "metrics", "trend", "openapi.json")
        },
    }


def _first_paint(url: str) -> float:
    with browser.launch() as chromium:
        painted = []
        for _ in range(LOADS):
            context = chromium.new_context()  # nothing is cached
            page = context.new_page()
            page.goto(url)
            painted.append(float(page.evaluate(PAINTED)))
            context.close()
    return round(statistics.median(painted), 1)


def _median_ms(call: Callable[[], object]) -> float:
    took = []
    for _ in range(CALLS):
        started = time.perf_counter()
        call()
        took.append(time.perf_counter() - started)
    return round(statistics.median(took) * 1000, 2)
