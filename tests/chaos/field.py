"""A whole system of real processes, each with its own proxies to Redis, SQS and Directus, and a supervisor that restarts them."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.ledger.ledger import Ledger
from chalicelib.ledger.scripts import Scripts
from infra.local import processes
from infra.local.directus import accounts
from infra.local.process import LOOPBACK, LocalProcess, pick_port
from infra.local.proxies.http import HttpProxy, SqsProxy
from infra.local.proxies.tcp import TcpProxy
from infra.local.stack import login

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.recorder import Recorder

RESTART_SECONDS = 1.0
SLOTS = 2
DUPLICATES = 0.1
SPLIT = {"PARTS_FROM_SECONDS": "0.5", "PARTS_WORKERS": "2"}
"""Films of a second's work are split."""
PLANS = '{"free": {}, "enterprise": {"transcoding": -1, "thumbnail": -1, "analysis": -1, "upload": -1, "download": -1}}'


@dataclass
class Process:
    """A part of mediaq and its three proxies."""

    part: LocalProcess
    redis: TcpProxy
    sqs: SqsProxy
    directus: HttpProxy
    held: bool = False
    """True while a fault keeps it stopped: nobody restarts it."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.part.process is not None and self.part.process.poll() is None

    def signal(self, number: int) -> None:
        """Send it a signal, if it runs: to it alone, or the whole group when it is to die."""
        if self.part.process is not None and self.alive:
            with contextlib.suppress(ProcessLookupError):
                if number == signal.SIGKILL:
                    os.killpg(self.part.process.pid, number)
                else:
                    os.kill(self.part.process.pid, number)


@dataclass
class Field:
    """API, two workers, maintenance; Redis, the SQS emulator and the stand-in for Directus."""

    home: Path
    dice: random.Random
    recorder: Recorder
    workers: int = 2
    slots: int = SLOTS
    stores: dict[str, LocalProcess] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    aof_sizes: list[tuple[float, int]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> Field:
        """Start everything."""
        self.logs.mkdir(parents=True)
        self.ports = {name: pick_port() for name in ("redis", "sqs", "directus", "api")}
        self.stores = {
            "redis": processes.redis_process(self.home / "redis", self.ports["redis"]),
            "sqs": processes.sqs_process(self.home / "sqs", self.ports["sqs"]),
            "directus": processes.stand_in_process(self.home / "directus", self.ports["directus"]),
        }
        for part in self.stores.values():
            part.launch()
        for part in self.stores.values():
            part.wait()
        redis_url = processes.redis_url(self.home / "redis", self.ports["redis"])
        plans = self.home / "plans.json"
        plans.write_text(PLANS)
        processes.make_bucket(self.url("sqs"))
        self.environment = processes.environment(
            redis_url=redis_url,
            sqs_url=self.url("sqs"),
            directus_url=self.url("directus"),
            queues=processes.make_queues(self.url("sqs")),
            work=self.home / "work",
        ) | {"PLANS_FILE": str(plans), "FETCH_ALLOW": os.environ.get("FETCH_ALLOW", ""), **SPLIT}
        self.scripts = Scripts(redis_url, "{mediaq}")
        self.ledger = Ledger(self.scripts)
        self.token = login(self.url("directus"), accounts.BEST.email, accounts.BEST.password)
        self._add("api", lambda environment: processes.api_process(environment, self.logs, self.ports["api"]))
        self._add("maintenance", lambda environment: processes.maintenance_process(environment, self.logs))
        for number in range(self.workers):
            self.add_worker(f"worker-{number + 1}")
        for process in self.processes.values():
            process.part.wait()
        threading.Thread(target=self._supervise, daemon=True).start()
        threading.Thread(target=self._measure_aof, daemon=True).start()
        return self

    def url(self, name: str) -> str:
        """Return where a part is, past all proxies."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        return self.home / "logs"

    def add_worker(self, name: str, prefix: tuple[str, ...] = (), **environment: str) -> Process:
        """Start another worker, its command behind `prefix`."""

        def make(wired: dict[str, str]) -> LocalProcess:
            part = processes.worker_process(wired | environment, self.logs, name, self.slots, drain_seconds=3)
            part.command[:0] = prefix
            return part

        return self._add(name, make)

    def _add(self, name: str, make: Callable[[dict[str, str]], LocalProcess]) -> Process:
        redis, sqs = TcpProxy(self.ports["redis"]), SqsProxy(self.ports["sqs"], self.dice, DUPLICATES)
        directus = HttpProxy(self.ports["directus"], self.recorder.directus(name))
        moved = {
            key: value.replace(f":{self.ports['sqs']}", f":{sqs.port}").replace(f":{self.ports['redis']}", f":{redis.port}")
            for key, value in self.environment.items()
        }
        moved["DIRECTUS_URL"] = f"http://{LOOPBACK}:{directus.port}"
        part = make(moved)
        part.launch()
        self.processes[name] = Process(part, redis, sqs, directus)
        return self.processes[name]

    def remove(self, name: str) -> None:
        """Stop a process for good."""
        process = self.processes.pop(name)
        process.signal(signal.SIGKILL)
        assert process.part.process is not None
        process.part.process.wait()
        for proxy in (process.redis, process.sqs, process.directus):
            proxy.close()

    def restart_redis(self, *, lose_seconds: float | None) -> None:
        """Kill Redis and start it again, with what it had so long ago; None: with nothing."""
        redis = self.stores["redis"]
        redis.kill()
        self.recorder.note("api with redis", who="freeze")  # one that was frozen is gone, and the next one answers
        files = self._aof_files()
        if lose_seconds is None:
            for file in files:
                file.unlink()
            shutil.rmtree(self.home / "redis" / "appendonlydir", ignore_errors=True)
        elif files:
            then = time.monotonic() - lose_seconds
            sizes = [size for at, size in self.aof_sizes if at <= then]
            if sizes and sizes[-1] < files[-1].stat().st_size:
                os.truncate(files[-1], sizes[-1])
        self.aof_sizes.clear()
        redis.start()

    def calm(self) -> None:
        """Take every fault away."""
        for process in self.processes.values():
            process.redis.set_mode("pass")
            process.redis.watches.clear()
            for proxy in (process.sqs, process.directus):
                proxy.fault = None
                proxy.watches.clear()
            process.signal(signal.SIGCONT)
            process.held = False

    def stop(self) -> None:
        """Stop everything."""
        self._over.set()
        for name in list(self.processes):
            self.remove(name)
        for part in self.stores.values():
            part.stop()

    def _aof_files(self) -> list[Path]:
        """The file that Redis appends to now comes last."""
        return sorted((self.home / "redis").rglob("*.aof"), key=lambda file: file.stat().st_mtime)

    def _measure_aof(self) -> None:
        while not self._over.wait(0.1):
            with contextlib.suppress(OSError, IndexError):
                self.aof_sizes.append((time.monotonic(), self._aof_files()[-1].stat().st_size))
                del self.aof_sizes[:-100]

    def _supervise(self) -> None:
        while not self._over.wait(0.2):
            for name, process in list(self.processes.items()):
                if not process.alive and not process.held and not self._over.is_set():
                    self.recorder.note("restart", who=name)
                    time.sleep(RESTART_SECONDS)
                    if name in self.processes and not self._over.is_set():
                        process.part.launch()
