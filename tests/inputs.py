"""Makes small files of kinds that failed somewhere. `RECIPES` names each."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.media import run_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=3")
TONE = ("-f", "lavfi", "-i", "sine=440:d=3")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
INTERLACED = ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "4M")
FIFTY = "testsrc2=s=640x480:r=50:d=3"


def unknown_sound(target: Path, fourcc: bytes = b"apac") -> None:
    """A phone's second sound track, of a codec that nothing here decodes and without its configuration."""
    run_ffmpeg(*PICTURE, *TONE, *TONE, "-map", "0", "-map", "1", "-map", "2", *H264, "-c:a", "aac", target)
    data = target.read_bytes()
    entry = data.rindex(b"stsd")
    target.write_bytes(data[:entry] + data[entry:].replace(b"mp4a", fourcc).replace(b"esds", b"dapa"))


def only_unknown_sound(target: Path) -> None:
    run_ffmpeg(*TONE, "-c:a", "aac", target)
    data = target.read_bytes().replace(b"mp4a", b"apac").replace(b"esds", b"dapa")
    target.write_bytes(data)


def unknown_sound_first(target: Path) -> None:
    """The unknown one comes first, and is the default."""
    run_ffmpeg(*PICTURE, *TONE, *TONE, "-map", "0", "-map", "1", "-map", "2", *H264, "-c:a", "aac", target)
    data = target.read_bytes()
    entry, end = data.index(b"smhd", data.rindex(b"moov")), data.rindex(b"smhd")
    changed = data[entry:end].replace(b"mp4a", b"apac").replace(b"esds", b"dapa")
    target.write_bytes(data[:entry] + changed + data[end:])


def garbage_sound(target: Path) -> None:
    """The bytes of a sound track are noise: its header is fine, and no packet can be decoded."""
    film = target.with_name("film.mkv")
    run_ffmpeg(*PICTURE, *TONE, *TONE, "-map", "0", "-map", "1", "-map", "2", *H264, "-c:a", "flac", film)
    run_ffmpeg("-i", film, "-map", "0", "-c", "copy", "-bsf:a:0", "noise=amount=1", target)
    film.unlink()


def empty_sound(target: Path) -> None:
    """The first sound track has a header and no sample."""
    run_ffmpeg(
        *PICTURE, *TONE, *TONE, "-map", "0", "-map", "1", "-map", "2", *H264, "-c:a", "flac", "-bsf:a:0", "noise=drop=1", target
    )


def commentary_first(target: Path) -> None:
    """The first sound track is a commentary (300 Hz); people hear the second (3 kHz), which is marked as the default."""
    sounds = ("-f", "lavfi", "-i", "sine=300:d=3", "-f", "lavfi", "-i", "sine=3000:d=3")
    maps = ("-map", "0", "-map", "1", "-map", "2", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger")
    run_ffmpeg(
        *PICTURE, *sounds, *maps, *H264, "-c:a", "aac", "-disposition:a:0", "comment", "-disposition:a:1", "default", target
    )


def side_channels(target: Path) -> None:
    """Film sound in the layout 5.1(side), which Opus does not take as it is."""
    sound = "aevalsrc=0.1*sin(440*t)|0|0.1*sin(220*t)|0|0|0:c=5.1(side):d=3"
    run_ffmpeg(*PICTURE, "-f", "lavfi", "-i", sound, *H264, "-c:a", "ac3", target)


def interlaced(target: Path, first: str = "top") -> None:
    """Combs where something moves, unless it is deinterlaced."""
    order = f"tinterlace=interleave_{first},setfield={'tff' if first == 'top' else 'bff'}"
    run_ffmpeg("-f", "lavfi", "-i", FIFTY, "-vf", order, *INTERLACED, target)


def marked_progressive(target: Path) -> None:
    """Interlaced frames in a file that says it is progressive."""
    run_ffmpeg("-f", "lavfi", "-i", FIFTY, "-vf", "tinterlace=interleave_top,setfield=prog", *H264, target)


def marked_interlaced(target: Path) -> None:
    """A progressive film in a file that says it is interlaced."""
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=640x480:r=25:d=3", "-vf", "setfield=tff", *INTERLACED, target)


def broken_off(target: Path, share: float = 0.6) -> None:
    """An upload that broke off: its index says 3 s, a part of its bytes is there."""
    run_ffmpeg(*PICTURE, *TONE, *H264, "-c:a", "aac", "-movflags", "+faststart", target)
    data = target.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])


