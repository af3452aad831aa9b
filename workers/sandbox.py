"""Runs one media process behind walls: its own process group, limits, an empty environment, a private folder, a clock.

The process never sees a network: its inputs are files that were fetched before (see `ffmpeg.py` for the white-lists).
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.errors import AttemptFailed, MediaRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GIB = 1 << 30
POLL_SECONDS = 0.25
STDERR_KEPT = 8192
NOT_STARTED = (126, 127)  # what a shell says of a command that it cannot run


@dataclass(frozen=True)
class Limits:
    """What one process may use."""

    seconds: float = 3600
    memory_bytes: int = 6 * GIB
    file_bytes: int = 32 * GIB
    open_files: int = 256


@dataclass
class Finished:
    """How a process ended."""

    code: int
    stderr: str = field(repr=False)


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """Make a 0700 folder that is gone afterwards, whatever happens inside."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="job-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(
    command: list[str],
    *,
    folder: Path,
    limits: Limits,
    on_line: Callable[[str], None] = lambda line: None,
    check: Callable[[], None] = lambda: None,
) -> Finished:
    """Run `command` in `folder`; its standard output goes to `on_line`, line by line.

    `check` is called several times a second and stops the process by raising. Whatever ends this call, nothing of the
    process group is left.

    Raises:
        MediaRejected: it took longer than `limits.seconds`: media that is too much for us.
        AttemptFailed: it could not be started.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the command is made of our own words and numbers
            [*_confined(limits), *command],
            cwd=folder,
            env={"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise AttemptFailed(f"{Path(command[0]).name} could not be started: {error.strerror}") from error
    try:
        finished = _follow(process, time.monotonic() + limits.seconds, on_line, check)
    finally:
        _kill_group(process)
    if finished.code in NOT_STARTED:
        raise AttemptFailed(f"{Path(command[0]).name} could not be started: {finished.stderr.strip()[-200:]}")
    return finished


def _confined(limits: Limits) -> list[str]:
    """Return the words in front of a command that confine it: a shell that sets limits and becomes the command.

    Not `preexec_fn`: Python code between fork and exec may deadlock in a process with threads.
    """
    wanted = (
        ("-c", resource.RLIMIT_CORE, 0, 512),
        ("-n", resource.RLIMIT_NOFILE, limits.open_files, 1),
        ("-f", resource.RLIMIT_FSIZE, limits.file_bytes, 512),
        ("-v", resource.RLIMIT_AS, limits.memory_bytes, 1024),
        ("-t", resource.RLIMIT_CPU, int(limits.seconds * (os.cpu_count() or 1)) + 1, 1),
    )
    steps = ["umask 077"]
    for flag, kind, most, unit in wanted:
        hard = resource.getrlimit(kind)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        steps.append(f"ulimit {flag} {allowed // unit}")
    return ["/bin/sh", "-c", " && ".join(steps) + ' && exec "$@"', "sandbox"]


def _follow(
    process: subprocess.Popen[bytes], deadline: float, on_line: Callable[[str], None], check: Callable[[], None]
) -> Finished:
    assert process.stdout is not None
    assert process.stderr is not None
    kept, partial = b"", b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stderr, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(POLL_SECONDS):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    kept = (kept + data)[-STDERR_KEPT:]
                else:
                    *lines, partial = (partial + data).split(b"\n")
                    for line in lines:
                        on_line(line.decode(errors="replace").strip())
            check()
            if time.monotonic() > deadline:
                raise MediaRejected("The media took longer to process than an attempt may take")
    return Finished(process.wait(), kept.decode(errors="replace"))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
