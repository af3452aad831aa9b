"""The calls of an idle system: one container worker with its defaults, and the maintenance Lambda once a minute."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import noop
from chalicelib import settings
from chalicelib.ledger.parts import PartsLedger
from chalicelib.ledger.workers import WorkersLedger
from chalicelib.maintenance.maintenance import Maintenance
from chalicelib.maintenance.monitor import Monitor
from chalicelib.queues.tickets import RUN_VISIBILITY_SECONDS
from infra.local import processes
from infra.local.process import LOOPBACK
from infra.local.proxies.http import HttpProxy

if TYPE_CHECKING:
    from bench import Figures
    from infra.local.process import LocalProcess

SECONDS = 60
AN_HOUR = 3600
POLL_SECONDS = "10"  # the default, not that of the local system


def run() -> Figures:
    """Count for a minute, and extrapolate to an hour."""
    with noop.system() as system, tempfile.TemporaryDirectory() as folder:
        proxy = HttpProxy(int(system.sqs.rpartition(":")[2]))
        counted: Counter[str] = Counter()
        proxy.record = lambda exchange: counted.update([exchange.headers.get("X-Amz-Target", "other").rpartition(".")[2]])
        endpoint = f"http://{LOOPBACK}:{proxy.port}"
        queues = {name: url.replace(system.sqs, endpoint) for name, url in system.queues.items()}
        environment = processes.environment(
            redis_url=system.redis_url,
            sqs_url=endpoint,
            directus_url=f"http://{LOOPBACK}:1",
            queues=queues,
            work=Path(folder) / "work",
        )
        worker = processes.worker_process(environment | {"POLL_SECONDS": POLL_SECONDS}, Path(folder), "worker", 2, 0).start()
        time.sleep(12)  # past its first polls
        before, redis_before, cpu_before = counted.total(), _scripts(system), _cpu_seconds(worker)
        time.sleep(SECONDS)
        cpu = _cpu_seconds(worker) - cpu_before
        sqs, redis = counted.total() - before, _scripts(system) - redis_before
        worker.kill()
        maintenance_sqs, maintenance_redis = _maintenance(system, counted, endpoint, environment)
        proxy.close()
    runs = AN_HOUR // 60
    return {
        "an hour of nothing": {
            "SQS calls of a worker": round(sqs * AN_HOUR / SECONDS),
            "SQS calls of the maintenance task": maintenance_sqs * runs,
            "Redis calls of a worker": round(redis * AN_HOUR / SECONDS),
            "Redis calls of the maintenance task": maintenance_redis * runs,
            "Lambda invocations": runs,
        },
        "a worker at rest, % of a core": round(100 * cpu / SECONDS, 2),
        "SQS calls of a job of one hour, by its constants": {
            "renewals": round(AN_HOUR / (RUN_VISIBILITY_SECONDS / 2.5)),
            "others": 3,
        },
    }


def _maintenance(system: noop.System, counted: Counter[str], endpoint: str, environment: dict[str, str]) -> tuple[int, int]:
    """Count the calls of one run, with seeded totals."""
    nothing: Any = None  # Directus is only called after a wipe
    system.ledger.read_totals()
    system.scripts.redis.hset("{bench}:meta", "seeded", 1)
    before, redis_before = counted.total(), _scripts(system)
    maintenance = Maintenance(system.ledger, system.tickets(endpoint), nothing)
    report = maintenance.run()
    Monitor(system.ledger, PartsLedger(system.scripts), WorkersLedger(system.scripts), settings.load(environment)).run(report)
    return counted.total() - before, _scripts(system) - redis_before


def _cpu_seconds(worker: LocalProcess) -> float:
    assert worker.process is not None
    fields = Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _scripts(system: noop.System) -> int:
    stats = system.scripts.redis.info("commandstats")
    return sum(int(stats.get(name, {"calls": 0})["calls"]) for name in ("cmdstat_evalsha", "cmdstat_eval"))
