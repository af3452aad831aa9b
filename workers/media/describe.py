"""Describes a media file; runs in the sandbox, see `probe.py`. It imports little, because every job probes twice."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from workers.media.formats import ATTACHED_PICTURE, FORMATS, PROTOCOLS, STILLS, is_heif

UNREADABLE = 3
"""Exit code: the file is not media."""
UNKNOWN = "unknown"
"""The codec of a stream without a decoder."""
UNDECODABLE, EMPTY = "cannot be decoded", "is empty"
"""Problems of a stream with a known codec."""
HDR_TRANSFERS = {16: "pq", 18: "hlg"}
"""ITU-T H.273: SMPTE ST 2084 and ARIB STD-B67."""
UNSPECIFIED = 2
"""ITU-T H.273: a colour matrix that the file does not state."""
FIELD_ORDERS = {1: "progressive", 2: "top", 3: "bottom", 4: "bottom", 5: "top"}
"""AVFieldOrder of libavcodec -> the field shown first."""
DISPOSITIONS = {"default": 0x1, "commentary": 0x8, "impaired": 0x80 | 0x100}
"""AV_DISPOSITION_* of libavformat; impaired: for the hearing or visually impaired."""
TAGS_MAX, TAG_MAX = 64, 1000
LANGUAGE = re.compile("[a-z]{3}")
CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)$")
SIDE_BY_SIDE_MAX = 256
"""How many streams are inspected; a file with more is rejected for its number of streams."""
PACKETS_MAX, PACKET_BYTES_MAX, ERRORS_MAX = 2000, 32 << 20, 25
"""How much of a file is decoded to test its streams."""
DECODED_PIXELS_MAX = 4096 * 2304
"""A larger picture is not decoded here: the limits of the probe are small."""
XING_BYTES = 4096


def main() -> None:
    """Print `probe.Media` as JSON. Arguments: `decode` to test every stream, else ""; a demuxer or ""; the file."""
    decode, demuxer, file = sys.argv[-3] == "decode", sys.argv[-2] or None, Path(sys.argv[-1])
    options = {"protocol_whitelist": PROTOCOLS, "format_whitelist": FORMATS}
    try:
        if demuxer is None and is_heif(file):
            found = _picture(file)
        else:
            with av.open(f"file:{file}", format=demuxer, options=options, metadata_errors="replace") as container:
                found = _media(container, file, decode=decode)
            if found["container"] == "apng" or _is_animated_webp(found):
                found = _picture(file)
    except (FFmpegError, MemoryError, ValueError):
        sys.exit(UNREADABLE)
    sys.stdout.write(json.dumps(found | {"bytes": file.stat().st_size}) + "\n")


def _picture(file: Path) -> dict[str, Any]:
    from workers.media import images  # noqa: PLC0415 - only these formats pay for it

    return images.describe(file)


def _is_animated_webp(found: dict[str, Any]) -> bool:
    return found["container"] == "webp_pipe" and not any(one["width"] for one in found["streams"])


def _media(container: Any, file: Path, *, decode: bool) -> dict[str, Any]:
    name = container.format.name
    still = name in STILLS
    streams = [
        _stream(one, still=still, begins=container.start_time) for one in container.streams if one.type in ("video", "audio")
    ]
    found = {
        "container": name,
        "duration": round(max(0, container.duration or 0) / av.time_base, 3),
        "bitrate": container.bit_rate or 0,
        "streams": streams,
        "stream_count": len(container.streams),
        "data_streams": [_codec(one) or one.type or UNKNOWN for one in container.streams if one.type not in ("video", "audio")],
        "tags": _tags(container),
        "promises": name in INDEXED or (name == "mp3" and _has_xing(file)),
        "cut": name.startswith("mov,mp4") and _is_cut(container, file.stat().st_size),
    }
    if decode and not still and len(streams) <= SIDE_BY_SIDE_MAX:
        try_streams(container, streams)
    return found


INDEXED = {
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "asf", "wav", "aiff", "flac", "mxf",
}  # fmt: skip
"""Containers that state their duration at the start or in an index."""


def _has_xing(file: Path) -> bool:
    """Return whether an MP3 starts with a frame that counts the others."""
    with file.open("rb") as data:
        head = data.read(10)
        size = (
            sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False)) + 10
            if head[:3] == b"ID3"
            else 0
        )
        data.seek(size)
        start = data.read(XING_BYTES)
    return b"Xing" in start or b"Info" in start


def _is_cut(container: Any, size: int) -> bool:
    """Return whether the index names bytes beyond the end of the file."""
    for stream in container.streams:
        entries = stream.index_entries
        if len(entries) and entries[-1].pos + entries[-1].size > size:
            return True
    return False


def _tags(container: Any) -> dict[str, str]:
    """Return the tags of the container; Ogg has them on its first stream."""
    tags = dict(container.metadata)
    if container.format.name == "ogg" and container.streams:
        tags = {**container.streams[0].metadata, **tags}
    return {name[:TAG_MAX]: text[:TAG_MAX] for name, text in list(tags.items())[:TAGS_MAX]}


def _codec(stream: Any) -> str:
    return str(stream.codec_context.codec.canonical_name) if stream.codec_context else ""


def _stream(stream: Any, *, still: bool, begins: int | None) -> dict[str, Any]:
    context, language = stream.codec_context, str(stream.language or "").lower()
    found: dict[str, Any] = {"kind": stream.type, "codec": _codec(stream) or UNKNOWN, "index": stream.index}
    found |= {name: bool(int(stream.disposition) & bits) for name, bits in DISPOSITIONS.items()}
    found |= _times(stream, (begins or 0) / av.time_base)
    if LANGUAGE.fullmatch(language) and language != "und":
        found["language"] = language
    if stream.type == "audio":
        return found | (_sound(context) if context else {})
    attached = bool(int(stream.disposition) & ATTACHED_PICTURE)
    found |= {"width": stream.width or 0, "height": stream.height or 0, "frames": stream.frames or 0, "attached": attached}
    if not still and not attached:
        found["fps"] = round(float(stream.average_rate or stream.guessed_rate or 0), 3)
    if context:
        found["pixel_aspect"] = round(float(context.sample_aspect_ratio or 1), 4)
        found |= {"pixel_format": context.pix_fmt or "", "hdr": HDR_TRANSFERS.get(int(context.color_trc), "")}
        found["has_matrix"] = int(context.colorspace) != UNSPECIFIED or not str(context.pix_fmt or "").startswith("yuv")
        found["field_order"] = FIELD_ORDERS.get(int(context.field_order), "")
    return found


def _times(stream: Any, begins: float) -> dict[str, float]:
    """Return the start of a stream, relative to the file, and its duration, in s. Matroska has it in a tag."""
    found = {}
    if stream.duration and stream.time_base:
        found["duration"] = round(max(0.0, float(stream.duration * stream.time_base)), 3)
    elif clock := CLOCK.match(stream.metadata.get("DURATION", "")):
        found["duration"] = round(int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]), 3)
    if stream.start_time and stream.time_base:
        found["start"] = round(max(0.0, float(stream.start_time * stream.time_base) - begins), 3)
    return found


def _sound(context: Any) -> dict[str, Any]:
    layout = context.layout.name if context.channels and context.layout else ""
    if layout.endswith("channels"):  # the number of chapters, not their times
        layout = ""
    return {"sample_rate": context.sample_rate or 0, "channels": context.channels or 0, "layout": layout}


def try_streams(container: Any, streams: list[dict[str, Any]]) -> None:
    """Decode the start of every stream that has a decoder; record the problems of the others."""
    tried = {one["index"]: Trial() for one in streams if one["codec"] != UNKNOWN and _is_small(one)}
    ended = not tried or _feed(container, tried)
    for stream in streams:
        trial = tried.get(stream["index"])
        if trial is None or trial.decoded:
            continue
        if trial.errors >= ERRORS_MAX or (ended and trial.packets):
            stream["problem"] = UNDECODABLE
        elif ended:
            stream["problem"] = EMPTY


class Trial:
    """The decoding of one stream."""

    def __init__(self) -> None:
        self.packets = self.errors = 0
        self.decoded = False

    def feed(self, packet: Any) -> None:
        """Decode a packet."""
        self.packets += packet.size > 0
        if self.decoded or self.errors >= ERRORS_MAX:
            return
        try:
            self.decoded = bool(packet.decode())
        except MemoryError:
            self.decoded = True  # our memory limit is the cause, not the stream
        except (FFmpegError, ValueError):
            self.errors += 1


def _feed(container: Any, tried: dict[int, Trial]) -> bool:
    """Feed packets until every stream is decided; True if the file ended first."""
    seen = size = 0
    try:
        for packet in container.demux(*(container.streams[index] for index in tried)):
            seen, size = seen + 1, size + packet.size
            tried[packet.stream_index].feed(packet)
            if all(one.decoded for one in tried.values()) or seen > PACKETS_MAX or size > PACKET_BYTES_MAX:
                return False
    except FFmpegError:
        pass  # the file ends early
    return True


def _is_small(stream: dict[str, Any]) -> bool:
    return (
        bool(stream.get("channels"))
        if stream["kind"] == "audio"
        else 0 < stream["width"] * stream["height"] <= DECODED_PIXELS_MAX
    )
