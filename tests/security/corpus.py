"""Makes hostile files, offline. Each maker writes one file; `CORPUS` has the expected results."""

from __future__ import annotations

import json
import random
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.media import ffmpeg_made, run_ffmpeg
from tests.security.boxes import Box, take_apart
from tests.security.images import (
    animation_bomb,
    apng_bomb,
    cover_bomb,
    gif,
    jpeg_bomb,
    photo_cut_short,
    photo_of_lying_item,
    photo_of_lying_size,
    png_bomb,
    png_profile_bomb,
    webp_bomb,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Bait:
    """What must not be touched: a secret film of another tenant, and a server that counts connections."""

    secret: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/secret.mp4"


@dataclass(frozen=True)
class Hostile:
    """A file: how it is made, and whether an operation may succeed on it, as some do that are only odd."""

    make: Callable[[Path, Bait], None]
    harmless: bool = False
    slow: bool = False
    """Only in `make verify`."""


def text(content: str) -> Callable[[Path, Bait], None]:
    """A file of text in which {secret}, {name} and {url} stand for the bait."""

    def make(target: Path, bait: Bait) -> None:
        words = {"secret": str(bait.secret), "name": bait.secret.name, "url": bait.url, "port": str(bait.port)}
        filled = content
        for word, value in words.items():
            filled = filled.replace("{" + word + "}", value)
        target.write_text(filled)

    return make


def raw(content: bytes) -> Callable[[Path, Bait], None]:
    return lambda target, bait: _write(target, content)


def _write(target: Path, content: bytes) -> None:
    target.write_bytes(content)


def film(
    *arguments: str, picture: str = "testsrc2=size=64x48:rate=25:duration=1", kind: str = "mp4"
) -> Callable[[Path, Bait], None]:
    """A film that ffmpeg makes of `picture` with `arguments`."""

    def make(target: Path, bait: Bait) -> None:
        made = target.with_suffix(f".{kind}")
        run_ffmpeg("-f", "lavfi", "-i", picture, *arguments, made)
        made.rename(target)

    return make


def _gab2(target: Path, bait: Bait) -> None:
    """An AVI whose subtitle stream is a playlist of the secret (developpaper.com's analysis of CVE-2017-9993)."""
    playlist = (
        f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1.0,\n{bait.url}\n#EXTINF:1.0,\nfile://{bait.secret}\n#EXT-X-ENDLIST\n"
    )
    body = b"GAB2\0" + struct.pack("<HI", 2, 0) + struct.pack("<HI", 4, len(playlist)) + playlist.encode()

    def riff(kind: bytes, data: bytes) -> bytes:
        return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)

    def listing(kind: bytes, *parts: bytes) -> bytes:
        return riff(b"LIST", kind + b"".join(parts))

    main = riff(b"avih", struct.pack("<14I", 40000, 0, 0, 0x10, 1, 0, 1, 0, 64, 48, 0, 0, 0, 0))
    header = riff(b"strh", b"txts" + b"\0\0\0\0" + struct.pack("<10I", 0, 0, 0, 1, 25, 0, 1, 0, 0, 0) + bytes(8))
    stream = listing(b"strl", header, riff(b"strf", b""))
    data = listing(b"hdrl", main, stream) + listing(b"movi", riff(b"00tx", body))
    target.write_bytes(riff(b"RIFF", b"AVI " + data))


