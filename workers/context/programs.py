"""The programs that a worker runs and their features: ffmpeg, inspected once at start.

The pinned build in the package imageio-ffmpeg is the tested default. `FFMPEG` overrides it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from chalicelib.errors import AttemptFailed, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = Logger(service="mediaq", child=True)
FLOOR = (9, 0)
"""The oldest release that passes all tests of the operations: 14 fail with 7.0.2, more with 5.1."""
VERSION = re.compile(r"ffmpeg version n?(\d+)\.(\d+)(?:\.\d+)?")
LISTED = re.compile(r"^ +[A-Z.|]{1,8} +([\w,-]+)", re.MULTILINE)
QUOTED = re.compile(r"'[^']*'")
FILTER = re.compile(r"(?:^|[,;\]])([a-z][a-z0-9_]*)")
LISTS = {"encoder": "-encoders", "filter": "-filters", "muxer": "-muxers"}
NEEDS: dict[str, dict[str, tuple[str, ...]]] = {
    "transcoding": {
        "encoder": (
            "libx264", "libx265", "libvpx-vp9", "libsvtav1", "aac", "libopus", "libmp3lame", "pcm_s16le", "gif", "png",
            "mov_text", "webvtt", "subrip", "mjpeg",
        ),
        "filter": (
            "scale", "setsar", "crop", "pad", "format", "fps", "bwdif", "setfield", "setparams", "zscale", "tonemap",
            "palettegen", "paletteuse", "pan", "channelmap", "aformat", "aresample", "loudnorm", "ass", "split", "trim",
            "atrim", "setpts", "asetpts", "tile", "concat", "select", "libvmaf", "xpsnr",
            "volumedetect", "volume", "showwaves", "color", "overlay",
        ),
        "muxer": ("mp4", "webm", "matroska", "mov", "mp3", "ipod", "ogg", "wav", "gif", "image2", "nut", "null"),
    },
    "thumbnail": {
        "encoder": ("mjpeg", "png", "libwebp", "pcm_s16le"),
        "filter": (
            "scale", "setsar", "crop", "pad", "format", "bwdif", "setparams", "zscale", "tonemap", "tile", "volumedetect",
            "volume", "aformat", "aresample", "showwavespic", "color", "overlay",
        ),
        "muxer": ("image2", "webp", "null"),
    },
    "analysis": {
        "encoder": ("rawvideo", "wrapped_avframe", "pcm_s16le", "subrip"),
        "filter": (
            "scale", "format", "blackdetect", "metadata", "scdet", "silencedetect", "ametadata", "ebur128",
        ),
        "muxer": ("null", "rawvideo", "srt"),
    },
    "caption_generation": {"encoder": ("pcm_s16le",), "filter": (), "muxer": ("wav",)},
    "upload": {
        "encoder": (), "filter": (),
        "muxer": (
            "mp4", "mov", "3gp", "ipod", "matroska", "webm", "avi", "mpeg", "mpegts", "flv", "asf", "mxf", "ogg", "wav",
            "mp3", "adts", "flac", "aiff", "amr", "null",
        ),
    },
    "download": {"encoder": (), "filter": (), "muxer": ("null",)},
}  # fmt: skip
"""Operation -> kind -> what it needs of ffmpeg. `tests/unit/runtime/test_programs.py` checks this table."""


@dataclass(frozen=True)
class Programs:
    """ffmpeg: its path, its version string, and its features by kind."""

    ffmpeg: str
    version: str
    has: dict[str, frozenset[str]]

    @property
    def missing(self) -> dict[str, list[str]]:
        """Operation -> missing features, such as `encoder libsvtav1`; without operations that lack nothing."""
        lacking = {
            operation: [f"{kind} {name}" for kind, names in needs.items() for name in names if name not in self.has[kind]]
            for operation, needs in NEEDS.items()
        }
        return {operation: names for operation, names in lacking.items() if names}

    def require(self, arguments: list[str]) -> None:
        """Check that ffmpeg has the features that `arguments` use.

        Raises:
            AttemptFailed: a feature is missing; a worker with another build may succeed.
        """
        for kind, name in asked_for(arguments):
            if name not in self.has[kind]:
                raise AttemptFailed(f"The ffmpeg of this worker ({self.version}) has no {kind} {name}, which this job needs")


def asked_for(arguments: list[str]) -> Iterable[tuple[str, str]]:
    """Yield the features that an ffmpeg command uses: kind and name."""
    for option, value in pairwise(arguments):
        if option.startswith("-c:") and value != "copy":
            yield "encoder", value
        elif option in ("-vf", "-af", "-filter_complex"):
            yield from (("filter", name) for name in FILTER.findall(QUOTED.sub("", value)))
        elif option == "-f" and arguments.index(option) >= arguments.index("-i"):  # before the input it is a demuxer
            yield "muxer", value


@cache
def find(configured: str = "") -> Programs:
    """Return the programs: the configured ffmpeg, else the one in imageio-ffmpeg.

    Raises:
        SettingsError: there is none, it does not run, or it is too old.
    """
    ffmpeg = shutil.which(configured) if configured else _pinned()
    if ffmpeg is None:
        raise SettingsError(f"FFMPEG must be the path of an ffmpeg executable, not {configured!r}")
    said = _ask(ffmpeg, "-version").partition("\n")[0]
    version = said.removeprefix("ffmpeg version ").partition(" ")[0]
    numbers = VERSION.match(said)
    if numbers and (int(numbers[1]), int(numbers[2])) < FLOOR:
        floor = ".".join(map(str, FLOOR))
        raise SettingsError(f"FFMPEG is version {version}; {floor} or later is needed. Without FFMPEG the pinned build is used")
    has = {
        kind: frozenset(name for names in LISTED.findall(_ask(ffmpeg, option)) for name in names.split(","))
        for kind, option in LISTS.items()
    }
    programs = Programs(ffmpeg, version, has)
    about = {"path": ffmpeg, "version": version, "pinned": not configured}
    if programs.missing:
        logger.warning("ffmpeg lacks what some operations need", extra={**about, "missing": programs.missing})
    else:
        logger.info("ffmpeg found", extra=about)
    return programs


def _pinned() -> str:
    try:
        import imageio_ffmpeg  # noqa: PLC0415 - an operator's own build can do without
    except ImportError as error:
        raise SettingsError("ffmpeg was not found: install the package imageio-ffmpeg, or set FFMPEG to a path") from error
    os.environ.pop("IMAGEIO_FFMPEG_EXE", None)  # the package's variable for another build
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _ask(ffmpeg: str, option: str) -> str:
    try:
        done = subprocess.run([ffmpeg, "-hide_banner", option], capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise SettingsError(f"FFMPEG does not run: {ffmpeg} {option}") from error
    return done.stdout
