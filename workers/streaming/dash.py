"""The manifest of DASH (ISO/IEC 23009-1), on-demand profile: one file a rendition, whose own index names the segments."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from workers.streaming import segments

if TYPE_CHECKING:
    from workers.streaming.boxes import Track
    from workers.streaming.contents import Contents, Sheet, Sound, Video

MIME = "application/dash+xml"
NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
PROFILE = "urn:mpeg:dash:profile:isoff-on-demand:2011"
CHANNELS = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
ROLE = "urn:mpeg:dash:role:2011"
TILES = "http://dashif.org/guidelines/thumbnail_tile"


def manifest(package: Contents) -> str:
    """Return the manifest. Every URL is the name of an output; the upload replaces it by the file's id."""
    root = ET.Element("MPD", {
        "xmlns": NAMESPACE, "profiles": PROFILE, "type": "static",
        "mediaPresentationDuration": _duration(package.duration), "minBufferTime": _duration(package.target_duration),
    })  # fmt: skip
    period = ET.SubElement(root, "Period", {"id": "0", "start": "PT0S"})
    for codec in dict.fromkeys(one.rendition.codec for one in package.videos):
        _videos(period, [one for one in package.videos if one.rendition.codec == codec], package.target_duration)
    for sound in package.sounds:
        _sound(period, sound, package.target_duration, default=sound is package.sounds[0])
    for captions in package.captions:
        about = {"contentType": "text", "mimeType": "text/vtt", "lang": captions.language}
        chosen = ET.SubElement(period, "AdaptationSet", about)
        _role(chosen, "subtitle")
        shown = ET.SubElement(chosen, "Representation", {"id": captions.name, "bandwidth": "256"})
        ET.SubElement(shown, "BaseURL").text = f"{captions.name}.vtt"
    if package.sheet is not None:
        _sheet(period, package.sheet, package.duration)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _videos(period: ET.Element, videos: list[Video], target: int) -> None:
    chosen = ET.SubElement(period, "AdaptationSet", {
        "contentType": "video", "mimeType": "video/mp4", "subsegmentAlignment": "true", "subsegmentStartsWithSAP": "1",
        "maxWidth": str(max(one.track.width for one in videos)), "maxHeight": str(max(one.track.height for one in videos)),
    })  # fmt: skip
    for one in videos:
        about = {"width": str(one.track.width), "height": str(one.track.height), "frameRate": _rate(one.fps), "sar": "1:1"}
        _representation(chosen, one.name, one.track, segments.peak_rate(one.segments, target), about)


def _sound(period: ET.Element, sound: Sound, target: int, *, default: bool) -> None:
    about = {"contentType": "audio", "mimeType": "audio/mp4", "subsegmentAlignment": "true", "subsegmentStartsWithSAP": "1"}
    chosen = ET.SubElement(period, "AdaptationSet", about | ({"lang": sound.language} if sound.language else {}))
    _role(chosen, "main" if default else "alternate")
    rate = {"audioSamplingRate": str(sound.track.sample_rate)}
    peak = segments.peak_rate(sound.segments, target)
    shown = _representation(chosen, sound.name, sound.track, peak, rate)
    channels = {"schemeIdUri": CHANNELS, "value": str(sound.track.channels)}
    shown.insert(0, ET.Element("AudioChannelConfiguration", channels))


def _representation(chosen: ET.Element, name: str, track: Track, peak: int, about: dict[str, str]) -> ET.Element:
    shown = ET.SubElement(chosen, "Representation", {"id": name, "codecs": track.codec, "bandwidth": str(peak), **about})
    ET.SubElement(shown, "BaseURL").text = f"{name}.mp4"
    offset, size = track.index_range
    base = ET.SubElement(shown, "SegmentBase", {"indexRange": f"{offset}-{offset + size - 1}"})
    ET.SubElement(base, "Initialization", {"range": f"0-{track.init_size - 1}"})
    return shown


def _sheet(period: ET.Element, sheet: Sheet, duration: float) -> None:
    chosen = ET.SubElement(period, "AdaptationSet", {"contentType": "image", "mimeType": "image/jpeg"})
    shown = ET.SubElement(chosen, "Representation", {
        "id": "thumbnails", "bandwidth": str(max(1, round(8 * sheet.bytes / duration))),
        "width": str(sheet.width * sheet.columns), "height": str(sheet.height * sheet.rows),
    })  # fmt: skip
    ET.SubElement(shown, "EssentialProperty", {"schemeIdUri": TILES, "value": f"{sheet.columns}x{sheet.rows}"})
    covers = {"media": sheet.name, "startNumber": "1", "timescale": "1000"}
    covered = sheet.every * sheet.columns * sheet.rows
    ET.SubElement(shown, "SegmentTemplate", {**covers, "duration": str(round(1000 * covered))})


def _role(chosen: ET.Element, value: str) -> None:
    ET.SubElement(chosen, "Role", {"schemeIdUri": ROLE, "value": value})


def _duration(seconds: float) -> str:
    return f"PT{seconds:.3f}S"


def _rate(fps: float) -> str:
    """Return a frame rate as the schema has it: an integer, or a fraction."""
    return f"{round(fps)}" if abs(fps - round(fps)) < 0.001 else f"{round(fps * 1000)}/1000"  # noqa: PLR2004 - a rounding error
