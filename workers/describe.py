"""Describes a media file; runs in the sandbox, see `probe.py`. It imports next to nothing: a probe is paid for twice a job."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from workers.containers import ATTACHED_PICTURE, FORMATS, PROTOCOLS, STILLS

UNREADABLE = 3
"""The code that the process ends with when the file is no media."""
UNKNOWN = "unknown"
"""The codec of a stream that nothing here can decode."""
HDR_TRANSFERS = {16: "pq", 18: "hlg"}
"""Of ITU-T H.273: SMPTE ST 2084 and ARIB STD-B67."""
TAGS_MAX, TAG_MAX = 64, 1000
LANGUAGE = re.compile("[a-z]{3}")


def main() -> None:
    """Print `probe.Media` as JSON, of the file that the last argument names; the one before may be its demuxer."""
    demuxer, file = sys.argv[-2] or None, Path(sys.argv[-1])
    options = {"protocol_whitelist": PROTOCOLS, "format_whitelist": FORMATS}
    try:
        with av.open(f"file:{file}", format=demuxer, options=options, metadata_errors="replace") as container:
            found = _media(container) | {"bytes": file.stat().st_size}
    except (FFmpegError, MemoryError, ValueError):
        sys.exit(UNREADABLE)
    sys.stdout.write(json.dumps(found) + "\n")


def _media(container: Any) -> dict[str, Any]:
    still = container.format.name in STILLS
    return {
        "container": container.format.name,
        "duration": round(max(0, container.duration or 0) / av.time_base, 3),
        "bitrate": container.bit_rate or 0,
        "streams": [_stream(one, still=still) for one in container.streams if one.type in ("video", "audio")],
        "stream_count": len(container.streams),
        "tags": _tags(container),
    }


def _tags(container: Any) -> dict[str, str]:
    """Return what the container says of itself; an Ogg file says it of its first stream."""
    tags = dict(container.metadata)
    if container.format.name == "ogg" and container.streams:
        tags = {**container.streams[0].metadata, **tags}
    return {name[:TAG_MAX]: text[:TAG_MAX] for name, text in list(tags.items())[:TAGS_MAX]}


def _stream(stream: Any, *, still: bool) -> dict[str, Any]:
    context, language = stream.codec_context, str(stream.language or "")
    codec = context.codec.canonical_name if context else UNKNOWN
    found: dict[str, Any] = {"kind": stream.type, "codec": codec, "index": stream.index}
    if stream.duration and stream.time_base:
        found["duration"] = round(max(0.0, float(stream.duration * stream.time_base)), 3)
    if LANGUAGE.fullmatch(language) and language != "und":
        found["language"] = language
    if stream.type == "audio":
        return found | ({"sample_rate": context.sample_rate or 0, "channels": context.channels or 0} if context else {})
    attached = bool(int(stream.disposition) & ATTACHED_PICTURE)
    found |= {"width": stream.width or 0, "height": stream.height or 0, "frames": stream.frames or 0, "attached": attached}
    if not still and not attached:
        found["fps"] = round(float(stream.average_rate or stream.guessed_rate or 0), 3)
    if context:
        found |= {"pixel_format": context.pix_fmt or "", "hdr": HDR_TRANSFERS.get(int(context.color_trc), "")}
    return found
