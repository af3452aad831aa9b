"""`analysis`: measurements of a file, in `result`. It makes no file.

One pass decodes audio and a small picture through filters of ffmpeg: EBU R128 loudness, silence, black, scene changes. Colours
come from a few frames, terms from the taxonomy.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.errors import AttemptFailed, MediaRejected
from workers.context.work import Done
from workers.media import ffmpeg, interlacing, probe, stills, summary, tracks
from workers.media import frame_survey as surveys
from workers.sandbox import sandbox

if TYPE_CHECKING:
    from chalicelib.domain.params.analysis import AnalysisParams
    from workers.context.work import Work
    from workers.media.frame_survey import Survey
    from workers.media.probe import Media, Stream

LOOK = "320:180"
"""Black and scene detection do not need the proportions."""
SPANS_MAX = 1000
"""The limit of each list in `result`."""
SCENES, BLACK, SILENCE = "scenes.txt", "black.txt", "silence.txt"
LIMITS = sandbox.Limits(data_bytes=2 * sandbox.GIB, file_bytes=64 << 20)
COLOUR_FRAMES, COLOUR_SIDE, COLOURS = 8, 32, 5
LEVEL = 32
"""Colours with smaller differences in red, green and blue are merged."""
SUBTITLE_LIMITS = sandbox.Limits(seconds=20, file_bytes=2 << 20)
MEASURED = 0.9
"""The share of progress for decoding."""
MARKUP = re.compile(r"<[^<>\n]{0,200}>|\{[^{}\n]{0,200}\}|^\d+$|^[\d:,. ]+-->.*$", re.MULTILINE)


def run(work: Work) -> Done:
    """Run the operation."""
    original = tracks.open_input(work, "video", "audio")
    result: dict[str, Any] = summary.describe(original) | {"type": original.kind.mime, "tags": original.tags}
    source, file = tracks.rendered(work, original)
    work = replace(work, input=file)
    picture, sound = source.track("video"), source.track("audio")
    if picture is None and sound is None:
        raise MediaRejected(f"{source.without('video')}. {source.without('audio')}")
    found = surveys.survey(work.input, picture.index if picture else None, check=work.check)
    started = time.monotonic()
    result |= tracks.taken(source, "video", "audio")
    said, duration = _measure(work, source)
    work.warnings.check_length(source.promised([one for one in (picture, sound) if one is not None]), duration)
    if picture is not None:
        result["video"] = _video(work, source, picture, found, duration)
    if sound is not None:
        result["audio"] = {"loudness": _loudness(said), "silent": _spans(work.folder / SILENCE, "silence", duration)}
    result["terms"] = _terms(work, source, found)
    work.progress(1)
    return Done([], result | {"seconds": round(time.monotonic() - started, 3)})


def _measure(work: Work, source: Media) -> tuple[str, float]:
    """Decode everything once; return the output of ffmpeg and the decoded duration, in s."""
    params: AnalysisParams = work.params
    number = ffmpeg.number
    command = [*ffmpeg.input_arguments(work.input), "-t", number(probe.DURATION_MAX_SECONDS), "-sn", "-dn"]
    film, sound = None if source.still else source.track("video"), source.track("audio")
    if film is not None:
        command += ["-map", f"0:{film.index}", "-vf", ",".join([
            f"scale={LOOK}:flags=fast_bilinear", "format=yuv420p",
            f"blackdetect=d={number(params.black_seconds)}",
            f"metadata=print:key=lavfi.black_start:file={BLACK}.start", f"metadata=print:key=lavfi.black_end:file={BLACK}.end",
            f"scdet=threshold={number(params.scene_threshold)}", f"metadata=print:key=lavfi.scd.time:file={SCENES}",
        ])]  # fmt: skip
    if sound is not None:
        quiet = f"silencedetect=noise={number(params.silence_below)}dB:d={number(params.silence_seconds)}"
        command += ["-map", f"0:{sound.index}", "-af", ",".join([
            quiet, f"ametadata=print:key=lavfi.silence_start:file={SILENCE}.start",
            f"ametadata=print:key=lavfi.silence_end:file={SILENCE}.end", "ebur128=peak=true:framelog=quiet",
        ])]  # fmt: skip
    elif film is None:
        return "", source.duration
    command += ["-f", "null", "-"]
    ran = ffmpeg.run(work, command, seconds=source.duration, share=(0, MEASURED), loglevel="info", limits=LIMITS)
    return ran.said, ran.reached


def _video(work: Work, source: Media, picture: Stream, found: Survey, duration: float) -> dict[str, Any]:
    fields = interlacing.detect(work.input, source, picture, check=work.check)
    turned = found.rotation % 180 == 90  # noqa: PLR2004 - degrees
    return {
        "width": picture.height if turned else picture.width,
        "height": picture.width if turned else picture.height,
        "rotation": found.rotation,
        "fps": picture.fps,
        "frame_rate_mode": found.frame_rate_mode or None,
        "interlaced": fields != "progressive",
        "field_order": fields,
        "orientation": source.orientation,
        "pixel_format": picture.pixel_format,
        "bit_depth": found.bit_depth or None,
        "hdr": picture.hdr or None,
        "color": {name: getattr(found, name) or None for name in ("primaries", "transfer", "matrix", "range")},
        "black": _spans(work.folder / BLACK, "black", duration),
        "scene_changes": _numbers(work.folder / SCENES, "scd.time"),
        "dominant_colors": _colours(work, source, picture),
    }


def _loudness(said: str) -> dict[str, float | None]:
    """Parse the summary of ebur128: LUFS, LU, dBFS. None: silence."""
    summary_text = said[said.rfind("Summary:") :]

    def read(name: str, unit: str) -> float | None:
        match = re.search(rf"{name}:\s+(-?[0-9.]+) {unit}", summary_text)
        return float(match[1]) if match else None

    integrated = read("I", "LUFS")
    silent = integrated is None or integrated <= -70  # noqa: PLR2004 - the absolute gate of EBU R128
    return {
        "integrated": None if silent else integrated,
        "range": None if silent else read("LRA", "LU"),
        "true_peak": read("Peak", "dBFS"),
    }


def _spans(file: Path, name: str, duration: float) -> list[dict[str, float]]:
    """Pair starts and ends. A span until the end of the file has no end."""
    starts = _numbers(file.with_name(f"{file.name}.start"), f"{name}_start")
    ends = _numbers(file.with_name(f"{file.name}.end"), f"{name}_end")
    ends += [duration] * (len(starts) - len(ends))
    return [{"start": start, "end": end} for start, end in zip(starts, ends, strict=False)]


def _numbers(file: Path, key: str) -> list[float]:
    if not file.exists():
        return []
    with file.open(errors="replace") as lines:
        found = [float(match[1]) for line in lines if (match := re.match(rf"lavfi\.{re.escape(key)}=(-?[0-9.]+)$", line))]
    return sorted(set(found))[:SPANS_MAX]


def _colours(work: Work, source: Media, picture: Stream) -> list[dict[str, Any]]:
    """Return the most frequent colours of frames across the film, as #rrggbb with their share."""
    count = 1 if source.still or not source.duration else COLOUR_FRAMES
    raw = work.folder / "colours.rgb"
    bins: Counter[tuple[int, int, int]] = Counter()
    for number in range(count):
        moment = stills.last_moment(source, picture) * (number + 0.5) / count if count > 1 else 0
        shrink = ["-vf", f"scale={COLOUR_SIDE}:{COLOUR_SIDE}", "-pix_fmt", "rgb24", "-f", "rawvideo", f"file:{raw}"]
        with suppress(MediaRejected):  # a damaged place does not affect the others
            stills.take(work, picture, moment, shrink)
        data = raw.read_bytes() if raw.exists() else b""
        raw.unlink(missing_ok=True)
        bins.update((r // LEVEL, g // LEVEL, b // LEVEL) for r, g, b in zip(data[::3], data[1::3], data[2::3], strict=False))
    total = sum(bins.values())
    return [
        {"color": "#" + "".join(f"{level * LEVEL + LEVEL // 2:02x}" for level in key), "share": round(pixels / total, 3)}
        for key, pixels in bins.most_common(COLOURS)
    ]


def _terms(work: Work, source: Media, found: Survey) -> list[dict[str, Any]]:
    spoken = work.params.transcript or _subtitles(work, found)
    texts = {
        "title": source.tags.get("title", ""),
        "tags": "\n".join(text for name, text in source.tags.items() if name != "title"),
        "file_name": Path(work.source.name).stem,
        "transcript": " ".join(spoken.split()),
    }
    return work.tools.term_matcher().find({name: text for name, text in texts.items() if text})


def _subtitles(work: Work, found: Survey) -> str:
    """Return the text of the first text subtitles; "" if there are none."""
    if found.subtitles is None:
        return ""
    target = work.folder / "subtitles.srt"
    take = [*ffmpeg.input_arguments(work.input), "-map", f"0:s:{found.subtitles}", "-f", "srt", f"file:{target}"]
    try:
        ffmpeg.run(work, take, limits=SUBTITLE_LIMITS)
    except (MediaRejected, AttemptFailed):
        return ""  # unreadable subtitles do not fail the analysis
    return MARKUP.sub(" ", target.read_text(errors="replace"))
