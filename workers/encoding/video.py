"""Encoders of the picture: codec, speed and quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

from chalicelib.domain.params.common import bits_per_second
from chalicelib.domain.params.transcoding import Preset

if TYPE_CHECKING:
    from chalicelib.domain.params.transcoding import TranscodingParams

ENCODERS = {"h264": "libx264", "h265": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1"}
CRF = {"h264": 23, "h265": 26, "vp9": 32, "av1": 32}
# The presets have the names of x264; other encoders get the value at the same position of their scale, fastest first.
PRESETS = get_args(Preset)
VP9_SPEED = (8, 7, 6, 5, 5, 4, 3, 2, 1)
AV1_PRESET = (12, 11, 10, 9, 8, 8, 6, 5, 4)
PIXELS = "yuv420p"
KEYFRAMES_APART_MAX = 600
"""Frames. In a package, every keyframe is forced, so the encoder adds none of its own before."""


class Quality(NamedTuple):
    """How well the picture is encoded: a constant rate factor, or a bit rate (bit/s)."""

    crf: float | None = None
    bitrate: int | None = None
    ceiling: int | None = None
    """The highest bit rate of a constant rate factor."""


THREADS = {"h264": ["-threads", "4"], "vp9": ["-threads", "4"], "av1": ["-svtav1-params", "lp=4"]}
X265_THREADS = "pools=4:frame-threads=2"
"""The output depends on the number of threads. Where it must be the same on all workers, so is this number."""


def wanted(params: TranscodingParams, codec: str) -> Quality:
    """Return the quality that the parameters name, else the default of the codec."""
    if params.bitrate is not None:
        return Quality(bitrate=bits_per_second(params.bitrate))
    return Quality(CRF[codec] if params.crf is None else params.crf)


def arguments(codec: str, preset: str, quality: Quality) -> list[str]:
    """Return the arguments of an encoder."""
    return ["-pix_fmt", PIXELS, "-c:v", ENCODERS[codec], *_speed(codec, preset), *_rate(codec, quality)]


def forced_keyframes(codec: str, seconds: float) -> list[str]:
    """Return the arguments for closed groups of pictures that start at the first frame of every `seconds`, and only there."""
    # not n_forced: after a gap in the film, it would lag and force one frame after the other
    now, last = (f"floor({at}/{seconds:g}+0.001)" for at in ("t", "prev_forced_t"))
    every = ["-force_key_frames", f"expr:if(isnan(prev_forced_t),1,gt({now},{last}))", "-g", str(KEYFRAMES_APART_MAX)]
    if codec == "h264":
        return [*every, "-forced-idr", "1", "-sc_threshold", "0"]
    if codec == "h265":
        return [*every, "-forced-idr", "1", "-x265-params", "scenecut=0:open-gop=0:log-level=error"]
    return every


def _speed(codec: str, preset: str) -> list[str]:
    rank = PRESETS.index(preset)
    if codec == "vp9":
        return ["-deadline", "good", "-cpu-used", str(VP9_SPEED[rank]), "-row-mt", "1"]
    return ["-preset", str(AV1_PRESET[rank]) if codec == "av1" else preset]


def _rate(codec: str, quality: Quality) -> list[str]:
    if quality.bitrate is not None:
        rate = quality.bitrate
        peak = [] if codec == "av1" else ["-maxrate", str(rate * 3 // 2), "-bufsize", str(rate * 2)]
        return ["-b:v", str(rate), *peak]
    crf = ["-crf", f"{quality.crf:g}", *(["-b:v", "0"] if codec == "vp9" else [])]
    if quality.ceiling is None:
        return crf
    return [*crf, "-maxrate", str(quality.ceiling), "-bufsize", str(quality.ceiling * 2)]


def fixed_threads(codec: str) -> list[str]:
    """Return the arguments with which the output of an encoder does not depend on the machine."""
    return ["-x265-params", f"log-level=error:{X265_THREADS}"] if codec == "h265" else THREADS[codec]
