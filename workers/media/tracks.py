"""Opens the input of a job: probes it, chooses streams, and warns of ignored ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import langcodes
import msgspec

from chalicelib.errors import AttemptFailed, MediaRejected
from workers.media import images, probe
from workers.media.ffmpeg import input_arguments
from workers.sandbox import sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.estimates.shape import Facts
    from workers.context.work import Work
    from workers.media.probe import Media, Stream

FOURCC = re.compile(r"Stream #0:(\d+)[^:]*: (?:Audio|Video): \w+ \(([\w.\- ]{4}) / 0x")
FOURCC_LIMITS = sandbox.Limits(seconds=20, memory_bytes=2 * sandbox.GIB, data_bytes=sandbox.GIB // 4, file_bytes=0)
PARAMETERS = {"video": "video_track", "audio": "audio_track"}


def open_input(work: Work, *kinds: str) -> Media:
    """Probe the input and choose its streams of `kinds`; ignored streams become warnings.

    Raises:
        MediaRejected: it is not media, has no usable stream, or `audio_track` or `video_track` names no stream.
    """
    media = probe.probe(work.input, check=work.check, decode=True)
    if any(one.codec == probe.UNKNOWN for one in media.streams):
        _name_unknown_codecs(work, media)
    probe.require_usable(media)
    _note(work.facts, media)
    for stream in media.streams:
        if stream.problem:
            number, word = media.number(stream), probe.WORDS[stream.kind]
            work.warnings.warn("stream_ignored", f"The {word} stream {number} ({stream.codec}) {stream.problem}")
    if media.cut:
        work.warnings.note_partial_file()
    for kind in kinds:
        wanted = getattr(work.params, PARAMETERS[kind], None)
        if wanted is not None:
            media.chosen = {**media.chosen, kind: _named(media, kind, wanted).index}
    return media


def _note(facts: Facts, media: Media) -> None:
    """Note what the duration of the job depends on."""
    picture = media.track("video")
    facts.duration = 0.0 if media.still else round(media.duration, 3)
    if picture is not None:
        facts.width, facts.height, facts.fps = picture.width, picture.height, round(picture.fps, 3)


def open_picture(work: Work, *kinds: str) -> tuple[Media, Path]:
    """Like `open_input`, and also return the file to read the picture from.

    It differs for images that ffmpeg does not read correctly; see `images.py`.
    """
    return rendered(work, open_input(work, *kinds))


def rendered(work: Work, media: Media) -> tuple[Media, Path]:
    """Return an opened input and the file to read the picture from."""
    if media.container not in images.RENDERED:
        return media, work.input
    file = images.render(work.input, work.folder, moving=not media.still, check=work.check)
    shown = probe.probe(file, check=work.check)
    return msgspec.structs.replace(media, streams=shown.streams, duration=shown.duration if media.duration else 0), file


def taken(media: Media, *kinds: str) -> dict[str, int | None]:
    """Return the chosen streams for `result`: `video_track`, `audio_track`."""
    found = {}
    for kind in kinds:
        stream = media.track(kind)
        found[PARAMETERS[kind]] = media.number(stream) if stream else None
    return found


def _named(media: Media, kind: str, wanted: int | str) -> Stream:
    """Return the stream that the caller chose, by number or language."""
    streams = media.all(kind)
    if isinstance(wanted, str):
        found = [one for one in streams if one.language and _same_language(one.language, wanted)]
        usable = [one for one in found if not one.problem] or found
        stream = min(usable, key=probe.rank, default=None)
    else:
        stream = streams[wanted] if wanted < len(streams) else None
    if stream is None or stream.problem or stream.attached:
        listed = "; ".join(_line(media, one) for one in streams) or "none"
        raise MediaRejected(
            f"params.{PARAMETERS[kind]} must name a {probe.WORDS[kind]} stream of the input. It has: {listed}"[:480]
        )
    return stream


def alpha3(tag: str, *, quicktime: bool = False) -> str:
    """Return the three letters of a language for the tag of a stream; `und` if it is unknown.

    `quicktime`: as the table of QuickTime has it: `ger` and `dut`, but `fra`.
    """
    try:
        code = langcodes.get(tag).to_alpha3(variant="B" if quicktime else "T") if tag else "und"
    except (LookupError, ValueError):  # unknown, or no tag at all
        return "und"
    return "fra" if code == "fre" else code


def _same_language(found: str, wanted: str) -> bool:
    return langcodes.standardize_tag(found).partition("-")[0] == langcodes.standardize_tag(wanted).partition("-")[0]


def _line(media: Media, stream: Stream) -> str:
    """Describe a stream in a few words."""
    size = f"{stream.width}x{stream.height}" if stream.kind == "video" else stream.layout or f"{stream.channels} channels"
    flags = [name for name in ("default", "commentary") if getattr(stream, name)] + (["a cover"] if stream.attached else [])
    about = [stream.codec, size, stream.language, *flags, stream.problem]
    return f"{media.number(stream)} ({', '.join(word for word in about if word)})"


def _name_unknown_codecs(work: Work, media: Media) -> None:
    """Replace `unknown` by the fourcc that ffmpeg reports."""
    said: Any = None
    try:
        command = [work.tools.ffmpeg, "-nostdin", "-hide_banner", *input_arguments(work.input)]
        said = sandbox.run(command, folder=work.folder, limits=FOURCC_LIMITS, check=work.check).stderr
    except (MediaRejected, AttemptFailed):
        return
    names = {int(index): name.strip() for index, name in FOURCC.findall(said)}
    for stream in media.streams:
        if stream.codec == probe.UNKNOWN:
            stream.codec = names.get(stream.index, probe.UNKNOWN)
