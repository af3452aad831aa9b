"""Compares pictures with those that they were encoded from: VMAF, SSIM and XPSNR."""

from __future__ import annotations

import csv
import math
import os
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.errors import AttemptFailed, MediaRejected
from workers.media import ffmpeg

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from workers.context.work import Work

MODEL, MODEL_4K = "vmaf_v0.6.1", "vmaf_4k_v0.6.1"
"""Models that are compiled into libvmaf: for a 1080p screen and for a 4K screen."""
HEIGHT_4K = 2000
"""The shorter side from which the model for a 4K screen is used."""
SIDE_LEAST = 32
"""Smaller pictures crash libvmaf."""
EVERY, FRAMES_MAX = 5, 4000
"""Which frames a sample looks at: every fifth, and fewer of a long film."""
POINTS_MAX = 100
"""The points of the curve over time."""
DECIBEL = r"(\d+(?:\.\d+)?|inf)"
XPSNR = re.compile(rf"^\[Parsed_xpsnr_\d+ @ [^\]]*\] \[info\] XPSNR +y: {DECIBEL} +u: {DECIBEL} +v: {DECIBEL}", re.MULTILINE)
"""The line of the filter. Tags of the file are printed too, and can look like it but for its start."""
LOG = "vmaf.csv"


class Score(NamedTuple):
    """The quality of a film."""

    model: str
    mean: float
    harmonic_mean: float
    lowest: float
    ssim: float
    xpsnr: tuple[float | None, ...]
    """dB of luma and both colours; None: identical."""
    frames: int
    """How many were looked at."""
    every: int
    """Which ones: every n-th."""
    seconds: float
    """The time that it took."""
    curve: list[tuple[float, float]]
    """Time (s), and the lowest VMAF around it."""


class Reference(NamedTuple):
    """What a film was encoded from."""

    opened: list[str]
    """ffmpeg's arguments that open it."""
    stream: int
    filters: list[str]
    """The filters before the encoder."""


def compare(
    work: Work,
    reference: Reference,
    made: Path,
    height: int,
    *,
    fps: float,
    seconds: float,
    full: bool = False,
    share: tuple[float, float] = (0.0, 1.0),
    scaled: list[str] | None = None,
) -> Score:
    """Compare a film with its reference. `height`: the shorter side that it is looked at; `scaled`: filters for that size.

    Raises:
        MediaRejected: the picture is too small.
    """
    if height < SIDE_LEAST:
        raise MediaRejected(
            f"The quality of a picture with a side of {height} pixels cannot be measured; {SIDE_LEAST} are needed"
        )
    started = time.monotonic()
    every = 1 if full else max(EVERY, math.ceil(fps * seconds / FRAMES_MAX))
    model = MODEL_4K if height >= HEIGHT_4K else MODEL
    log = work.folder / LOG
    log.unlink(missing_ok=True)
    options = f"n_threads={os.cpu_count() or 1}:n_subsample={every}:log_fmt=csv:log_path={LOG}"
    pairing = "ts_sync_mode=nearest:shortest=1"
    zero = "setpts=PTS-STARTPTS"
    ours = ",".join([*(scaled or []), zero])
    theirs = ",".join([*reference.filters, "format=yuv420p", zero])
    graph = (
        f"[0:v]{ours},split=2[a1][a2];[1:{reference.stream}]{theirs},split=2[b1][b2];"
        f"[a1][b1]libvmaf=model='version={model}':feature='name=float_ssim':{options}:{pairing}[vmaf];"
        f"[a2][b2]xpsnr={pairing}[xpsnr]"
    )
    outputs = ["-map", "[vmaf]", "-f", "null", "-", "-map", "[xpsnr]", "-f", "null", "-"]
    command = [*ffmpeg.input_arguments(made), *reference.opened, "-filter_complex", graph, *outputs]
    said = ffmpeg.run(work, command, seconds=seconds, share=share, loglevel="info", counts=False).said
    found = XPSNR.findall(said)
    if not found or not log.exists():
        raise AttemptFailed("The quality could not be measured: ffmpeg wrote no figures")
    with log.open(newline="") as rows:
        score = _read(csv.DictReader(rows), fps, seconds / POINTS_MAX)
    log.unlink()
    xpsnr = tuple(float(one) if math.isfinite(float(one)) else None for one in found[-1])
    return score._replace(model=model, xpsnr=xpsnr, every=every, seconds=round(time.monotonic() - started, 3))


def describe(score: Score) -> dict[str, Any]:
    """Return a score as `result.quality` has it."""
    return {
        "model": score.model,
        "vmaf": {"mean": score.mean, "harmonic_mean": score.harmonic_mean, "lowest": score.lowest},
        "ssim": score.ssim,
        "xpsnr": dict(zip(("y", "u", "v"), score.xpsnr, strict=True)),
        "frames": score.frames,
        "every": score.every,
        "seconds": score.seconds,
        "curve": score.curve,
    }


def _read(rows: Iterable[dict[str, str]], fps: float, each: float) -> Score:
    """Read libvmaf's log row by row: a film of hours has many. `each`: the seconds that a point of the curve stands for."""
    count, total, inverse, ssim, lowest = 0, 0.0, 0.0, 0.0, 100.0
    curve: dict[int, float] = {}
    for row in rows:
        vmaf = float(row["vmaf"])
        count, total, ssim = count + 1, total + vmaf, ssim + float(row["float_ssim"])
        inverse, lowest = inverse + 1 / (vmaf + 1), min(lowest, vmaf)
        place = int(float(row["Frame"]) / fps / each) if fps and each else 0
        curve[min(place, POINTS_MAX)] = min(vmaf, curve.get(place, 100.0))
    if not count:
        raise AttemptFailed("The quality could not be measured: no frame was compared")
    harmonic = count / inverse - 1  # as libvmaf pools it
    points = [(round(place * each, 2), round(value, 2)) for place, value in curve.items()]
    mean = total / count
    return Score("", round(mean, 3), round(harmonic, 3), round(lowest, 3), round(ssim / count, 5), (), count, 1, 0.0, points)
