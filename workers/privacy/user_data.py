"""Removes private user data of cameras and drones from H.264 and HEVC: places, serial numbers, times.

It is in SEI messages, which a stream copy keeps. Each private message is overwritten in place with a filler message of the same
length, so nothing else changes. Closed captions (ATSC A/53), HDR10+, Dolby Vision, HDR Vivid, and the encoder settings of x264
and x265 stay.

`python -m workers.privacy.user_data FILE` does it and prints the number of messages; `clean()` runs it in the sandbox.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.errors import AttemptFailed
from workers.media.formats import FORMATS, PROTOCOLS
from workers.sandbox import isolated, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMITS = sandbox.Limits(data_bytes=sandbox.GIB)
UNREADABLE, SCATTERED = 3, 4
"""Exit codes; scattered: the container splits frames."""
CODECS = ("h264", "hevc")
SEI_TYPES = {"h264": {6}, "hevc": {39, 40}}
REGISTERED, UNREGISTERED = 4, 5
FILLER, RESERVED = 3, 254
"""Payload types that decoders skip. The second one is used where the first would need an escape."""
ENCODERS = {
    bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef"): b"x264 - core ",
    bytes.fromhex("2ca2de09b51747dbbb55a4fe7fc2fc4e"): b"x265 (build ",
}
KNOWN = (
    b"\xb5\0\x31GA94", b"\xb5\0\x31DTG1", b"\xb5\0\x2f", b"\xb5\0\x3c\0\1", b"\xb5\0\x3b", b"\x26\0\4\0\5",
)  # fmt: skip
"""The start of registered user data that is kept: country, provider, and the provider's code (ITU-T T.35)."""
NEAR = 512
"""How far after its block a frame may start."""


class Scattered(Exception):
    """A frame is stored in several pieces."""


def clean(file: Path, *, check: Callable[[], None] = lambda: None) -> int | None:
    """Overwrite private user data in one of our files; return the number of messages, None if frames are split.

    Raises:
        AttemptFailed: the process failed.
    """
    lines: list[str] = []
    finished = isolated.run(
        "workers.privacy.user_data", [str(file)], folder=file.parent, limits=LIMITS, on_line=lines.append, check=check
    )
    if finished.code == SCATTERED:
        return None
    if finished.code != 0 or not lines:
        raise AttemptFailed(f"The user data of the video could not be removed: exit code {finished.code}")
    return int(lines[-1])


def main() -> None:
    """Clean the file that the last argument names."""
    import av  # noqa: PLC0415 - only this process pays for it
    from av.error import FFmpegError  # noqa: PLC0415

    file = Path(sys.argv[-1])
    try:
        with av.open(f"file:{file}", options={"protocol_whitelist": PROTOCOLS, "format_whitelist": FORMATS}) as container:
            found = list(_find(container, file))
    except Scattered:
        sys.exit(SCATTERED)
    except (FFmpegError, ValueError, IndexError):
        sys.exit(UNREADABLE)
    with file.open("r+b") as target:
        for place, filler in found:
            target.seek(place)
            target.write(filler)
    sys.stdout.write(f"{len(found)}\n")


def _find(container: Any, file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the places of private messages, and their replacements."""
    streams = [one for one in container.streams.video if one.codec_context and _codec(one) in CODECS]
    if not streams:
        return
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for stream in streams:
            yield from _find_in_header(bytes(stream.codec_context.extradata or b""), _codec(stream), data)
        for packet in container.demux(streams):
            codec, header = _codec(packet.stream), bytes(packet.stream.codec_context.extradata or b"")
            body = bytes(packet)
            private = [one for start, end in units(body, codec, header) for one in private_messages(body, start, end, codec)]
            if not private:
                continue
            begins = data.find(body, packet.pos, packet.pos + len(body) + NEAR) if packet.pos is not None else -1
            if begins < 0:
                raise Scattered
            yield from ((begins + at, filler) for at, filler in private)


def _find_in_header(header: bytes, codec: str, data: mmap.mmap) -> Iterator[tuple[int, bytes]]:
    """Search an hvcC, which may have SEI messages."""
    if codec != "hevc" or header[:1] != b"\1":
        return
    begins, at = data.find(header), 23
    for _ in range(header[22]):
        count, at = int.from_bytes(header[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            length, at = int.from_bytes(header[at : at + 2], "big"), at + 2
            for place, filler in private_messages(header, at, at + length, codec):
                if begins < 0:
                    raise Scattered
                yield begins + place, filler
            at += length


def units(body: bytes, codec: str, header: bytes) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each NAL unit of a frame, after lengths (ISO/IEC 14496-15) or start codes (Annex B)."""
    if header[:1] == b"\1":
        size = (header[4] if codec == "h264" else header[21]) % 4 + 1
        at = 0
        while at + size <= len(body):
            length = int.from_bytes(body[at : at + size], "big")
            yield at + size, min(len(body), at + size + length)
            at += size + length
        return
    at = body.find(b"\0\0\1")
    while at >= 0:
        following = body.find(b"\0\0\1", at + 3)
        yield at + 3, following if following >= 0 else len(body)
        at = following


def private_messages(body: bytes, start: int, end: int, codec: str) -> Iterator[tuple[int, bytes]]:
    """Yield the start of each private message in a NAL unit, and a filler of its length."""
    kind = body[start] & 31 if codec == "h264" else body[start] >> 1 & 63
    if start >= end or kind not in SEI_TYPES[codec]:
        return
    plain, places = _unescaped(body, start + (1 if codec == "h264" else 2), end)
    at = 0
    while at + 2 <= len(plain) and plain[at:] != b"\x80":
        begins = at
        message, at = _count(plain, at)
        size, at = _count(plain, at)
        payload = plain[at : at + size]
        at += size
        if is_private(message, payload):
            first, last = places[begins], places[at] if at < len(places) else end
            escaped = body[first - 2 : first] == b"\0\0"
            yield first, filler_message(last - first, RESERVED if escaped else FILLER)


def is_private(message: int, payload: bytes) -> bool:
    """Return whether a message has user data that is not needed to show the picture."""
    if message == UNREGISTERED:
        text = payload[16:].rstrip(b"\0")
        says = ENCODERS.get(payload[:16])
        return says is None or not text.startswith(says) or not text.isascii()
    return message == REGISTERED and not payload.startswith(KNOWN)


def filler_message(length: int, kind: int = FILLER) -> bytes:
    """Return filler messages of exactly `length` bytes."""
    for size in range(max(0, length - 2 - length // 255 - 1), length - 1):
        packed = bytes([kind]) + b"\xff" * (size // 255) + bytes([size % 255]) + b"\xff" * size
        if len(packed) == length:
            return packed
    return bytes([kind, 0]) + filler_message(length - 2, kind)  # no single message has this length


def _count(plain: bytes, at: int) -> tuple[int, int]:
    value = 0
    while plain[at] == 0xFF:  # noqa: PLR2004 - more follows
        value, at = value + 255, at + 1
    return value + plain[at], at + 1


def _unescaped(body: bytes, start: int, end: int) -> tuple[bytes, list[int]]:
    """Return the content without emulation prevention bytes, and the position of each of its bytes."""
    plain, places, zeros = bytearray(), [], 0
    for at in range(start, end):
        if zeros >= 2 and body[at] == 3:  # noqa: PLR2004 - 0, 0, 3
            zeros = 0
            continue
        zeros = zeros + 1 if body[at] == 0 else 0
        plain.append(body[at])
        places.append(at)
    return bytes(plain), places


def _codec(stream: Any) -> str:
    return str(stream.codec_context.codec.canonical_name)
