"""Threads that convert to a struct for the first time at the same moment."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra.local import processes
from tests.unit.runtime.first_conversions import STARTS

if TYPE_CHECKING:
    from pathlib import Path

UNUSED = "http://127.0.0.1:1"
QUEUES = {
    f"{kind}_URL_{pool}": f"{UNUSED}/{kind}-{pool}" for kind in ("QUEUE", "DEAD_LETTER") for pool in ("LAMBDA", "CONTAINER")
}


@pytest.mark.parametrize("process", STARTS)
def test_first_conversions_in_several_threads(process: str, tmp_path: Path) -> None:
    """Without the preparation at start, the process ends with SIGSEGV."""
    settings = processes.environment(
        redis_url="redis://127.0.0.1:1", sqs_url=UNUSED, directus_url=UNUSED, queues=QUEUES, work=tmp_path
    )
    command = [sys.executable, "-m", "tests.unit.runtime.first_conversions", process]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 50
