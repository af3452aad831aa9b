"""Removes private metadata from images without changing a pixel: places, devices, people, dates.

JPEG, PNG, WebP and GIF are parsed here, HEIC and AVIF in `heif_metadata.py`.

By allow-list: what is needed to show the picture stays, such as the colour profile and the orientation of a JPEG (in an Exif
block with nothing else). Everything else is removed, including bytes after the end of the image.

`python -m workers.privacy.image_metadata CONTAINER INPUT OUTPUT` does it; `clean()` runs it in the sandbox.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.errors import AttemptFailed, MediaRejected
from workers.privacy import heif_metadata
from workers.sandbox import isolated, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMITS = sandbox.Limits(seconds=120, memory_bytes=4 * sandbox.GIB, data_bytes=2 * sandbox.GIB, file_bytes=sandbox.GIB)
DAMAGED = 3
"""Exit code: the image is damaged."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = {
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs", b"cICP",
    b"mDCV", b"cLLI", b"acTL", b"fcTL", b"fdAT",
}  # fmt: skip

WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
WEBP_EXIF, WEBP_XMP = 0x08, 0x04  # bits in the first byte of VP8X
ANMF_HEAD = 16

SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
TABLES = {0xC4, 0xCC, 0xDB, 0xDD}  # DHT, DAC, DQT, DRI
SOI, EOI, SOS, APP0, APP1, APP2, APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE
RESTARTS = range(0xD0, 0xD8)
JFIF_LENGTH, ADOBE_LENGTH = 16, 14
ORIENTATION = 0x0112

GIF_IMAGE, GIF_EXTENSION, GIF_TRAILER, GIF_CONTROL, GIF_APPLICATION = 0x2C, 0x21, 0x3B, 0xF9, 0xFF
GIF_LOOP = b"NETSCAPE2.0"


class Damaged(Exception):
    """The bytes are not as the format requires."""


def clean(source: Path, target: Path, container: str, *, check: Callable[[], None] = lambda: None) -> None:
    """Write `source`, an image in the given container, to `target` without private metadata.

    Raises:
        MediaRejected: the image is damaged.
    """
    said: list[str] = []
    arguments = [container, str(source), str(target)]
    finished = isolated.run(
        "workers.privacy.image_metadata", arguments, folder=target.parent, limits=LIMITS, on_line=said.append, check=check
    )
    if finished.code == DAMAGED:
        raise MediaRejected("The picture is damaged: its parts are not what its format says")
    if finished.code != 0:
        raise AttemptFailed(f"The picture could not be cleaned: code {finished.code}")


def main() -> None:
    """Run the command line."""
    container, source, target = sys.argv[-3:]
    try:
        Path(target).write_bytes(without_private_metadata(Path(source).read_bytes(), container))
    except Damaged:
        sys.exit(DAMAGED)


def without_private_metadata(data: bytes, container: str) -> bytes:
    """Return the bytes of an image without private metadata.

    Raises:
        Damaged: its parts are not as the format requires.
    """
    cleaners = {"png_pipe": _png, "apng": _png, "jpeg_pipe": _jpeg, "webp_pipe": _webp, "webp_anim": _webp, "gif": _gif}
    try:
        if container in ("heif", "avif"):
            return heif_metadata.without_private_metadata(data)
        return b"".join(cleaners[container](data))
    except (struct.error, IndexError, heif_metadata.Damaged) as error:
        raise Damaged from error


def _png(data: bytes) -> Iterator[bytes]:
    yield PNG_SIGNATURE
    at = len(PNG_SIGNATURE)
    while True:
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            raise Damaged
        if kind in PNG_KEPT:
            yield data[at:end]
        if kind == b"IEND":
            return
        at = end


