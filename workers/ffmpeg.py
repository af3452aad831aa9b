"""Runs ffmpeg in the sandbox and reads its progress."""

from __future__ import annotations

import errno
import re
import shutil
import signal
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from chalicelib.errors import AttemptFailed, MediaRejected, SettingsError
from workers import sandbox
from workers.containers import FORMATS, PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.work import Work

# What ffmpeg says when the machine or the build is at fault rather than the input (fftools, libavutil/error.c). Everything
# else is the input's doing: the arguments are ours, and another attempt would end in the same way.
MACHINE_AT_FAULT = re.compile(
    r"Unknown encoder|Encoder not found|No such filter|Unrecognized option|Option not found|Permission denied"
    r"|Read-only file system|Input/output error|Resource temporarily unavailable|Device or resource busy|Too many open files"
)
KILLED = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
TOO_MUCH = (-signal.SIGXFSZ, -signal.SIGXCPU)


@cache
def executable(configured: str = "") -> str:
    """Return the ffmpeg to run: the configured one, the system's, or the one inside imageio-ffmpeg.

    Raises:
        SettingsError: there is none.
    """
    found = shutil.which(configured or "ffmpeg")
    if found:
        return found
    if configured:
        raise SettingsError(f"FFMPEG must be the path of an ffmpeg executable, not {configured!r}")
    try:
        import imageio_ffmpeg  # noqa: PLC0415 - the last resort
    except ImportError as error:
        raise SettingsError("ffmpeg was not found: install it, or set FFMPEG to its path") from error
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def input_arguments(file: Path) -> list[str]:
    """Return the arguments that open `file`, and only it: no protocol but file, no playlist format."""
    return ["-protocol_whitelist", PROTOCOLS, "-format_whitelist", FORMATS, "-i", f"file:{file}"]


def run(
    work: Work,
    arguments: list[str],
    *,
    seconds: float = 0,
    share: tuple[float, float] = (0.0, 1.0),
    loglevel: str = "error",
    limits: sandbox.Limits | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> str:
    """Run ffmpeg with `arguments` and return the end of what it wrote to its standard error.

    Of an output of `seconds`, what is done counts as `share` (from, to) of the job's progress. `on_line` gets every other
    line of the standard output.

    Raises:
        MediaRejected: ffmpeg says that the input is at fault.
        AttemptFailed: anything else went wrong.
    """
    reached = share[0]

    def read(line: str) -> None:
        nonlocal reached
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.lstrip("-").isdigit() and seconds > 0:
            done = min(1.0, max(0.0, int(value) / 1e6 / seconds))
            reached = max(reached, share[0] + (share[1] - share[0]) * done)  # of two streams, the one behind counts
            work.progress(reached)
        on_line(line)

    command = [work.tools.ffmpeg, "-nostdin", "-hide_banner", "-loglevel", loglevel, "-progress", "pipe:1", "-nostats", "-y"]
    limits = limits or sandbox.Limits()
    limits = replace(limits, seconds=min(limits.seconds, work.seconds_left))
    finished = sandbox.run([*command, *arguments], folder=work.folder, limits=limits, on_line=read, check=work.check)
    if finished.code == 0:
        return finished.stderr
    raise _failure(finished, work)


def _failure(finished: sandbox.Finished, work: Work) -> Exception:
    """Say who is at fault: the input, for which another attempt is in vain, or the machine."""
    lines = _messages(finished.stderr, work.folder.parent)
    text, said = "\n".join(lines), lines[-1][:300] if lines else "it said nothing"
    if "No space left on device" in text:
        return OSError(errno.ENOSPC, "No space left in the work folder")
    if finished.code in KILLED:
        return AttemptFailed("ffmpeg was killed")
    if finished.code in TOO_MUCH or "Cannot allocate memory" in text:
        return MediaRejected("The input needs more memory, time or disk to process than a job may have")
    if MACHINE_AT_FAULT.search(text):
        return AttemptFailed(f"ffmpeg ended with code {finished.code}: {said}")
    return MediaRejected(f"The input could not be processed: {said}")


def number(value: float) -> str:
    """Write a number as ffmpeg reads it: no exponent, no zeros that say nothing."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _messages(stderr: str, folder: Path) -> list[str]:
    """Return ffmpeg's messages without the paths of this machine, and without the description of a file.

    That is indented, and holds whatever somebody wrote into the file's tags: it must not speak for ffmpeg.
    """
    lines = [
        line.rstrip() for line in stderr.replace(str(folder), "").splitlines() if line.strip() and not line.startswith(" ")
    ]
    return [re.sub(r"\[[^\]]* @ 0x[0-9a-f]+\] ", "", line) for line in lines]
