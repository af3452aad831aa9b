"""The health check of a worker that stops polling."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from tests.integration.conftest import until
from workers.runtime import health

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.process import LocalProcess


def check_turns_bad_and_good(worker: LocalProcess, work: Path, command: list[str], **run: Any) -> None:
    """Check that `command` succeeds while a worker polls, fails once it has been silent, and succeeds again."""

    def healthy() -> bool:
        return subprocess.run(command, capture_output=True, check=False, **run).returncode == 0

    until(healthy, 20, "the worker polls")
    assert worker.process is not None
    os.killpg(worker.process.pid, signal.SIGSTOP)
    try:
        file = health.health_file(work)
        os.utime(file, (0, file.stat().st_mtime - health.SILENT_SECONDS))  # in place of a minute
        assert not healthy()
    finally:
        os.killpg(worker.process.pid, signal.SIGCONT)
    until(healthy, 20, "it goes on")
