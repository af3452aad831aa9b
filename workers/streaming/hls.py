"""Playlists of HLS (RFC 8216 and its second edition).

Every URI is the name of an output; the upload replaces it by the id of the file.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workers.streaming import segments

if TYPE_CHECKING:
    from workers.streaming.boxes import Track
    from workers.streaming.contents import Captions, Contents, Sheet, Sound, Video
    from workers.streaming.segments import Segment

MIME = "application/vnd.apple.mpegurl"
HEAD = ["#EXTM3U", "#EXT-X-VERSION:7"]
STARTS_WITH = 2_500_000
"""bit/s: the first rendition in the list, which players start with, is the best one below."""


def multivariant(package: Contents) -> str:
    """Return the playlist that names all renditions."""
    lines = [*HEAD, "#EXT-X-INDEPENDENT-SEGMENTS"]
    target = package.target_duration
    heard = max((segments.peak_rate(one.segments, target) for one in package.sounds), default=0)
    heard_average = max((segments.average_rate(one.segments) for one in package.sounds), default=0)
    lines += [_sound(one, default=one is package.sounds[0]) for one in package.sounds]
    lines += [_captions(one) for one in package.captions]
    groups = ['AUDIO="audio"'] if package.sounds else []
    groups += ['SUBTITLES="subtitles"'] if package.captions else []
    sound_codec = [package.sounds[0].track.codec] if package.sounds else []
    for one in _in_order(package.videos, target):
        peak, average = segments.peak_rate(one.segments, target), segments.average_rate(one.segments)
        about = [
            f"BANDWIDTH={peak + heard}", f"AVERAGE-BANDWIDTH={average + heard_average}",
            f'CODECS="{",".join([one.track.codec, *sound_codec])}"', f"RESOLUTION={one.track.width}x{one.track.height}",
            f"FRAME-RATE={one.fps:.3f}", "VIDEO-RANGE=SDR", *groups, "CLOSED-CAPTIONS=NONE",
        ]  # fmt: skip
        lines += [f"#EXT-X-STREAM-INF:{','.join(about)}", f"{one.name}.m3u8"]
    for one in _in_order(package.videos, target):
        keys = _keyframes(one.track)
        about = [
            f"BANDWIDTH={segments.peak_rate(keys, target)}", f"AVERAGE-BANDWIDTH={segments.average_rate(keys)}",
            f'CODECS="{one.track.codec}"', f"RESOLUTION={one.track.width}x{one.track.height}", "VIDEO-RANGE=SDR",
            f'URI="{one.name}-iframes.m3u8"',
        ]  # fmt: skip
        lines.append(f"#EXT-X-I-FRAME-STREAM-INF:{','.join(about)}")
    if not package.videos and package.sounds:
        about = [f"BANDWIDTH={heard}", f"AVERAGE-BANDWIDTH={heard_average}", f'CODECS="{sound_codec[0]}"', *groups]
        lines += [f"#EXT-X-STREAM-INF:{','.join(about)}", f"{package.sounds[0].name}.m3u8"]
    if package.sheet is not None:
        sheet = package.sheet
        about = [f"BANDWIDTH={max(1, round(8 * sheet.bytes / package.duration))}", f"RESOLUTION={sheet.width}x{sheet.height}"]
        lines.append(f'#EXT-X-IMAGE-STREAM-INF:{",".join(about)},CODECS="jpeg",URI="thumbnails.m3u8"')
    return _text(lines)


def media(name: str, track: Track, parts: list[Segment], target: int) -> str:
    """Return the playlist of one file: byte ranges of its segments."""
    lines = [*_media_head(target), "#EXT-X-INDEPENDENT-SEGMENTS", _map(name, track.init_size)]
    return _text([*lines, *_ranges(name, parts), "#EXT-X-ENDLIST"])


def keyframes(name: str, track: Track) -> str:
    """Return the playlist of the keyframes of one file, for fast forward and previews."""
    parts = _keyframes(track)
    target = max(1, round(max(one.duration for one in parts)))
    lines = [*_media_head(target), "#EXT-X-I-FRAMES-ONLY", _map(name, track.init_size)]
    return _text([*lines, *_ranges(name, parts), "#EXT-X-ENDLIST"])


def captions(name: str, duration: float) -> str:
    """Return the playlist of a file of captions, which is its only segment."""
    lines = [*_media_head(math.ceil(duration)), f"#EXTINF:{duration:.5f},", f"{name}.vtt"]
    return _text([*lines, "#EXT-X-ENDLIST"])


def images(sheet: Sheet, duration: float) -> str:
    """Return the playlist of the sheet of thumbnails, as Roku defines it and players such as Shaka read it."""
    tiles = (
        f"#EXT-X-TILES:RESOLUTION={sheet.width}x{sheet.height},LAYOUT={sheet.columns}x{sheet.rows},DURATION={sheet.every:.5f}"
    )
    lines = [*_media_head(math.ceil(duration)), "#EXT-X-IMAGES-ONLY", f"#EXTINF:{duration:.5f},", tiles, sheet.name]
    return _text([*lines, "#EXT-X-ENDLIST"])


def _in_order(videos: list[Video], target: int) -> list[Video]:
    """Return the videos: the one to start with, then the others, best first, as they are."""
    slow = [one for one in videos if segments.peak_rate(one.segments, target) <= STARTS_WITH]
    first = max(slow or videos[-1:], key=lambda one: one.track.height, default=None)
    return [one for one in videos if one is first] + [one for one in videos if one is not first]


def _sound(sound: Sound, *, default: bool) -> str:
    about = ["TYPE=AUDIO", 'GROUP-ID="audio"', f'NAME="{sound.label}"']
    about += [f'LANGUAGE="{sound.language}"'] if sound.language else []
    chosen = "YES" if default else "NO"
    about += [f"DEFAULT={chosen}", "AUTOSELECT=YES", f'CHANNELS="{sound.track.channels}"', f'URI="{sound.name}.m3u8"']
    return f"#EXT-X-MEDIA:{','.join(about)}"


def _captions(captions: Captions) -> str:
    about = ["TYPE=SUBTITLES", 'GROUP-ID="subtitles"', f'NAME="{captions.label}"', f'LANGUAGE="{captions.language}"']
    return f'#EXT-X-MEDIA:{",".join(about)},DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI="{captions.name}.m3u8"'


def _media_head(target: int) -> list[str]:
    return [*HEAD, f"#EXT-X-TARGETDURATION:{target}", "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-PLAYLIST-TYPE:VOD"]


def _map(name: str, size: int) -> str:
    return f'#EXT-X-MAP:URI="{name}.mp4",BYTERANGE="{size}@0"'


def _ranges(name: str, parts: list[Segment]) -> list[str]:
    return [
        line
        for one in parts
        for line in (f"#EXTINF:{one.duration:.5f},", f"#EXT-X-BYTERANGE:{one.size}@{one.offset}", f"{name}.mp4")
    ]


def _keyframes(track: Track) -> list[Segment]:
    return [segments.Segment(one.duration, one.offset, one.key_size) for one in track.fragments]


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
