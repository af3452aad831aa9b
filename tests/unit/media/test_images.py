"""HEIC, AVIF and animated images: upright, described, and without private metadata."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import av
import pillow_heif
import pytest
from PIL import Image, ImageCms

from chalicelib.errors import MediaRejected
from tests import inputs
from tests.media import make_work, run
from tests.sampling import sampled
from workers.attempt.attempt import RUN
from workers.media import probe
from workers.privacy import heif_metadata

if TYPE_CHECKING:
    from pathlib import Path

pillow_heif.register_heif_opener()
CORNERS = {"red": (0.25, 0.25), "green": (0.75, 0.25), "blue": (0.25, 0.75), "black": (0.75, 0.75)}
RGB = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255), "black": (0, 0, 0)}
MAKERS = {"heic": inputs.heic, "avif": inputs.avif}


def quadrant_colours(file: Path) -> list[str]:
    """Name the colours of the quadrants, from the top left by rows."""
    with Image.open(file) as picture:
        shown = picture.convert("RGB")
        found = []
        for x, y in CORNERS.values():
            pixel = shown.getpixel((int(shown.width * x), int(shown.height * y)))
            found.append(min(RGB, key=lambda name: sum(abs(a - b) for a, b in zip(RGB[name], pixel, strict=True))))  # type: ignore[arg-type]
    return found


def save_turned(file: Path, orientation: int) -> None:
    """Save the picture so that it is shown turned: by the format's own irot and imir, as phones do."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture: Any = inputs.quadrants()
    if file.suffix == ".avif":
        picture.save(file, "AVIF", exif=exif, quality=90)
    else:
        photo = pillow_heif.from_pillow(picture)
        photo[0].info["exif"] = exif.tobytes()
        photo.save(file, quality=90)
    assert (b"irot" in file.read_bytes() or b"imir" in file.read_bytes()) == (orientation != 1)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("format_", sampled(["jpg", "png", "webp"], lambda format_: format_ == "jpg"))
def test_a_thumbnail_is_the_photo(tmp_path: Path, kind: str, format_: str) -> None:
    MAKERS[kind](tmp_path / f"photo.{kind}")
    done = run("thumbnail", tmp_path / f"photo.{kind}", tmp_path / "job", {"width": 300, "format": format_})
    assert (done.result["width"], done.result["height"]) == (300, 200)
    assert quadrant_colours(done.outputs[0].path) == ["red", "green", "blue", "black"]
    assert b"SECRET" not in done.outputs[0].path.read_bytes()


@pytest.mark.parametrize(
    ("orientation", "corners"),
    sampled([
        (1, ["red", "green", "blue", "black"]), (2, ["green", "red", "black", "blue"]), (3, ["black", "blue", "green", "red"]),
        (6, ["blue", "red", "black", "green"]), (8, ["green", "black", "red", "blue"]), (5, ["red", "blue", "green", "black"]),
    ], lambda case: case[0] in (6, 5)),

)  # fmt: skip
@pytest.mark.parametrize("kind", MAKERS)
def test_turned_and_mirrored_photos_are_upright(tmp_path: Path, kind: str, orientation: int, corners: list[str]) -> None:
    file = tmp_path / f"photo.{kind}"
    save_turned(file, orientation)
    done = run("thumbnail", file, tmp_path / "job", {"format": "png"})
    sideways = orientation > 4
    assert (done.result["width"], done.result["height"]) == ((800, 1200) if sideways else (1200, 800))
    assert quadrant_colours(done.outputs[0].path) == corners
    found = run("analysis", file, tmp_path / "analysis").result["video"]
    assert (found["width"], found["height"]) == ((800, 1200) if sideways else (1200, 800))
    assert found["orientation"] == orientation


def test_the_primary_picture_of_several(tmp_path: Path) -> None:
    several = pillow_heif.from_pillow(Image.new("RGB", (64, 48), "red"))
    several.add_from_pillow(inputs.quadrants((128, 96)))  # type: ignore[arg-type]
    several.save(tmp_path / "several.heic", primary_index=1)
    done = run("thumbnail", tmp_path / "several.heic", tmp_path / "job")
    assert (done.result["width"], done.result["height"]) == (128, 96)
    assert quadrant_colours(done.outputs[0].path) == ["red", "green", "blue", "black"]


