"""`python -m workers.runtime.health`: the health check of a container. Exit code 1: the worker has not polled for a minute."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

SILENT_SECONDS = 60.0
NAME = "worker-polls"


def health_file(work_dir: Path) -> Path:
    """Return the file that a worker touches as long as it polls."""
    return work_dir / NAME


def main() -> int:
    """Look at the file of the worker in WORK_DIR."""
    file = health_file(Path(os.environ.get("WORK_DIR", "").strip() or "/tmp/mediaq"))  # noqa: S108 - as in settings
    try:
        silent = time.time() - file.stat().st_mtime
    except OSError:
        sys.stderr.write(f"unhealthy: {file} does not exist\n")
        return 1
    if silent > SILENT_SECONDS:
        sys.stderr.write(f"unhealthy: the worker has not polled for {silent:.0f} s\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
