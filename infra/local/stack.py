"""The local system: starts its processes in order, writes down their addresses, stops them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from infra.local import processes
from infra.local.directus import accounts, installation, seed
from infra.local.process import LOOPBACK, LocalProcess, StartFailed, alive, born, pick_port, stop_group, terminate_soon

if TYPE_CHECKING:
    from pathlib import Path

PREFERRED = {"api": 3001, "directus": 8055, "sqs": 4566, "redis": 6390}
Say = Callable[[str], None]


def _quiet(text: str) -> None:
    del text


@dataclass
class Stack:
    """A running system. `directus` is `standin`, `real`, or a URL."""

    home: Path
    directus: str = "standin"
    concurrency: int = 2
    preferred: dict[str, int] = field(default_factory=dict)
    """Ports to use if they are free; otherwise others are chosen."""
    say: Say = _quiet
    processes: dict[str, LocalProcess] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def url(self, name: str) -> str:
        """Return the URL of a service."""
        if name == "directus" and self.directus.startswith("http"):
            return self.directus
        return f"http://{LOOPBACK}:{self.ports[name]}"

    @property
    def redis_url(self) -> str:
        """The URL of Redis, with its password."""
        return processes.redis_url(self.home / "redis", self.ports["redis"])

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        return self.home / "logs"

    def start(self) -> Stack:
        """Start everything in dependency order.

        Raises:
            StartFailed: a process did not start. Everything is stopped again.
        """
        try:
            self._start_stores()
            processes.make_bucket(self.url("sqs"))
            self.environment = processes.environment(
                redis_url=self.redis_url,
                sqs_url=self.url("sqs"),
                directus_url=self.url("directus"),
                queues=processes.make_queues(self.url("sqs")),
                work=self.home / "work",
            )
            self.environment |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
            api = processes.api_process(self.environment, self.logs, self.ports["api"])
            worker = processes.worker_process(self.environment, self.logs, concurrency=self.concurrency)
            self._together(api, worker, processes.maintenance_process(self.environment, self.logs))
            if self.directus == "real":
                seed.point_flow(self.url("directus"), self.url("api"))
        except BaseException:
            self.stop()
            raise
        return self

    def _start_stores(self) -> None:
        for name, port in PREFERRED.items():
            wanted = self.preferred.get(name, 0)
            self.ports[name] = pick_port(wanted)
            if wanted and self.ports[name] != wanted:
                self.say(f"port {port} is taken: {name} is on {self.ports[name]} instead")
        self.logs.mkdir(parents=True, exist_ok=True)
        stores = [
            processes.redis_process(self.home / "redis", self.ports["redis"]),
            processes.sqs_process(self.home / "sqs", self.ports["sqs"]),
        ]
        if self.directus == "standin":
            stores.append(processes.stand_in_process(self.home / "directus", self.ports["directus"]))
        elif self.directus == "real":
            stores.append(installation.part(self.home / "directus", self.ports["directus"], self.say))
        self._together(*stores)

    def _together(self, *several: LocalProcess) -> None:
        for part in several:
            part.launch()
            self.processes[part.name] = part
        for part in several:
            part.wait()
            self.say(f"{part.name} is up")

    def stop(self) -> None:
        """Stop everything: the worker first, without waiting for its jobs; the stores last."""
        worker = self.processes.get("worker")
        if worker and worker.process and worker.process.poll() is None:
            terminate_soon(worker.process.pid)
        for part in reversed(self.processes.values()):
            part.stop()
        self.processes.clear()

    def tokens(self) -> dict[str, str]:
        """Log every demo user in and return their tokens by tier."""
        return {user.tier: login(self.url("directus"), user.email, user.password) for user in accounts.DEMO_USERS}

    def describe(self) -> dict[str, Any]:
        """Return the content of `stack.json`, for scripts."""
        tokens = {} if self.directus.startswith("http") else self.tokens()
        return {
            "api": self.url("api"),
            "directus": self.url("directus"),
            "sqs": self.url("sqs"),
            "redis": self.redis_url,
            "token": tokens.get(accounts.BEST.tier, ""),
            "tokens": tokens,
            "admin_token": accounts.ADMIN_TOKEN,
            "internal_token": accounts.INTERNAL_TOKEN,
            "environment": self.environment,
            "processes": {
                name: [part.process.pid, born(part.process.pid)]
                for name, part in self.processes.items()
                if part.process is not None
            },
        }


PASSED_ON = (
    "DIRECTUS_URL", "DIRECTUS_PUBLIC_URL", "DIRECTUS_TOKEN", "DIRECTUS_SECRET", "PLANS_FILE", "PRESETS_FILE", "LOG_LEVEL",
    "FFMPEG", "FETCH_ALLOW", "NETWORK_NAMESPACE", "CREDENTIALS_KEYS", "CREDENTIALS_PUBLIC_KEY", "CREDENTIALS_PRIVATE_KEYS",
    "CREDENTIALS_KMS_KEY", "WHISPER_MODEL", "WHISPER_THREADS", "WHISPER_BEAM_SIZE", "WHISPER_COMPUTE_TYPE", "TRANSCRIBE_BUCKET",
    "PARTS_BUCKET", "PARTS_FROM_SECONDS", "PARTS_WORKERS", "PRICES_FILE", "OTEL_EXPORTER_OTLP_ENDPOINT",
)  # fmt: skip
"""Settings of the caller that override those of the local system."""


def login(directus: str, email: str, password: str) -> str:
    """Return an access token."""
    answer = requests.post(f"{directus}/auth/login", json={"email": email, "password": password}, timeout=30)
    if answer.status_code != 200:  # noqa: PLR2004 - OK
        raise StartFailed(f"{email} could not log in to Directus: {answer.text[:300]}")
    return str(answer.json()["data"]["access_token"])


def write_description(home: Path, description: dict[str, Any]) -> Path:
    """Write `stack.json`, readable by its owner only: it has tokens."""
    file = home / "stack.json"
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps(description, indent=2) + "\n")
    temporary.chmod(0o600)
    temporary.replace(file)
    return file


def read_description(home: Path) -> dict[str, Any] | None:
    """Read `stack.json`; None if the system is not running."""
    try:
        description: dict[str, Any] = json.loads((home / "stack.json").read_text())
    except (OSError, ValueError):
        return None
    return description if alive_processes(description) else None


def stop_described(home: Path) -> bool:
    """Stop the processes in `stack.json`; False if none was running."""
    description = read_description(home)
    if description is None:
        return False
    running = alive_processes(description)
    if "worker" in running:
        terminate_soon(running["worker"])
    for pid in reversed(running.values()):
        stop_group(pid)
    (home / "stack.json").unlink(missing_ok=True)
    return True


def alive_processes(description: dict[str, Any]) -> dict[str, int]:
    """Return the pids that still belong to the system: after a reboot, other processes may have them."""
    known: dict[str, list[Any]] = description.get("processes", {})
    return {name: pid for name, (pid, birth) in known.items() if alive(pid) and born(pid) == birth}


def forget(home: Path) -> None:
    """Delete the state of a stopped system."""
    shutil.rmtree(home, ignore_errors=True)