def broken_off_mkv(target: Path) -> None:
    run_ffmpeg(*PICTURE, *TONE, *H264, "-c:a", "aac", target)
    data = target.read_bytes()
    target.write_bytes(data[: int(len(data) * 0.8)])


def damaged(target: Path) -> None:
    """Bytes in the middle are wrong; nothing is missing."""
    run_ffmpeg(*PICTURE, *TONE, *H264, "-g", "10", "-c:a", "aac", target)
    data = bytearray(target.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(range(250)) * 12
    target.write_bytes(data)


def time_code(target: Path) -> None:
    """A time code track, which says when and by which camera clock it was filmed."""
    run_ffmpeg(*PICTURE, *TONE, *H264, "-c:a", "aac", "-timecode", "01:00:00:00", target)


def animated_webp(target: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:d=1:r=10", "-c:v", "libwebp_anim", "-loop", "0", target)


def animated_png(target: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:d=1:r=10", "-plays", "0", "-f", "apng", target)


def quadrants(size: tuple[int, int] = (1200, 800)) -> object:
    """A picture that tells where up is: red, green; blue, black."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", size)
    draw, (width, height) = ImageDraw.Draw(picture), (size[0] // 2, size[1] // 2)
    for colour, x, y in [("red", 0, 0), ("green", width, 0), ("blue", 0, height), ("black", width, height)]:
        draw.rectangle([x, y, x + width - 1, y + height - 1], fill=colour)
    return picture


def camera_exif() -> object:
    """What a phone writes: its maker, and where it was."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x010F] = "SECRETMAKER"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)})
    return exif


def heic(target: Path) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    quadrants().save(target, "HEIF", quality=90, exif=camera_exif(), xmp=b"<x:xmpmeta>SECRETPLACE</x:xmpmeta>")  # type: ignore[attr-defined]


def avif(target: Path) -> None:
    quadrants().save(target, "AVIF", quality=90, exif=camera_exif(), xmp=b"<x:xmpmeta>SECRETPLACE</x:xmpmeta>")  # type: ignore[attr-defined]


def animated_avif(target: Path) -> None:
    from PIL import Image

    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
    frames[0].save(target, "AVIF", save_all=True, append_images=frames[1:], duration=[200, 300, 400])


def user_data_sei(payload: bytes, kind: int = 5) -> bytes:
    """An SEI NAL unit of H.264 with one message, without its length."""
    body = bytes([kind, len(payload)]) + payload + b"\x80"
    escaped = bytearray()
    for byte in body:
        if escaped[-2:] == b"\0\0" and byte <= 3:
            escaped.append(3)
        escaped.append(byte)
    return b"\x06" + bytes(escaped)


def with_user_data(target: Path, *units: bytes) -> None:
    """An H.264 film whose first frames carry SEI units: made as a raw stream, then put into the container of `target`."""
    raw, changed = target.with_name("raw.h264"), target.with_name("changed.h264")
    run_ffmpeg(*PICTURE, *H264, "-x264-params", "keyint=25", "-bsf:v", "h264_mp4toannexb", "-f", "h264", raw)
    data = raw.read_bytes()
    marks = b"".join(b"\0\0\0\1" + unit for unit in units)
    at = data.index(b"\0\0\1\x65")  # the first slice of a key frame
    changed.write_bytes(data[:at] + marks[1:] + b"\0" * 0 + data[at:])
    run_ffmpeg("-r", "25", "-i", changed, "-c", "copy", target)
    raw.unlink()
    changed.unlink()


DRONE = b"\x11" * 16 + b"SECRET 52.5,13.4 SN12345" + struct.pack(">II", 0, 1)
CAPTIONS = b"\xb5\0\x31GA94\x03\xc1\xff\xfc\x80\x80\xff"

RECIPES: dict[str, Callable[[Path], None]] = {
    "unknown_sound.mov": unknown_sound,
    "unknown_sound_first.mov": unknown_sound_first,
    "garbage_sound.mkv": garbage_sound,
    "empty_sound.mkv": empty_sound,
    "commentary_first.mkv": commentary_first,
    "side_channels.mkv": side_channels,
    "interlaced.mpg": interlaced,
    "bottom_first.mpg": lambda target: interlaced(target, "bottom"),
    "marked_progressive.mp4": marked_progressive,
    "marked_interlaced.mpg": marked_interlaced,
    "broken_off.mp4": broken_off,
    "broken_off.mkv": broken_off_mkv,
    "damaged.mp4": damaged,
    "time_code.mov": time_code,
    "animated.webp": animated_webp,
    "animated.png": animated_png,
    "animated.avif": animated_avif,
    "photo.heic": heic,
    "photo.avif": avif,
}
