"""Finds the constant rate factor that reaches a VMAF: samples of the film are encoded and measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.domain.params.streaming import CRF_MAX
from chalicelib.errors import MediaRejected
from workers.encoding import part, video
from workers.media import ffmpeg, probe
from workers.quality import measure

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.encoding.picture import Look
    from workers.media.probe import Media

PROBES_MAX = 6
SAMPLE_SHARE = 0.1
"""The largest part of the film that a probe encodes."""
CLIP_SECONDS, CLIPS_MAX = 2.0, 12
CLIP_LEAST = 0.2
"""The clip of a very short film, even if that is more than its share."""
SAMPLES_LOSE = 0.07
"""How much more than a whole film its samples lose, as a share of the loss: an encoder spends more on what many frames refer
to, and a clip has few. In a package every group of pictures is as short as a clip. Measured: `make bench NAME=quality`."""
CLOSE_ENOUGH = 0.25
"""A probe so near to the target ends the search."""
SLOPES = {"h264": -1.1, "h265": -1.1, "vp9": -0.6, "av1": -0.6}
"""VMAF for each step of the factor, until two probes are around the target."""
STEPS = {"h264": 0.1, "h265": 0.1, "vp9": 1, "av1": 1}
"""The steps of the encoders' factors."""
CRF_LEAST = 4
STEP_MAX = 10.0
"""How far beyond the nearest probe the next one may be."""


class Probe(NamedTuple):
    """One sample encode."""

    crf: float
    vmaf: float
    """The VMAF that it predicts for the film."""
    bitrate: int


class Found(NamedTuple):
    """The result of a search."""

    crf: float
    predicted: float
    """The VMAF that is expected."""
    probes: list[Probe]
    """In the order in which they were tried."""

    def describe(self, target: float) -> dict[str, Any]:
        """Return it as `result` has it, without what was reached."""
        tried = [{"crf": one.crf, "vmaf": one.vmaf, "bitrate": one.bitrate} for one in self.probes]
        return {"target": target, "crf": self.crf, "predicted": self.predicted, "probes": tried}


class Samples(NamedTuple):
    """Samples of the film, lossless, in the size of the output."""

    file: Path
    width: int
    height: int
    seconds: float
    fps: float

    @property
    def reference(self) -> measure.Reference:
        """The samples, to be compared with."""
        return measure.Reference(ffmpeg.input_arguments(self.file), 0, [])


def clips(seconds: float) -> tuple[int, float]:
    """Return how many clips are taken from a film of `seconds`, and how long each is: together at most SAMPLE_SHARE."""
    total = seconds * SAMPLE_SHARE
    count = max(1, min(CLIPS_MAX, int(total / CLIP_SECONDS)))
    return count, max(min(total / count, CLIP_SECONDS * 1.5), min(seconds, CLIP_LEAST))


def take_samples(work: Work, source: Media, file: Path, look: Look, size: list[str], seconds: float, fps: float) -> Samples:
    """Write clips that are spread over the film into one file, as they reach the encoder. `size`: the filters of the size.

    Raises:
        MediaRejected: the input does not say how long it is.
    """
    params: TranscodingParams = work.params
    if seconds <= 0:
        raise MediaRejected("params.target_vmaf needs an input that says how long it is")
    target = work.folder / "samples.mkv"
    count, length = clips(seconds)
    steps = ",".join([*look.filters, *size, f"format={video.PIXELS}"])
    starts = [seconds * (number + 0.5) / count - length / 2 for number in range(count)]
    if part.is_cut_late(source):  # no seeking: the film is read from the start
        wanted = "+".join(f"between(t,{_s(params.start + at)},{_s(params.start + at + length)})" for at in starts)
        opened = ffmpeg.input_arguments(file)
        graph = f"[0:{look.stream}]select='{wanted}',setpts=N/{_s(fps)}/TB,{steps}[samples]"
    else:
        opened = []
        for at in starts:
            opened += ["-ss", _s(params.start + at), "-t", _s(length), *ffmpeg.input_arguments(file)]
        every = "".join(f"[{number}:{look.stream}]" for number in range(count))
        graph = f"{every}concat=n={count}:v=1,{steps}[samples]"
    lossless = ["-c:v", "libx264", "-qp", "0", "-preset", "ultrafast"]
    command = [*opened, "-filter_complex", graph, "-map", "[samples]", *lossless, "-an", "-f", "matroska", f"file:{target}"]
    ffmpeg.run(work, command, counts=False, share=(0, 0))
    made = probe.probe(target, check=work.check)
    shown = made.track("video")
    assert shown is not None
    return Samples(target, shown.width, shown.height, made.duration, shown.fps or fps)


