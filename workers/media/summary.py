"""The description of a media file in `result`, for all operations that have one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from workers.media.probe import Media


def describe(media: Media) -> dict[str, Any]:
    """Return container, duration (s), bit rate (bit/s), size (bytes) and streams."""
    return {
        "container": media.container,
        "duration": media.duration,
        "bitrate": media.bitrate,
        "bytes": media.bytes,
        "streams": [msgspec.to_builtins(stream) for stream in media.streams],
    }


def of_picture_and_sound(media: Media) -> dict[str, Any]:
    """Return what a person compares with an output: container, codecs, size and frame rate of the streams that are used."""
    found: dict[str, Any] = {"container": media.kind.suffix}
    if picture := media.track("video"):
        found |= {"video_codec": picture.codec, "width": picture.width, "height": picture.height, "fps": picture.fps}
    if sound := media.track("audio"):
        found |= {"audio_codec": sound.codec, "channels": sound.channels}
    return found
