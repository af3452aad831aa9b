"""The sound renditions of a package: one for each sound of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import langcodes

from workers.encoding import sound
from workers.sound import loudness
from workers.streaming import boxes, segments
from workers.streaming.contents import Sound

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.media.probe import Media, Stream

SOUNDS_MAX = 8
MEASURED = 0.1
"""The share of progress for the first pass of the loudness."""


class Voice(NamedTuple):
    """A sound to encode."""

    name: str
    """The name of its files, without suffix."""
    stream: Stream
    label: str
    language: str
    loudness: dict[str, float] | None


def choose(params: TranscodingParams, source: Media) -> list[Stream]:
    """Return the sounds of the input, the default one first: all of them, unless the caller chose one or none."""
    main = source.track("audio")
    if params.sound_codec is None or main is None:
        return []
    if params.audio_track is not None:
        return [main]
    others = [one for one in source.all("audio") if not one.problem and one is not main]
    return [main, *others][:SOUNDS_MAX]


def prepare(work: Work, streams: list[Stream], opened: list[str], seconds: float) -> list[Voice]:
    """Name the sounds, and measure their loudness if it is to be changed. `opened`: the arguments that open the input."""
    params: TranscodingParams = work.params
    found: list[Voice] = []
    for number, stream in enumerate(streams, 1):
        sound.warn_of_mixed_channels(work, stream)
        language = langcodes.standardize_tag(stream.language) if stream.language else ""
        label = label_of(language) or f"Sound {number}"
        if stream.commentary:
            label += " (commentary)"
        if any(one.label == label for one in found):  # players list sounds by label
            label += f" {number}"
        measured = None
        if params.loudness is not None:
            measured = loudness.measure(work, opened, stream, params.loudness, seconds=seconds, share=MEASURED)
        found.append(Voice(f"sound-{number}", stream, label, language, measured))
    return found


def read(folder: Path, voice: Voice) -> Sound | None:
    """Read what was encoded; None if the sound has nothing in this part of the input."""
    track = boxes.read(folder / f"{voice.name}.mp4")
    if not track.fragments:
        return None
    parts = segments.group(track.fragments, nearest=True)
    return Sound(voice.name, track, parts, voice.label, voice.language)


def label_of(language: str) -> str:
    """Return the English name of a language, such as German for de; "" if it is unknown."""
    try:
        name = langcodes.get(language).display_name() if language else ""
    except (LookupError, ValueError):
        return ""
    return "" if name.startswith("Unknown") else name.replace('"', "")
