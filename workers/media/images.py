"""Photos and animated images that ffmpeg does not read correctly: HEIC, HEIF, AVIF, animated WebP, animated PNG.

Pillow and pillow-heif read them in the sandbox: tiles, rotation and mirroring, the primary image, 10 bits, alpha, colour
profiles, frame durations. The output is a picture or a film that all other code can process.

`python -m workers.media.images still|moving FILE TARGET` converts a file, in the sandbox. `describe()` is also called there.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.errors import AttemptFailed, MediaRejected
from workers.media.formats import PIXELS_MAX
from workers.sandbox import isolated, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMITS = sandbox.Limits(seconds=600, memory_bytes=8 * sandbox.GIB, data_bytes=3 * sandbox.GIB, file_bytes=8 * sandbox.GIB)
UNREADABLE, TOO_LARGE = 3, 4
"""Exit codes."""
CONTAINERS = {"HEIF": "heif", "AVIF": "avif", "WEBP": "webp_anim", "PNG": "apng"}
"""Format of Pillow -> `Media.container`."""
CODECS = {"heif": "hevc", "avif": "av1", "webp_anim": "webp", "apng": "apng"}
RENDERED = tuple(CODECS)
"""Containers whose picture is read from a converted file: see `render`."""
FRAMES_MAX = 20_000
FILM_PIXELS_MAX = 1 << 33
"""All frames together: half a minute of 4K."""
PROBED_PIXELS_MAX = 1 << 28
"""All frames together, for the probe: above this, the duration is an estimate until the file is rendered."""
MS = Fraction(1, 1000)
SHORTEST_MS, USUAL_MS = 11, 100
"""Browsers show a frame with a shorter duration for 100 ms."""
ORIENTATION = 0x0112
SIDEWAYS = (5, 6, 7, 8)


def render(source: Path, folder: Path, *, moving: bool, check: Callable[[], None] = lambda: None) -> Path:
    """Convert a still to PNG in sRGB, upright, or an animation to Matroska; return the new file.

    Raises:
        MediaRejected: the image cannot be decoded, or is too large.
    """
    target = folder / ("rendered.mkv" if moving else "rendered.png")
    arguments = ["moving" if moving else "still", str(source), str(target)]
    finished = isolated.run(
        "workers.media.images", arguments, folder=folder, limits=LIMITS, on_line=lambda line: None, check=check
    )
    if finished.code == TOO_LARGE:
        raise MediaRejected(f"The input's picture has more than {FRAMES_MAX} frames or {FILM_PIXELS_MAX} pixels in all")
    if finished.code == UNREADABLE or finished.code < 0:
        raise MediaRejected("The input's picture could not be decoded")
    if finished.code != 0:
        raise AttemptFailed(f"The picture could not be decoded: code {finished.code}")
    return target


def main() -> None:
    """Run the command line."""
    how, source, target = sys.argv[-3:]
    try:
        with _open(Path(source)) as picture:
            if how == "moving":
                _film(picture, Path(target))
            else:
                _upright(picture).save(target, "PNG", compress_level=1)
    except (OSError, ValueError, SyntaxError, EOFError):
        sys.exit(UNREADABLE)
    except OverflowError:
        sys.exit(TOO_LARGE)


def describe(file: Path) -> dict[str, Any]:
    """Return the description of a file in these formats, like `describe.py`.

    Raises:
        ValueError: the file is in another format.
    """
    try:
        with _open(file) as picture:
            frames = getattr(picture, "n_frames", 1)
            container = CONTAINERS[picture.format or ""]
            moving = frames > 1 and container != "heif"  # several images in a HEIF are not a film
            seconds = sum(_milliseconds(picture)) / 1000 if moving else 0
            orientation = _orientation(picture)
            turned = orientation in SIDEWAYS and picture.format != "HEIF"  # the reader has already turned it
            width, height = picture.size[:: -1 if turned else 1]
            depth = int(picture.info.get("bit_depth") or 8)
    except (OSError, SyntaxError, KeyError, EOFError, OverflowError) as error:
        raise ValueError("not a picture that can be read") from error
    stream = {"kind": "video", "codec": CODECS[container], "width": width, "height": height, "frames": frames if moving else 0}
    stream |= {"pixel_format": f"{picture.mode.lower()}{depth if depth > 8 else ''}", "field_order": "progressive"}  # noqa: PLR2004
    stream |= {"fps": round(frames / seconds, 3), "duration": seconds} if moving else {}
    found = {"container": container, "duration": seconds, "bitrate": 0, "streams": [stream], "stream_count": 1}
    return found | {"tags": _tags(picture), "orientation": orientation}


def _open(file: Path) -> Any:
    """Open an image and check its size; nothing is decoded yet."""
    import pillow_heif  # noqa: PLC0415 - only this process pays for it
    from PIL import Image  # noqa: PLC0415

    pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)
    Image.MAX_IMAGE_PIXELS = None  # the probe reports it in our words
    picture = Image.open(file, formats=["HEIF", "AVIF", "WEBP", "PNG"])
    if picture.width * picture.height > PIXELS_MAX and sys.argv[-3] in ("still", "moving"):
        raise OverflowError
    return picture


def _tags(picture: Any) -> dict[str, str]:
    """Return the names of metadata blocks that may be private."""
    names = {"exif": "Exif", "xmp": "XMP", "XML:com.adobe.xmp": "XMP", "metadata": "metadata"}
    return {name: "" for key, name in names.items() if picture.info.get(key)}


def _orientation(picture: Any) -> int:
    """Return the EXIF orientation of the stored image."""
    if picture.format == "HEIF":
        return int(picture.info.get("original_orientation") or 1)
    return int(picture.getexif().get(ORIENTATION, 1))


def _upright(picture: Any) -> Any:
    """Return an upright image with 8 bits in sRGB."""
    import io  # noqa: PLC0415

    from PIL import ImageCms, ImageOps  # noqa: PLC0415

    profile = picture.info.get("icc_profile")
    picture.load()
    turned = picture if picture.format == "HEIF" else ImageOps.exif_transpose(picture)  # the HEIF reader has done it
    shown = turned.convert("RGBA" if "A" in turned.mode or "transparency" in turned.info else "RGB")
    if profile:
        alpha = shown.getchannel("A") if shown.mode == "RGBA" else None
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            srgb: Any = ImageCms.createProfile("sRGB")
            shown = ImageCms.profileToProfile(shown.convert("RGB"), source, srgb, outputMode="RGB") or shown
        except (ImageCms.PyCMSError, OSError):
            return shown  # a damaged or unsuitable profile is ignored, as viewers do
        if alpha is not None:
            shown.putalpha(alpha)
    shown.info = {}
    return shown


def _milliseconds(picture: Any) -> Iterator[int]:
    """Yield the duration of each frame, in ms."""
    if picture.n_frames > FRAMES_MAX:
        raise OverflowError
    known = picture.n_frames * picture.width * picture.height <= PROBED_PIXELS_MAX
    for number in range(picture.n_frames):
        picture.seek(number)
        if known:  # known only after decoding a frame
            picture.load()
        yield _shown(picture)
    picture.seek(0)


def _shown(picture: Any) -> int:
    length = round(picture.info.get("duration") or 0)
    return length if length >= SHORTEST_MS else USUAL_MS


def _film(picture: Any, target: Path) -> None:
    """Write each full frame with its time, losslessly."""
    import av  # noqa: PLC0415

    if picture.n_frames > FRAMES_MAX or picture.n_frames * picture.width * picture.height > FILM_PIXELS_MAX:
        raise OverflowError
    with av.open(str(target), "w", format="matroska") as film:
        stream = film.add_stream("ffv1", rate=Fraction(1000, USUAL_MS), options={"level": "3"})
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "bgra"
        stream.time_base = stream.codec_context.time_base = MS
        at = 0
        for number in range(picture.n_frames):
            picture.seek(number)
            picture.load()
            length = _shown(picture)
            frame: Any = av.VideoFrame.from_image(  # type: ignore[no-untyped-call]
                picture.convert("RGBA")
            ).reformat(format="bgra")
            frame.pts, frame.time_base, frame.duration = at, MS, length
            for packet in stream.encode(frame):
                packet.duration = length
                film.mux(packet)
            at += length
        film.mux(stream.encode())
