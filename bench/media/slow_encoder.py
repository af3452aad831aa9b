"""An ffmpeg that encodes parts slowly, so that the processors of this machine are not the limit of a benchmark.

`python -m bench.media.slow_encoder RUN_MS PAUSE_MS FFMPEG ARGUMENTS...` lets ffmpeg run and stops it in turns (SIGSTOP).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RUN_MS, PAUSE_MS = 20, 300


def script(folder: Path, ffmpeg: str) -> Path:
    """Write an executable for the setting FFMPEG."""
    target = folder / "slow-ffmpeg"
    target.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{__file__}" {RUN_MS} {PAUSE_MS} "{ffmpeg}" "$@"\n')
    target.chmod(0o755)
    return target


def main() -> None:
    """Run ffmpeg; slowly, if it encodes a part."""
    run_ms, pause_ms, *command = sys.argv[1:]
    if not any((word.endswith(".nut") and "/encoded-" in word) or "/own-" in word for word in command):
        os.execv(command[0], command)  # noqa: S606 - the command of the worker
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            time.sleep(int(run_ms) / 1000)
            process.send_signal(signal.SIGSTOP)
            time.sleep(int(pause_ms) / 1000)
            process.send_signal(signal.SIGCONT)
        sys.exit(process.returncode)


if __name__ == "__main__":
    main()
