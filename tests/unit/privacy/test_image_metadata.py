"""Images lose private metadata and no pixel."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import av
import pytest

from chalicelib.errors import MediaRejected
from tests.media import run, run_ffmpeg
from workers.privacy import image_metadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def exif(orientation: int) -> bytes:
    """A TIFF block with an orientation and a place."""
    entries = struct.pack("<HHII", 0x0112, 3, 1, orientation) + struct.pack("<HHII", 0x8825, 4, 1, 38)
    return b"II\x2a\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0) + b"SECRET PLACE"


def still(folder: Path, kind: str) -> Path:
    target = folder / f"picture.{kind}"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", "1", target)
    return target


def test_a_jpeg_keeps_its_orientation_and_nothing_else(tmp_path: Path) -> None:
    data = still(tmp_path, "jpg").read_bytes()
    block = b"Exif\0\0" + exif(6)
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 6) + b"SECRET"
    given = data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + comment + data[2:] + b"SECRET FILM"
    (tmp_path / "given.jpg").write_bytes(given)
    made = run("upload", tmp_path / "given.jpg", tmp_path / "job").outputs[0].path.read_bytes()
    assert b"SECRET" not in made
    assert image_metadata._orientation(made[made.index(b"Exif\0\0") + 6 :]) == 6
    assert pixels(tmp_path, made, "jpg") == pixels(tmp_path, data, "jpg")


def test_a_png_keeps_its_pixels_and_its_colours(tmp_path: Path) -> None:
    data = still(tmp_path, "png").read_bytes()

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    secrets = chunk(b"tEXt", b"Author\0SECRET") + chunk(b"eXIf", exif(1)) + chunk(b"tIME", b"SECRET!")
    colours = chunk(b"gAMA", struct.pack(">I", 45455))
    (tmp_path / "given.png").write_bytes(data[:33] + colours + secrets + data[33:] + b"SECRET")
    made = run("upload", tmp_path / "given.png", tmp_path / "job").outputs[0].path.read_bytes()
    assert b"SECRET" not in made
    assert b"gAMA" in made
    assert pixels(tmp_path, made, "png") == pixels(tmp_path, data, "png")


def test_a_webp(tmp_path: Path) -> None:
    data = still(tmp_path, "webp").read_bytes()
    extended = (
        b"VP8X" + struct.pack("<I", 10) + bytes([0x0C, 0, 0, 0]) + (63).to_bytes(3, "little") + (47).to_bytes(3, "little")
    )
    secret = b"EXIF" + struct.pack("<I", 12) + b"SECRET PLACE"
    frame = data[data.index(b"VP8 ") :]
    body = b"WEBP" + extended + frame + secret
    (tmp_path / "given.webp").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    made = run("upload", tmp_path / "given.webp", tmp_path / "job").outputs[0].path.read_bytes()
    assert b"SECRET" not in made
    assert b"EXIF" not in made
    assert pixels(tmp_path, made, "webp") == pixels(tmp_path, data, "webp")


SECRET = b"SECRET PLACE"


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize(
    "hide",
    [
        lambda data: data + SECRET + b"\xff\xd9",
        lambda data: data[:-2] + segment(0xE1, b"Exif\0\0" + SECRET) + data[-2:],
        lambda data: data[:2] + segment(0xE0, b"JFXX\0\x13" + SECRET) + data[2:],
        lambda data: data[:2] + segment(0xEE, SECRET) + data[2:],
        lambda data: data[:2] + segment(0xF0, SECRET) + segment(0xED, SECRET) + segment(0xFE, SECRET) + data[2:],
        lambda data: data[:2] + b"\xff\xff" + segment(0xE1, SECRET)[1:] + data[2:],
    ],
    ids=["after the end", "between scans", "JFXX", "APP14", "others", "after fill bytes"],
)
def test_nothing_hides_in_a_jpeg(tmp_path: Path, hide: Callable[[bytes], bytes]) -> None:
    data = still(tmp_path, "jpg").read_bytes()
    made = image_metadata.without_private_metadata(hide(data), "jpeg_pipe")
    assert SECRET not in made
    assert pixels(tmp_path, made, "jpg") == pixels(tmp_path, data, "jpg")


@pytest.mark.parametrize("encoding", ["-huffman default", "-huffman optimal -q:v 1"])
def test_a_jpeg_without_secrets_stays_as_it_is(tmp_path: Path, encoding: str) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "mandelbrot=size=320x240", "-frames:v", "1", *encoding.split(), tmp_path / "plain.jpg")
    data = (tmp_path / "plain.jpg").read_bytes()
    made = image_metadata.without_private_metadata(data, "jpeg_pipe")
    assert len(data) - len(made) < 64  # the encoder's comment
    assert pixels(tmp_path, made, "jpg") == pixels(tmp_path, data, "jpg")


def test_a_gif_keeps_its_frames_and_nothing_else(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=5:duration=1", tmp_path / "plain.gif")
    data = (tmp_path / "plain.gif").read_bytes()
    at = data.index(b"\x21\xff")
    comment = b"\x21\xfe" + bytes([len(SECRET)]) + SECRET + b"\0"
    xmp = b"\x21\xff\x0bXMP DataXMP" + bytes([len(SECRET)]) + SECRET + b"\0"
    (tmp_path / "given.gif").write_bytes(data[:at] + comment + xmp + data[at:] + SECRET)
    done = run("upload", tmp_path / "given.gif", tmp_path / "job")
    made = done.outputs[0].path.read_bytes()
    assert made == data
    assert done.result["type"] == "image/gif"


def test_an_animated_webp_loses_what_hides_in_its_frames() -> None:
    frame = b"VP8L" + struct.pack("<I", 2) + b"ab"
    hidden = b"EXIF" + struct.pack("<I", len(SECRET)) + SECRET
    body = bytes(16) + frame + hidden
    data = b"WEBP" + b"ANMF" + struct.pack("<I", len(body)) + body
    made = image_metadata.without_private_metadata(b"RIFF" + struct.pack("<I", len(data)) + data, "webp_pipe")
    assert SECRET not in made
    assert made == b"RIFF" + struct.pack("<I", 4 + 8 + 26) + b"WEBPANMF" + struct.pack("<I", 26) + bytes(16) + frame


@pytest.mark.parametrize("kind", ["jpg", "png", "gif"])
def test_a_damaged_picture(tmp_path: Path, kind: str) -> None:
    data = still(tmp_path, kind).read_bytes()
    (tmp_path / "given").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(MediaRejected, match=r"damaged|not a media file|is 0x0"):
        run("upload", tmp_path / "given", tmp_path / "job")


def pixels(folder: Path, data: bytes, kind: str) -> bytes:
    (folder / f"look.{kind}").write_bytes(data)
    with (folder / f"look.{kind}").open("rb") as opened, av.open(opened) as media:
        return bytes(next(media.decode(video=0)).to_rgb().planes[0])
