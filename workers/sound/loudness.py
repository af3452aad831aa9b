"""EBU R128 loudness normalisation in two passes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from workers.media import ffmpeg

if TYPE_CHECKING:
    from workers.context.work import Work
    from workers.media.probe import Stream

FIELDS = {
    "input_i": ("measured_I", -99, 0),
    "input_tp": ("measured_TP", -99, 99),
    "input_lra": ("measured_LRA", 0, 99),
    "input_thresh": ("measured_thresh", -99, 0),
    "target_offset": ("offset", -99, 99),
}
"""Output of loudnorm's first pass -> the option of the second pass, and its values."""


def measure(
    work: Work, arguments: list[str], sound: Stream, target: float, *, seconds: float, share: float
) -> dict[str, float] | None:
    """Run the first pass on the input that `arguments` open; None for silence. It takes `share` of the progress."""
    measuring = ["-map", f"0:{sound.index}", "-vn", "-af", f"{_filter(target)}:print_format=json", "-f", "null", "-"]
    said = ffmpeg.run(work, [*arguments, *measuring], seconds=seconds, share=(0, share), loglevel="info").said
    found = {name: float(value) for name, value in re.findall(r'"(\w+)" : "(-?[0-9.]+|-?inf)"', said[said.rfind("{") :])}
    if not all(math.isfinite(found.get(name, math.inf)) for name in FIELDS):
        return None
    return {name: max(least, min(most, found[name])) for name, (_, least, most) in FIELDS.items()}


def filters(target: float, measured: dict[str, float]) -> list[str]:
    """Return the filters of the second pass. loudnorm outputs 192 kHz: resample to what every codec supports."""
    known = ":".join(f"{option}={ffmpeg.number(measured[name])}" for name, (option, _, _) in FIELDS.items())
    return [f"{_filter(target)}:{known}:linear=true", "aresample=48000"]


def _filter(target: float) -> str:
    return f"loudnorm=I={ffmpeg.number(target)}:TP=-1.5:LRA=11"
