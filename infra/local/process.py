"""Starts, monitors and stops the processes of the local system."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 10.0


class StartFailed(RuntimeError):
    """A process did not start; the message has the end of its log."""


@dataclass
class LocalProcess:
    """One process: its command, folder, and readiness check."""

    name: str
    command: list[str]
    ready: Callable[[], bool]
    folder: Path
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    seconds: float = 30
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> LocalProcess:
        """Start it and wait until it is ready.

        Raises:
            StartFailed: it exited, or took too long.
        """
        self.launch()
        self.wait()
        return self

    def launch(self) -> None:
        """Start it in a session of its own, so that it outlives the terminal and can be stopped as a group."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it is ready."""
        assert self.process is not None
        deadline = time.monotonic() + self.seconds
        while not self.ready():
            if self.process.poll() is not None:
                raise StartFailed(f"{self.name} ended with code {self.process.returncode}\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.name} was not ready after {self.seconds:g} s\n{self._log_tail()}")
            time.sleep(0.02)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Send SIGTERM, and SIGKILL after `seconds`."""
        if self.process is not None and self.process.poll() is None:
            stop_group(self.process.pid, seconds)
            self.process.wait()

    def kill(self) -> None:
        """Kill it at once, to simulate a crash."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join(["", f"the end of {self.log}:", *lines])


def terminate_soon(pid: int) -> None:
    """Send a first SIGTERM, so that the next one is the second."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGTERM)
        time.sleep(0.1)


def stop_group(pid: int, seconds: float = STOP_SECONDS) -> None:
    """Stop the process group of `pid`: SIGTERM, then SIGKILL after `seconds`."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Return whether a process group runs. A zombie does not."""
    try:
        os.killpg(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, PermissionError):
        return False
    except OSError:
        return not Path("/proc/self").exists()  # no /proc on this system: trust the signal


def born(pid: int) -> str:
    """Return the start of a process, in ticks since boot; with the pid it is unique."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


PORTS = range(20000, 32768)
"""Below the range of outgoing connections, where a port may be taken before its server starts."""


def pick_port(preferred: int = 0) -> int:
    """Return `preferred` if it is free on loopback, else a free port that no other caller gets.

    Raises:
        StartFailed: no port is free.
    """
    for port in [preferred] * bool(preferred) + random.sample(PORTS, 200):
        reservation = socket.socket(type=socket.SOCK_DGRAM)  # the UDP port of that number, held until we exit
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                reservation.bind((LOOPBACK, port))
                probe.bind((LOOPBACK, port))
            except OSError:
                reservation.close()
                continue
            reservation.detach()  # open until this process exits
            return port
    raise StartFailed("no free port")


def answers(port: int) -> bool:
    """Return whether something listens on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False