def find(
    work: Work, samples: Samples, codec: str, target: float, *, lose: float = SAMPLES_LOSE, keep: Path | None = None
) -> Found:
    """Encode the samples until their VMAF is near the target.

    `lose`: how much more than the film they lose. `keep`: where the encode nearest to the target is left.
    """
    params: TranscodingParams = work.params
    step, most = STEPS[codec], CRF_MAX[codec]
    made = work.folder / "probe.mkv"
    probes: list[Probe] = []
    crf = float(video.CRF[codec])
    while len(probes) < PROBES_MAX and crf not in [one.crf for one in probes]:
        probe = _try(work, samples, made, codec, crf, params.preset, lose)
        if keep is not None and all(abs(probe.vmaf - target) <= abs(one.vmaf - target) for one in probes):
            made.replace(keep)
        probes.append(probe)
        work.progress(len(probes) / PROBES_MAX)
        if abs(probe.vmaf - target) <= CLOSE_ENOUGH:
            break
        crf = rounded(next_factor(probes, target, SLOPES[codec]), step, most)
        above, below = _around(probes, target)
        if above and below and crf in (above.crf, below.crf):  # the nearest step was tried; there may be one between
            crf = rounded((above.crf + below.crf) / 2, step, most)
    made.unlink(missing_ok=True)
    crf, predicted = expected(probes, target, SLOPES[codec])
    return Found(rounded(crf, step, most), round(predicted, 2), probes)


def _try(work: Work, samples: Samples, made: Path, codec: str, crf: float, preset: str, lose: float) -> Probe:
    """Encode the samples once; return the VMAF that it predicts."""
    encoder = video.arguments(codec, preset, video.Quality(crf))
    if work.team is not None:  # the next attempt uses the finished parts only if it finds the same factor
        encoder += video.fixed_threads(codec)
    command = [*ffmpeg.input_arguments(samples.file), *encoder, "-an", "-f", "matroska", f"file:{made}"]
    ffmpeg.run(work, command, counts=False, share=(0, 0))
    screen = min(samples.width, samples.height)
    score = measure.compare(
        work,
        samples.reference,
        made,
        screen,
        fps=samples.fps,
        seconds=samples.seconds,
        full=True,
        share=(0, 0),
    )
    vmaf = score.mean + lose * (100 - score.mean)
    return Probe(crf, round(vmaf, 3), round(8 * made.stat().st_size / samples.seconds))


def rounded(crf: float, step: float, most: int) -> float:
    """Return a factor that the encoder knows."""
    return round(min(most, max(CRF_LEAST, round(crf / step) * step)), 1)


def next_factor(probes: list[Probe], target: float, slope: float) -> float:
    """Return the factor to try next: between the probes around the target, or beyond the nearest one.

    Two probes in a row on the same side of the target mean that the curve bends: then it is the middle.
    """
    above, below = _around(probes, target)
    if above is None or below is None:
        nearest, *others = sorted(probes, key=lambda one: abs(one.vmaf - target))
        if others and nearest.crf != others[0].crf:  # gentler than usual, then
            slope = max(slope, min(slope / 20, (nearest.vmaf - others[0].vmaf) / (nearest.crf - others[0].crf)))
        step = (target - nearest.vmaf) / slope
        return nearest.crf + max(-STEP_MAX, min(STEP_MAX, step))
    bends = len(probes) > 2 and (probes[-1].vmaf >= target) == (probes[-2].vmaf >= target)  # noqa: PLR2004 - the last two
    return (above.crf + below.crf) / 2 if bends else _between(above, below, target)


def expected(probes: list[Probe], target: float, slope: float) -> tuple[float, float]:
    """Return the factor at which the probes expect the target, and the VMAF that they expect there."""
    above, below = _around(probes, target)
    if above is not None and below is not None:
        return _between(above, below, target), target
    nearest = min(probes, key=lambda one: abs(one.vmaf - target))
    close = abs(nearest.vmaf - target) <= CLOSE_ENOUGH
    return (nearest.crf + (target - nearest.vmaf) / slope, target) if close else (nearest.crf, nearest.vmaf)


def _around(probes: list[Probe], target: float) -> tuple[Probe | None, Probe | None]:
    """Return the nearest probes above and below the target."""
    above = min((one for one in probes if one.vmaf >= target), key=lambda one: one.vmaf, default=None)
    below = max((one for one in probes if one.vmaf < target), key=lambda one: one.vmaf, default=None)
    return above, below


def _between(above: Probe, below: Probe, target: float) -> float:
    """Interpolate between two probes, on a scale on which the curve is nearly straight: VMAF flattens towards its ends."""
    high, low, wanted = (math.log((100.5 - vmaf) / (vmaf + 0.5)) for vmaf in (above.vmaf, below.vmaf, target))
    share = (wanted - high) / (low - high)
    return above.crf + share * (below.crf - above.crf)


def _s(seconds: float) -> str:
    return ffmpeg.number(max(0.0, seconds))
