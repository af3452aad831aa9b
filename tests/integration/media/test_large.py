"""The memory of a worker does not grow with its input. `make test` uses 256 MB, `make verify` 2 GB (MEDIAQ_INPUT_MB)."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import until
from tests.sampling import sampled

if TYPE_CHECKING:
    from infra.local.process import LocalProcess
    from tests.integration.conftest import System

MEGABYTES = int(os.environ.get("MEDIAQ_INPUT_MB", "256"))
RSS_MAX = 150 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV file of silence, sparse on disk."""
    target = tmp_path_factory.mktemp("large") / "large.wav"
    size = MEGABYTES << 20
    form = struct.pack("<HHIIHH", 1, 2, 192_000, 768_000, 4, 16)  # 45 minutes of 192 kHz are 2 GB
    with target.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + struct.pack("<I", 16) + form)
        file.write(b"data" + struct.pack("<I", size))
        file.truncate(44 + size)
    return target


def peak_bytes(worker: LocalProcess) -> int:
    """Return the most memory that the worker itself had in use, its media processes apart."""
    assert worker.process is not None
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert match is not None
    return int(match[1]) << 10


@pytest.mark.parametrize("operation", sampled(["upload", "transcoding"], lambda operation: operation == "upload"))
def test_memory_does_not_grow_with_the_input(system: System, large: Path, operation: str) -> None:
    params = {"upload": {}, "transcoding": {"format": "mp3", "duration": 1}}[operation]
    record = system.app.wait(system.submit(large, params, operation), 900)
    assert record["status"] == "completed", record["error"]
    until(system.quiet, 10, "closed")
    peak = peak_bytes(system.stack.processes["worker"])
    print(f"{operation} of {MEGABYTES} MB: the worker's peak is {peak >> 20} MB")
    assert peak < RSS_MAX
    for file in [*system.outputs(record["id"]), record["input_file_id"]]:
        system.admin("DELETE", f"/files/{file}")