def honest(target: Path) -> list[Box]:
    """Return the boxes of an honest film, its index at the end."""
    ffmpeg_made(target, "mov", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1", "-pix_fmt", "yuv420p")
    return take_apart(target.read_bytes())


def _dref(target: Path, bait: Bait) -> None:
    """A MOV whose samples are said to be in another file: an alias with its absolute path."""
    boxes = honest(target)
    moov = next(box for box in boxes if box.kind == b"moov")
    path = str(bait.secret).encode()
    volume, name = b"\1x".ljust(28, b"\0"), bytes([len(bait.secret.name)]) + bait.secret.name.encode().ljust(63, b"\0")
    alias = bytes(10) + volume + bytes(12) + name + bytes(16) + struct.pack(">hh", 1, 1) + bytes(16)
    alias += struct.pack(">HH", 18, len(path)) + path + bytes(len(path) % 2) + struct.pack(">H", 0xFFFF) + bytes(40)
    entry = struct.pack(">I", len(alias) + 12) + b"alis" + bytes(4) + alias
    moov.find(b"trak", b"mdia", b"minf", b"dinf", b"dref").data = bytes(4) + struct.pack(">I", 1) + entry
    target.write_bytes(b"".join(map(bytes, boxes)))


def _many_streams(target: Path, bait: Bait) -> None:
    boxes = honest(target)
    moov = next(box for box in boxes if box.kind == b"moov")
    tracks = [box for box in moov.inside if box.kind == b"trak"]
    moov.inside += tracks * 999
    target.write_bytes(b"".join(map(bytes, boxes)))


def _truncated(share: float, *arguments: str) -> Callable[[Path, Bait], None]:
    def make(target: Path, bait: Bait) -> None:
        ffmpeg_made(target, "mp4", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2", *arguments)
        data = target.read_bytes()
        target.write_bytes(data[: int(len(data) * share)])

    return make


def _zip(target: Path, bait: Bait) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film.mp4", bytes(5 << 20))


def _no_size(target: Path, bait: Bait) -> None:
    """An AVI whose picture is 0x0: what a naive check of width times height lets through."""
    ffmpeg_made(
        target, "avi", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1", "-c:v", "rawvideo", "-pix_fmt", "bgr24"
    )
    data = bytearray(target.read_bytes())
    at = data.index(b"strf") + 8
    data[at + 4 : at + 12] = bytes(8)
    target.write_bytes(data)


def _chapters(target: Path, bait: Bait) -> None:
    notes = target.with_suffix(".txt")
    parts = "".join(f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={at}\nEND={at + 1}\ntitle={'x' * 200}\n" for at in range(10_000))
    notes.write_text(";FFMETADATA1\n" + parts)
    ffmpeg_made(
        target, "mkv", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1", "-i", str(notes), "-map_metadata", "1"
    )
    notes.unlink()


def _long_subtitle(target: Path, bait: Bait) -> None:
    lines = target.with_suffix(".srt")
    lines.write_text(f"1\n00:00:00,000 --> 00:00:01,000\n{'<b>' * 1_500_000}\n")
    ffmpeg_made(target, "mkv", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1", "-i", str(lines), "-c:s", "copy")
    lines.unlink()


def _attachments(target: Path, bait: Bait) -> None:
    font = target.with_suffix(".ttf")
    font.write_bytes(bytes(1000))
    given = [word for number in range(100) for word in ("-attach", str(font), f"-metadata:s:{number + 1}", "mimetype=font/ttf")]
    ffmpeg_made(target, "mkv", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1", *given)
    font.unlink()


def _title(target: Path, bait: Bait) -> None:
    notes = target.with_suffix(".txt")
    notes.write_text(";FFMETADATA1\ntitle=" + "x" * (4 << 20) + "\n")
    ffmpeg_made(
        target, "mkv", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1", "-i", str(notes), "-map_metadata", "1"
    )
    notes.unlink()


def _wav(channels: int, rate: int, length: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, rate, (rate * channels * 2) & 0xFFFFFFFF, (channels * 2) & 0xFFFF, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", length) + bytes(4096)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + body


def _noise(target: Path, bait: Bait) -> None:
    target.write_bytes(random.Random(7).randbytes(300_000))


SMALL = ["-pix_fmt", "yuv420p", "-preset", "ultrafast"]
HLS = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\n{}\n#EXT-X-ENDLIST\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"><Period>'
    '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL><SegmentList>'
    '<SegmentURL media="{url}"/></SegmentList></Representation></AdaptationSet></Period></MPD>'
)
ENTITY = '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file://{secret}">]><svg xmlns="http://www.w3.org/2000/svg">&x;</svg>'

CORPUS: dict[str, Hostile] = {
    "hls of a file": Hostile(text(HLS.format("file://{secret}"))),
    "hls of an address": Hostile(text(HLS.format("{url}"))),
    "hls of a relative name": Hostile(text(HLS.format("{name}"))),
    "hls of a crypto address": Hostile(text(HLS.format("crypto+file://{secret}"))),
    "concat of a path": Hostile(text("ffconcat version 1.0\nfile '{secret}'\n")),
    "concat of a name": Hostile(text("ffconcat version 1.0\nfile {name}\n")),
    "concat of an address": Hostile(text("ffconcat version 1.0\nfile '{url}'\n")),
    "dash manifest": Hostile(text(DASH)),
    "smil of a file": Hostile(text("<smil><body><video src='{url}'/></body></smil>")),
    "sdp of a port": Hostile(text("v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n")),
    "svg with an entity": Hostile(text(ENTITY)),
    "svg with an image": Hostile(text("<svg xmlns='http://www.w3.org/2000/svg'><image href='{url}'/></svg>")),
    "mvg": Hostile(text("push graphic-context\nviewbox 0 0 64 48\nfill 'url({url})'\npop graphic-context\n")),
    "lavfi graph": Hostile(text("movie={secret}")),
    "ffmetadata": Hostile(text(";FFMETADATA1\ntitle=x\n")),
    "ansi art": Hostile(text("\x1b[2J" + "\x1b[31mhello\r\n" * 500)),
    "html": Hostile(text("<!doctype html><video src='{url}'></video>")),
    "json": Hostile(text(json.dumps({"video": "{url}"}))),
    "subtitles": Hostile(text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")),
    "nothing": Hostile(raw(b"")),
    "one byte": Hostile(raw(b"\0")),
    "a megabyte of zeros": Hostile(raw(bytes(1 << 20))),
    "noise": Hostile(_noise),
    "zip": Hostile(_zip),
    "elf": Hostile(raw(b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0" + bytes(4000))),
    "pdf": Hostile(raw(b"%PDF-1.7\n" + b"1 0 obj\n<<>>\nendobj\n" * 200)),
    "gab2 avi": Hostile(_gab2),
    "dref mov": Hostile(_dref, harmless=True),
    "png bomb": Hostile(png_bomb),
    "png with bombs beside the picture": Hostile(png_profile_bomb, harmless=True, slow=True),
    "jpeg of 65500 pixels a side": Hostile(jpeg_bomb),
    "webp of 16384 pixels a side": Hostile(webp_bomb),
    "gif of 65535 pixels a side": Hostile(raw(gif(65535, 65535, 2))),
    "gif of 100000 frames": Hostile(raw(gif(16, 16, 100_000)), harmless=True, slow=True),
    "song with a cover that is a bomb": Hostile(cover_bomb, harmless=True),
    "24 hours": Hostile(film(*SMALL, picture="color=size=16x16:rate=1/60:duration=86400")),
    "a day between two frames": Hostile(
        film("-vf", "setpts='if(gt(N,5),PTS+86400/TB,PTS)'", "-fps_mode", "passthrough", *SMALL, kind="mkv")
    ),
    "1000 streams": Hostile(_many_streams),
    "a million frames a second": Hostile(
        film("-pix_fmt", "yuv420p", "-c:v", "ffv1", picture="color=size=16x16:rate=1000000:duration=0.0001", kind="mkv")
    ),
    "time stamps below zero": Hostile(
        film(*SMALL, "-avoid_negative_ts", "disabled", "-bsf:v", "setts=pts=PTS-500000:dts=DTS-500000", kind="ts"), harmless=True
    ),
    "time stamps in no order": Hostile(
        film(*SMALL, "-bsf:v", "setts=pts=mod(N*7919\\,25)*512:dts=N*512", "-g", "1", "-bf", "0", kind="mov"), harmless=True
    ),
    "10000 chapters": Hostile(_chapters, harmless=True),
    "a title of four megabytes": Hostile(_title, harmless=True),
    "a subtitle of one long line": Hostile(_long_subtitle, harmless=True),
    "100 attachments": Hostile(_attachments, harmless=True),
    "no index": Hostile(_truncated(0.6)),
    "half of the samples": Hostile(_truncated(0.5, "-movflags", "+faststart"), harmless=True),
    "a picture of 0x0": Hostile(_no_size),
    "65535 channels": Hostile(raw(_wav(65535, 48000, 4096))),
    "four billion samples a second": Hostile(raw(_wav(2, 4_000_000_000, 4096))),
    "a sound that says it has four gigabytes": Hostile(raw(_wav(2, 48000, 0xFFFFFFF0)), harmless=True),
    "a film": Hostile(film(*SMALL), harmless=True),
    "heic of 60000 pixels a side": Hostile(photo_of_lying_size),
    "heic that breaks off": Hostile(photo_cut_short),
    "heic with an item of 4 gigabytes": Hostile(photo_of_lying_item),
    "avif of noise": Hostile(raw(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(range(256)) * 20)),
    "animated webp of 16383 pixels a side": Hostile(animation_bomb, harmless=True),
    "apng of 100000 frames": Hostile(apng_bomb, harmless=True),
}  # fmt: skip


NAMES = [
    "-y.mp4",
    "; rm -rf ~.mp4",
    "100%d%s%n.mp4",
    "new\nline.mp4",
    "../../etc/passwd.mp4",
    "é" * 127 + ".mp4",
    "a\0b.mp4",
    ".mp4",
    "CON.mp4",
]
"""Names of honest films: what a file is called must not change what is done."""
