"""Takes private metadata out of JPEG, PNG and WebP files without touching a pixel: places, devices, people, dates, thumbnails.

What is needed to show the picture stays: the colour profile, and a JPEG's orientation, in an Exif block that holds nothing
else. Everything that is not known to be needed goes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from chalicelib.errors import MediaRejected

if TYPE_CHECKING:
    from collections.abc import Callable

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = {
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs", b"cICP",
    b"mDCV", b"cLLI", b"acTL", b"fcTL", b"fdAT",
}  # fmt: skip
WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
WEBP_EXIF, WEBP_XMP = 0x08, 0x04  # bits of VP8X's first byte
SOI, EOI, SOS, APP0, APP1, APP2, APP14, APP15, COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
ORIENTATION = 0x0112


def without_private_metadata(data: bytes, container: str) -> bytes:
    """Return a picture's bytes without what is private.

    Raises:
        MediaRejected: the file is damaged.
    """
    cleaners: dict[str, Callable[[bytes], bytes]] = {"png_pipe": _png, "jpeg_pipe": _jpeg, "webp_pipe": _webp}
    try:
        return cleaners[container](data)
    except (struct.error, IndexError) as error:
        raise MediaRejected("The picture is damaged") from error


def _png(data: bytes) -> bytes:
    out, at = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while at < len(data):
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            raise MediaRejected("The picture is damaged")
        if kind in PNG_KEPT:
            out.append(data[at:end])
        at = end
        if kind == b"IEND":
            break  # what follows is no part of the picture
    return b"".join(out)


def _jpeg(data: bytes) -> bytes:
    out, at = [data[:2]], 2
    orientation = 1
    while at < len(data):
        marker, (length,) = data[at + 1], struct.unpack_from(">H", data, at + 2)
        if data[at] != 0xFF or length < 2:  # noqa: PLR2004 - the length counts itself
            raise MediaRejected("The picture is damaged")
        segment = data[at : at + 2 + length]
        at += 2 + length
        if marker == SOS:
            if orientation != 1:
                out.insert(1, _exif(orientation))
            out += [segment, _scans(data[at:])]
            return b"".join(out)
        if marker == APP1 and segment[4:10] == b"Exif\0\0":
            orientation = _orientation(segment[10:])
        icc = marker == APP2 and segment[4:15] == b"ICC_PROFILE"
        if marker in (APP0, APP14) or icc or not (APP0 <= marker <= APP15 or marker == COM):
            out.append(segment)
    raise MediaRejected("The picture is damaged")


def _scans(data: bytes) -> bytes:
    """Return the compressed data up to the end of the image: what phones append there, such as a film, is dropped."""
    end = data.rfind(bytes([0xFF, EOI])) if data.count(bytes([0xFF, SOI])) == 0 else data.find(bytes([0xFF, EOI]))
    return data[: end + 2] if end >= 0 else data


def _orientation(tiff: bytes) -> int:
    """Read the orientation (1..8) from a TIFF block; 1 when it does not say."""
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
        pass  # a damaged block is dropped like any other
    return 1


def _exif(orientation: int) -> bytes:
    tiff = b"MM\0\x2a" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def _webp(data: bytes) -> bytes:
    chunks, at = [], 12
    end = min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while at + 8 <= end:
        kind, (length,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        chunk = data[at : at + 8 + length + length % 2]
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~(WEBP_EXIF | WEBP_XMP)]) + chunk[9:]
        if kind in WEBP_KEPT:
            chunks.append(chunk)
        at += 8 + length + length % 2
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body
