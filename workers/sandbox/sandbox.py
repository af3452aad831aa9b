"""Runs one media process in its own group, with resource limits, an empty environment, a private folder and a timeout.

It has no network: its input is a file, `ffmpeg.py` lets it open nothing else, and where the machine allows it (not on Lambda or
Fargate) it runs in an empty network namespace. It does not outlive the worker.
"""

from __future__ import annotations

import contextlib
import fcntl
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
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib import tracing
from chalicelib.errors import AttemptFailed, MediaRejected, SettingsError
from workers.sandbox import accounting, lambda_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GIB = 1 << 30
POLL_SECONDS = 0.25
STDERR_KEPT = 8192
LINE_MAX = 1 << 20
NOT_STARTED = (126, 127)  # of a shell that cannot run a command


@dataclass(frozen=True)
class Limits:
    """The limits of one process."""

    seconds: float = 12 * 3600
    memory_bytes: int = 8 * GIB
    """Address space; a program with many threads reserves more than it uses."""
    data_bytes: int = 6 * GIB
    """Private writable memory."""
    file_bytes: int = 32 * GIB
    folder_bytes: int = 48 * GIB
    """Of all files in its folder."""
    open_files: int = 256


@dataclass
class Finished:
    """The end of a process."""

    code: int
    stderr: str = field(repr=False)
    peak_bytes: int = 0
    """Peak memory of the process, or ours when it started: the kernel counts from there."""


class _Namespace:
    mode = "auto"


def use_namespace(mode: str) -> None:
    """Choose the network isolation: `auto`, `off`, or `required`.

    Raises:
        SettingsError: it is required, and this machine does not support it.
    """
    _Namespace.mode = mode
    if mode == "required" and not _works(UNSHARE):
        raise SettingsError("NETWORK_NAMESPACE is required, but `unshare --user --net` does not work on this machine")


UNSHARE = ("unshare", "--user", "--net", "--")
SETPRIV = ("setpriv", "--pdeathsig", "KILL", "--no-new-privs", "--")
"""The process is killed when the thread that started it ends, as when the worker is killed."""


@cache
def _works(words: tuple[str, ...]) -> bool:
    """Return whether this machine supports an isolation."""
    try:
        done = subprocess.run([*words, "true"], capture_output=True, check=False)  # noqa: S603 - our own words
    except OSError:
        return False
    return done.returncode == 0


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """Create a 0700 folder that is deleted at the end."""
    parent.mkdir(parents=True, exist_ok=True)
    folder, lock = _locked_folder(parent)
    try:
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _locked_folder(parent: Path) -> tuple[Path, int]:
    """Create a folder and hold a lock on it. `sweep` may delete it before the lock is taken; then another is created."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=parent))
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if folder.is_dir():
                    return folder, lock
            except BlockingIOError:
                pass  # a sweep deletes it
            os.close(lock)


def sweep(parent: Path) -> int:
    """Delete the folders that killed workers left in `parent`; return how many. Folders in use are locked and stay."""
    swept = 0
    for folder in parent.glob("job-*"):
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                swept += 1
            finally:
                os.close(lock)
    return swept


def run(
    command: list[str],
    *,
    folder: Path,
    limits: Limits,
    on_line: Callable[[str], None] = lambda line: None,
    on_error_line: Callable[[str], None] = lambda line: None,
    check: Callable[[], None] = lambda: None,
) -> Finished:
    """Run `command` in `folder`; pass its stdout to `on_line` and its stderr to `on_error_line`, line by line.

    `check` is called several times a second and stops the process by raising. However the call ends, no process of the group
    is left.

    Raises:
        MediaRejected: it took longer than `limits.seconds`, or wrote more than `limits.folder_bytes`.
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
        with tracing.span(Path(command[0]).name.partition("-")[0]):
            stderr = _follow(process, folder, limits, (on_line, on_error_line), check)
    finally:
        peak_bytes = _end(process)
    if (code := process.returncode) in NOT_STARTED:
        raise AttemptFailed(f"{Path(command[0]).name} could not be started: code {code}")
    return Finished(code, stderr, peak_bytes)