def test_a_grid_of_tiles_as_phones_make_it(tmp_path: Path) -> None:
    file = tmp_path / "photo.heic"
    inputs.quadrants().save(file, "HEIF", quality=90, tile_size=256, exif=inputs.camera_exif())  # type: ignore[attr-defined]
    assert b"grid" in file.read_bytes()
    done = run("thumbnail", file, tmp_path / "job", {"format": "png"})
    assert (done.result["width"], done.result["height"]) == (1200, 800)
    assert quadrant_colours(done.outputs[0].path) == ["red", "green", "blue", "black"]
    cleaned = run("upload", file, tmp_path / "upload").outputs[0].path
    assert b"SECRET" not in cleaned.read_bytes()
    with Image.open(file) as before, Image.open(cleaned) as after:
        assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("kind", MAKERS)
def test_alpha_and_ten_bits(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"photo.{kind}"
    picture = inputs.quadrants((128, 96)).convert("RGBA")  # type: ignore[attr-defined]
    picture.putalpha(128)
    picture.save(file, {"heic": "HEIF"}.get(kind, "AVIF"))
    done = run("thumbnail", file, tmp_path / "job", {"format": "png"})
    with Image.open(done.outputs[0].path) as made:
        assert made.convert("RGBA").getpixel((5, 5))[3] == pytest.approx(128, abs=3)  # type: ignore[index]
    if kind == "heic":
        deep = pillow_heif.from_bytes("RGB;16", (64, 48), struct.pack("<3H", 65535, 0, 0) * 64 * 48)
        deep.save(tmp_path / "deep.heic", bit_depth=10)
        done = run("thumbnail", tmp_path / "deep.heic", tmp_path / "deep")
        with Image.open(done.outputs[0].path) as made:
            assert made.convert("RGB").getpixel((5, 5))[0] > 245  # type: ignore[index]


def test_colours_are_those_of_the_profile(tmp_path: Path) -> None:
    """A profile in which the channels are swapped: whoever ignores it shows blue for red."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, blue = srgb.index(b"rXYZ"), srgb.index(b"bXYZ")
    swapped = bytearray(srgb)
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    Image.new("RGB", (64, 48), "red").save(tmp_path / "photo.heic", "HEIF", icc_profile=bytes(swapped))
    done = run("thumbnail", tmp_path / "photo.heic", tmp_path / "job")
    with Image.open(done.outputs[0].path) as made:
        pixel: Any = made.convert("RGB").getpixel((10, 10))
    assert pixel[2] > 200
    assert pixel[0] < 60


@pytest.mark.parametrize("kind", MAKERS)
def test_an_upload_has_no_place_and_the_same_pixels(tmp_path: Path, kind: str) -> None:
    given = tmp_path / f"photo.{kind}"
    MAKERS[kind](given)
    given.write_bytes(given.read_bytes() + struct.pack(">I", 24) + b"uuid" + b"SECRETSECRETSECR" + b"SECRET" * 3)
    done = run("upload", given, tmp_path / "job")
    made = done.outputs[0].path
    assert b"SECRET" in given.read_bytes()
    assert b"SECRET" not in made.read_bytes()
    assert done.result["type"] == f"image/{kind}"
    assert {"Exif", "XMP"} <= set(done.result["removed_tags"])
    with Image.open(given) as before, Image.open(made) as after:
        assert before.tobytes() == after.tobytes()
        assert dict(after.getexif().get_ifd(0x8825)) == {}
        assert 0x010F not in after.getexif()
    with av.open(str(made)) as opened:  # by another reader
        assert next(opened.decode(video=0)).width


@pytest.mark.parametrize(("kind", "frames"), sampled([("webp", 10), ("png", 10), ("avif", 3)], lambda case: case[0] != "png"))
def test_animated_pictures_are_films(tmp_path: Path, kind: str, frames: int) -> None:
    file = tmp_path / f"animated.{kind}"
    inputs.RECIPES[f"animated.{kind}"](file)
    length = 0.9 if kind == "avif" else 1.0
    done = run("transcoding", file, tmp_path / "job", {"format": "mkv", "preset": "ultrafast"})
    with av.open(str(done.outputs[0].path)) as film:
        times = [float(frame.time or 0) for frame in film.decode(video=0)]
    assert len(times) == frames
    assert times[:3] == pytest.approx([0, 0.2, 0.5] if kind == "avif" else [0, 0.1, 0.2], abs=0.01)
    assert done.result["duration"] == pytest.approx(length, abs=0.11)
    assert run("thumbnail", file, tmp_path / "thumbnail").result["pictures"][0]["at"] > 0 or kind == "avif"
    assert run("analysis", file, tmp_path / "analysis").result["duration"] == pytest.approx(length, abs=0.01)
    cleaned = run("upload", file, tmp_path / "upload")
    assert cleaned.result["type"] == f"image/{kind}"
    with Image.open(cleaned.outputs[0].path) as again:
        assert again.n_frames == frames  # type: ignore[attr-defined]


def test_a_gif_too(tmp_path: Path) -> None:
    inputs.run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:d=1:r=10", tmp_path / "animated.gif")
    assert run("transcoding", tmp_path / "animated.gif", tmp_path / "job", {"preset": "ultrafast"}).result["duration"] == 1.0


class TestHostile:
    def photo(self, tmp_path: Path) -> bytearray:
        inputs.heic(tmp_path / "honest.heic")
        return bytearray((tmp_path / "honest.heic").read_bytes())

    def refused(self, tmp_path: Path, data: bytes, *operations: str) -> None:
        (tmp_path / "hostile.heic").write_bytes(data)
        for operation in operations or ("thumbnail", "analysis", "upload"):
            with pytest.raises(MediaRejected):
                run(operation, tmp_path / "hostile.heic", tmp_path / operation)

    def test_a_size_that_lies(self, tmp_path: Path) -> None:
        data = self.photo(tmp_path)
        at = data.index(b"ispe")
        data[at + 8 : at + 16] = struct.pack(">II", 60_000, 60_000)
        self.refused(tmp_path, bytes(data))

    @pytest.mark.parametrize("share", sampled([0.02, 0.1, 0.3, 0.6], lambda share: share in (0.1, 0.6)))
    def test_one_that_breaks_off(self, tmp_path: Path, share: float) -> None:
        data = self.photo(tmp_path)
        self.refused(tmp_path, bytes(data[: int(len(data) * share)]))

    def test_boxes_that_lie(self, tmp_path: Path) -> None:
        """Whatever a length says, the answer is one of ours, or a file without a secret."""
        honest = self.photo(tmp_path)
        for name in (b"meta", b"iinf", b"iloc", b"infe", b"ipco", b"iprp", b"mdat"):
            for size in (0, 7, 0x7FFFFFFF):
                data = bytearray(honest)
                at = data.index(name)
                data[at - 4 : at] = struct.pack(">I", size)
                try:
                    cleaned = heif_metadata.without_private_metadata(bytes(data))
                except heif_metadata.Damaged:
                    continue
                assert b"SECRET" not in cleaned, (name, size)

    def test_thousands_of_tiles(self, tmp_path: Path) -> None:
        """A grid of 256 by 256 tiles, all of them the one picture that there is."""
        data = self.photo(tmp_path)
        at = data.index(b"hvc1", data.index(b"infe"))
        data[at : at + 4] = b"grid"
        self.refused(tmp_path, bytes(data), "thumbnail")

    @pytest.mark.parametrize("kind", ["webp", "png"])
    def test_a_bomb_of_frames(self, tmp_path: Path, kind: str) -> None:
        """A hundred thousand frames of one pixel on a large canvas are a small file."""
        if kind == "webp":
            frame = b"VP8L" + struct.pack("<I", 16) + b"\x2f" + struct.pack("<I", 0) + bytes(11)
            one = b"ANMF" + struct.pack("<I", 16 + len(frame)) + bytes(12) + b"\1\0\0\0" + frame
            canvas = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + (16382).to_bytes(3, "little") * 2
            body = b"WEBP" + canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6) + one * 5000
            data = b"RIFF" + struct.pack("<I", len(body)) + body
        else:
            from tests.security.images import chunk, png

            data = png(16000, 16000, rows=0, extra=chunk(b"acTL", struct.pack(">II", 100_000, 0)))
        (tmp_path / f"bomb.{kind}").write_bytes(data)
        for operation in ("transcoding", "thumbnail", "analysis"):
            with pytest.raises(MediaRejected):
                run(operation, tmp_path / f"bomb.{kind}", tmp_path / operation)


def test_what_the_probe_says_of_a_photo(tmp_path: Path) -> None:
    inputs.heic(tmp_path / "photo.heic")
    media = probe.probe(tmp_path / "photo.heic", decode=True)
    assert (media.container, media.still, media.kind.mime) == ("heif", True, "image/heic")
    work = make_work("upload", tmp_path / "photo.heic", tmp_path / "job", {"strip_metadata": False})
    assert RUN["upload"](work).result["type"] == "image/heic"