def _jpeg(data: bytes) -> Iterator[bytes]:
    """Keep frames, tables and scans, JFIF without its thumbnail, the colour profile, and Adobe's segment."""
    yield data[:2]
    at, begun = 2, False
    while True:
        marker, start = _marker(data, at)
        if marker == EOI:
            yield bytes([0xFF, EOI])
            return
        (length,) = struct.unpack_from(">H", data, start)
        at = start + length
        body = data[start:at]
        if length < 2 or len(body) < length:  # noqa: PLR2004 - the length counts itself
            raise Damaged
        if marker == APP1 and body[2:8] == b"Exif\0\0" and not begun and (turned := _orientation(body[8:])) != 1:
            begun = True
            yield _exif(turned)
        yield from _jpeg_segment(marker, body)
        if marker == SOS:
            end = _entropy(data, at)
            yield data[at:end]
            at = end


def _jpeg_segment(marker: int, body: bytes) -> Iterator[bytes]:
    profile = marker == APP2 and body[2:13] == b"ICC_PROFILE"
    adobe = marker == APP14 and body[2:7] == b"Adobe" and len(body) == ADOBE_LENGTH
    if marker == APP0 and body[2:7] == b"JFIF\0" and len(body) >= JFIF_LENGTH:
        yield b"\xff\xe0" + struct.pack(">H", JFIF_LENGTH) + body[2 : JFIF_LENGTH - 2] + b"\0\0"
    elif marker in SOF or marker in TABLES or marker == SOS or profile or adobe:
        yield bytes([0xFF, marker]) + body


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """Return the marker at `at`, after any number of fill bytes, and the start of its segment."""
    if data[at] != 0xFF:  # noqa: PLR2004 - what every marker begins with
        raise Damaged
    while data[at] == 0xFF:  # noqa: PLR2004
        at += 1
    return data[at], at + 1


def _entropy(data: bytes, at: int) -> int:
    """Return the end of the compressed data at `at`: the next marker that is not a restart or a stuffed byte."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise Damaged
        if data[at + 1] != 0 and data[at + 1] not in RESTARTS:
            return at
        at += 2


def _orientation(tiff: bytes) -> int:
    """Read the orientation (1..8) from a TIFF block; 1 if there is none."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return 1
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, at)
        for number in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * number)
            if tag == ORIENTATION:
                return value if 1 <= value <= 8 else 1  # noqa: PLR2004 - there are eight
    except struct.error:
        pass  # a damaged block is dropped
    return 1


def _exif(orientation: int) -> bytes:
    tiff = b"MM\0\x2a" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def _webp(data: bytes) -> Iterator[bytes]:
    (size,) = struct.unpack_from("<I", data, 4)
    body = b"".join(_chunks(data[12 : 8 + size]))
    yield b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _chunks(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + 8 <= len(data):
        kind, (length,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        body = data[at + 8 : at + 8 + length]
        if len(body) < length:
            raise Damaged
        if kind == b"VP8X":
            body = bytes([body[0] & ~(WEBP_EXIF | WEBP_XMP)]) + body[1:]
        if kind == b"ANMF":
            body = body[:ANMF_HEAD] + b"".join(_chunks(body[ANMF_HEAD:]))
        if kind in WEBP_KEPT:
            yield kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
        at += 8 + length + length % 2


def _gif(data: bytes) -> Iterator[bytes]:
    """Keep the screen, colours, images with their controls, and the loop count."""
    at = 13 + _palette(data[10])
    yield data[:at]
    while True:
        kind = data[at]
        if kind == GIF_TRAILER:
            yield data[at : at + 1]
            return
        if kind == GIF_IMAGE:
            end = _blocks(data, at + 10 + _palette(data[at + 9]) + 1)
        elif kind == GIF_EXTENSION:
            end = _blocks(data, at + 2)
        else:
            raise Damaged
        loops = data[at + 1] == GIF_APPLICATION and data[at + 3 : at + 14] == GIF_LOOP
        if kind == GIF_IMAGE or data[at + 1] == GIF_CONTROL or loops:
            yield data[at:end]
        at = end


def _palette(flags: int) -> int:
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0


def _blocks(data: bytes, at: int) -> int:
    """Return the end of a chain of sub-blocks."""
    while data[at]:
        at += 1 + data[at]
    return at + 1
