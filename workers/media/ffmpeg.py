"""Runs ffmpeg in the sandbox and reads its progress."""

from __future__ import annotations

import errno
import re
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import AttemptFailed, LambdaExceeded, MediaRejected
from workers.media.formats import FORMATS, PIXELS_MAX, PROTOCOLS
from workers.sandbox import lambda_limits, sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from workers.context.work import Work

# Messages of ffmpeg that mean a fault of the machine or the build (fftools, libavutil/error.c). Every other error is caused by
# the input: the arguments are ours, and another attempt would fail the same way.
MACHINE_AT_FAULT = re.compile(
    r"Unknown encoder|Encoder not found|No such filter|Unrecognized option|Option not found|Permission denied"
    r"|Read-only file system|Input/output error|Resource temporarily unavailable|Device or resource busy|Too many open files"
)
NO_MEMORY = re.compile(r"Cannot allocate memory|malloc of size \d+ failed")
DECODE_ERROR = re.compile(r"\[dec:[^\]]*\] \[error\] (?:Decoding error|Error submitting packet)|corrupt decoded frame")
PARTIAL_FILE = re.compile(r"^\[in#[^\]]*\] \[error\] stream \d+, offset 0x[0-9a-f]+: partial file$")
KILLED = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
TOO_MUCH = (-signal.SIGXFSZ, -signal.SIGXCPU)


def input_arguments(file: Path, formats: str = FORMATS) -> list[str]:
    """Return the arguments that open `file` and nothing else: only the file protocol, no playlist formats.

    They also limit the size of pictures, because ffmpeg may decode a frame of an unused stream.
    `formats`: the demuxers that may read it.
    """
    return [
        "-max_pixels",
        str(PIXELS_MAX),
        "-protocol_whitelist",
        PROTOCOLS,
        "-format_whitelist",
        formats,
        "-i",
        f"file:{file}",
    ]


class CommandResult(NamedTuple):
    """The result of a run: the end of its stderr, and the last time in the output, in s."""

    said: str
    reached: float


def run(
    work: Work,
    arguments: list[str],
    *,
    seconds: float = 0,
    share: tuple[float, float] = (0.0, 1.0),
    loglevel: str = "warning",
    limits: sandbox.Limits | None = None,
    counts: bool = True,
) -> CommandResult:
    """Run ffmpeg with `arguments`.

    For an output of `seconds`, report progress from `share[0]` to `share[1]`. `counts`: decode errors are warnings of the
    input, and not effects of a seek.

    Raises:
        MediaRejected: ffmpeg reports a fault of the input.
        AttemptFailed: any other error.
    """
    shown, reached, errors = share[0], 0.0, 0

    def read(line: str) -> None:
        nonlocal shown, reached
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.lstrip("-").isdigit():
            reached = max(reached, int(value) / 1e6)
            if seconds > 0:
                shown = max(shown, share[0] + (share[1] - share[0]) * min(1.0, reached / seconds))
                work.progress(shown)

    def read_error(line: str) -> None:
        nonlocal errors
        errors += DECODE_ERROR.search(line) is not None
        if PARTIAL_FILE.search(line):
            work.warnings.note_partial_file()

    work.tools.programs.require(arguments)
    levels = ["-loglevel", f"repeat+level+{loglevel}"]
    command = [work.tools.ffmpeg, "-nostdin", "-hide_banner", *levels, "-progress", "pipe:1", "-nostats", "-y", *arguments]
    limits = limits or sandbox.Limits()
    limits = replace(limits, seconds=min(limits.seconds, work.seconds_left))
    finished = sandbox.run(command, folder=work.folder, limits=limits, on_line=read, on_error_line=read_error, check=work.check)
    if finished.code != 0:
        raise _failure(finished, work)
    if counts:
        work.warnings.note_decode_errors(errors)
    return CommandResult(finished.stderr, reached)


def _failure(finished: sandbox.Finished, work: Work) -> Exception:
    """Return the error: of the input, for which a retry cannot succeed, or of the machine."""
    lines = _messages(finished.stderr, work.folder.parent)
    text, said = "\n".join(lines), lines[-1][:300] if lines else "it said nothing"
    if "No space left on device" in text:
        return OSError(errno.ENOSPC, "No space left in the work folder")
    if finished.code in KILLED:
        return AttemptFailed("ffmpeg was killed")
    if NO_MEMORY.search(text) and lambda_limits.on_lambda():
        return LambdaExceeded("The job needs more memory than this Lambda has")
    if finished.code in TOO_MUCH or NO_MEMORY.search(text):
        return MediaRejected("The input needs more memory, time or disk to process than a job may have")
    if MACHINE_AT_FAULT.search(text):
        return AttemptFailed(f"ffmpeg ended with code {finished.code}: {said}")
    return MediaRejected(f"The input could not be processed: {said}")


def number(value: float) -> str:
    """Format a number for ffmpeg: no exponent, no trailing zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _messages(stderr: str, folder: Path) -> list[str]:
    """Return the errors of ffmpeg, without paths of this machine and without the description of a file.

    The description is indented and contains the tags of the file: untrusted text that could look like an error.
    """
    lines = [re.sub(r"\[[^\]]* @ 0x[0-9a-f]+\] ", "", line).rstrip() for line in stderr.replace(str(folder), "").splitlines()]
    return [line.partition("] ")[2] for line in lines if line.startswith(("[error] ", "[fatal] ", "[panic] "))]