def _confined(limits: Limits) -> list[str]:
    """Return the command prefix that sets the limits: a shell that sets them and then becomes the command."""
    # not `preexec_fn`: Python code between fork and exec can deadlock in a process with threads
    wanted = (
        ("-c", resource.RLIMIT_CORE, 0, 512),
        ("-n", resource.RLIMIT_NOFILE, limits.open_files, 1),
        ("-f", resource.RLIMIT_FSIZE, limits.file_bytes, 512),
        ("-v", resource.RLIMIT_AS, limits.memory_bytes, 1024),
        ("-d", resource.RLIMIT_DATA, min(limits.data_bytes, lambda_limits.data_bytes()), 1024),
        ("-t", resource.RLIMIT_CPU, int(limits.seconds * (os.cpu_count() or 1)) + 1, 1),
    )
    steps = ["umask 077"]
    for flag, kind, most, unit in wanted:
        hard = resource.getrlimit(kind)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        steps.append(f"ulimit {flag} {allowed // unit}")
    walls: tuple[str, ...] = UNSHARE if _Namespace.mode != "off" and _works(UNSHARE) else ()
    walls += SETPRIV if _works(SETPRIV) else ()  # after the namespace, which resets it
    return [*walls, "/bin/sh", "-c", " && ".join(steps) + ' && exec "$@"', "sandbox"]


def _follow(
    process: subprocess.Popen[bytes],
    folder: Path,
    limits: Limits,
    on_lines: tuple[Callable[[str], None], Callable[[str], None]],
    check: Callable[[], None],
) -> str:
    """Read the output of a process until it ends; return the end of its stderr."""
    assert process.stdout is not None
    assert process.stderr is not None
    clock = _Clock(folder, limits, check)
    kept = b""
    readers = {process.stdout: _Lines(on_lines[0]), process.stderr: _Lines(on_lines[1])}
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stderr, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(POLL_SECONDS):
                data = os.read(key.fd, 65536)
                readers[key.fileobj].feed(data)  # type: ignore[index]
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    kept = (kept + data)[-STDERR_KEPT:]
            clock.tick()
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:  # it closed its outputs but runs on
        clock.tick()
        time.sleep(0.01)
    return kept.decode(errors="replace")


class _Lines:
    """Splits output into lines."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Add output; empty at the end."""
        *lines, self._partial = (self._partial[-LINE_MAX:] + data).split(b"\n")
        if not data and self._partial:
            lines.append(self._partial)
        for line in lines:
            self._on_line(line.decode(errors="replace").strip())


class _Clock:
    """What is checked while a process runs."""

    def __init__(self, folder: Path, limits: Limits, check: Callable[[], None]) -> None:
        self._folder = folder
        self._limits = limits
        self._check = check
        self._deadline = time.monotonic() + limits.seconds
        self._measured = 0.0

    def tick(self) -> None:
        self._check()
        now = time.monotonic()
        if now > self._deadline:
            raise MediaRejected("The media took longer to process than an attempt may take")
        if now - self._measured > POLL_SECONDS:
            self._measured = now
            if _folder_bytes(self._folder) > self._limits.folder_bytes:
                raise MediaRejected(f"The output is larger than {self._limits.folder_bytes >> 20} MiB")


def _folder_bytes(folder: Path) -> int:
    total = 0
    for file in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # renamed or deleted meanwhile
            total += file.lstat().st_size
    return total


def _end(process: subprocess.Popen[bytes]) -> int:
    """Kill the rest of a process group and reap its leader; return its peak memory, in bytes.

    In this order: until the leader is reaped, its number cannot be reused by a process that would be killed instead.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    peak_bytes = _reap(process)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    return peak_bytes


def _reap(process: subprocess.Popen[bytes]) -> int:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    accounting.current().add_process(usage)
    return usage.ru_maxrss * 1024
