"""`thumbnail`: the right moment, size and file, read by PyAV and a WebVTT parser."""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Any

import av
import pytest
import webvtt

from chalicelib.errors import MediaRejected
from tests.media import run, run_ffmpeg, synthesise
from workers.media import sharpness

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds: two black, two blurred, two sharp."""
    target = tmp_path_factory.mktemp("source") / "film.mp4"
    chain = "[0][1][2]concat=n=3:v=1[out]"
    parts = ["color=black:size=320x180:rate=25:duration=2", "testsrc2=size=320x180:rate=25:duration=2,boxblur=12"]
    inputs = [word for part in [*parts, "testsrc2=size=320x180:rate=25:duration=2"] for word in ("-f", "lavfi", "-i", part)]
    run_ffmpeg(*inputs, "-filter_complex", chain, "-map", "[out]", "-pix_fmt", "yuv420p", "-g", "25", target)
    return target


def look(file: Path) -> tuple[str, int, int]:
    with file.open("rb") as opened, av.open(opened) as media:
        stream = media.streams.video[0]
        assert next(media.decode(video=0)).width == stream.width
        return stream.codec_context.codec.canonical_name, stream.width, stream.height


@pytest.mark.parametrize(
    ("params", "picture"),
    [
        ({}, ("mjpeg", 320, 180)),
        ({"format": "png", "width": 160}, ("png", 160, 90)),
        ({"format": "webp", "height": 45, "at": "100%"}, ("webp", 80, 45)),
        ({"width": 100, "height": 100, "at": 3}, ("mjpeg", 100, 56)),
        ({"width": 100, "height": 100, "fit": "cover", "at": "50%"}, ("mjpeg", 100, 100)),
        ({"width": 101, "height": 99, "fit": "pad", "at": 5.999}, ("mjpeg", 101, 99)),
        ({"width": 2000}, ("mjpeg", 320, 180)),  # never enlarged
    ],
    ids=str,
)
def test_sizes_and_formats(source: Path, tmp_path: Path, params: dict[str, Any], picture: tuple[str, int, int]) -> None:
    done = run("thumbnail", source, tmp_path / "job", params)
    assert [look(output.path) for output in done.outputs] == [picture]
    assert (done.result["width"], done.result["height"]) == picture[1:]


def test_the_best_frame_is_neither_black_nor_blurred(source: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    result = run("thumbnail", source, tmp_path / "job", {"candidates": 6}, progress=shares.append).result
    assert result["pictures"][0]["at"] >= 4
    assert result["pictures"][0]["score"] > 1
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_scores() -> None:
    flat, dark = bytes([128]) * (160 * 90), bytes([3, 9] * (80 * 90))
    stripes = bytes([40, 200] * (80 * 90))
    soft = bytes(round(128 + 70 * ((at % 160) / 80 - 1)) for at in range(160 * 90))
    assert sharpness.score(flat) == sharpness.score(dark) == 0
    assert 0 < sharpness.score(soft) < sharpness.score(stripes)


def test_a_black_film_has_a_thumbnail_all_the_same(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "color=black:size=64x64:duration=1", tmp_path / "black.mp4")
    assert run("thumbnail", tmp_path / "black.mp4", tmp_path / "job").result["pictures"][0]["score"] == 0


def test_the_moment_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    """The film turns from red to blue at its third second."""
    parts = [
        word for colour in ("red", "blue") for word in ("-f", "lavfi", "-i", f"color={colour}:size=64x64:rate=25:duration=3")
    ]
    run_ffmpeg(*parts, "-filter_complex", "concat=n=2", "-g", "250", tmp_path / "film.mp4")
    for at, blue in (("2.9", False), ("3.1", True)):
        output = run("thumbnail", tmp_path / "film.mp4", tmp_path / f"at-{at}", {"at": float(at), "format": "png"}).outputs[0]
        with output.path.open("rb") as opened, av.open(opened) as media:
            red, _, other = _first_pixel(media)
        assert (other > red) is blue


def _first_pixel(media: Any) -> tuple[int, int, int]:
    plane = bytes(next(media.decode(video=0)).to_rgb().planes[0])
    return plane[0], plane[1], plane[2]


def test_the_last_frame_of_a_slow_film(tmp_path: Path) -> None:
    """Six frames, one a second, each of another grey."""
    run_ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "color=size=64x64:rate=1:duration=6",
        "-vf",
        "geq=lum='40*N':cb=128:cr=128",
        "-qp",
        "0",
        tmp_path / "film.mp4",
    )
    for at, grey in ((0, 0), (0.9, 0), (1, 40), (5.0, 200), (5.5, 200), ("100%", 200)):
        output = run("thumbnail", tmp_path / "film.mp4", tmp_path / f"at-{at}", {"at": at, "format": "png"}).outputs[0]
        with output.path.open("rb") as opened, av.open(opened) as media:
            assert abs(bytes(next(media.decode(video=0)).reformat(format="gray").planes[0])[0] - grey) < 25, at
    pictures = run("thumbnail", tmp_path / "film.mp4", tmp_path / "six", {"count": 6, "format": "png"}).outputs
    assert len({picture.path.read_bytes() for picture in pictures}) == 6


def test_a_sprite_sheet_and_the_track_that_maps_it(source: Path, tmp_path: Path) -> None:
    done = run("thumbnail", source, tmp_path / "job", {"count": 7, "sprite": True, "width": 64, "height": 64})
    sheet, track = done.outputs
    assert look(sheet.path) == ("mjpeg", 3 * 64, 3 * 36)
    assert (track.mime, track.refers_to) == ("text/vtt", (sheet.name,))
    cues = list(webvtt.read(str(track.path)))
    assert len(cues) == 7
    assert (cues[0].start_in_seconds, cues[-1].end_in_seconds) == (0, 6)
    assert [cue.text for cue in cues][:4] == [f"output.jpg#xywh={x},{y},64,36" for x, y in ((0, 0), (64, 0), (128, 0), (0, 36))]
    assert all(one.end == other.start for one, other in itertools.pairwise(cues))


def test_several_pictures(source: Path, tmp_path: Path) -> None:
    done = run("thumbnail", source, tmp_path / "job", {"count": 3, "format": "png"})
    assert [output.name for output in done.outputs] == ["picture-001.png", "picture-002.png", "picture-003.png"]
    assert [picture["at"] for picture in done.result["pictures"]] == [1, 3, 5]


def test_of_a_picture_and_of_the_cover_of_a_song(source: Path, tmp_path: Path) -> None:
    still = run("thumbnail", source, tmp_path / "still").outputs[0].path
    assert look(run("thumbnail", still, tmp_path / "of-still", {"width": 32}).outputs[0].path) == ("mjpeg", 32, 18)
    cover = ["-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic"]
    run_ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-i", still, *cover, tmp_path / "song.mp3")
    assert look(run("thumbnail", tmp_path / "song.mp3", tmp_path / "of-song").outputs[0].path) == ("mjpeg", 320, 180)


@pytest.mark.parametrize(
    ("params", "text"),
    [({"at": 7}, "params.at is 7 s, but the input is 6 s long"), ({"count": 3}, "no picture, and no cover")],
)
def test_what_cannot_be(source: Path, tmp_path: Path, params: dict[str, Any], text: str) -> None:
    if "count" in params:
        run_ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tmp_path / "sound.wav")
    with pytest.raises(MediaRejected, match=text):
        run("thumbnail", source if "at" in params else tmp_path / "sound.wav", tmp_path / "job", params)


def test_nothing_of_a_photo_s_notes_is_in_its_thumbnail(source: Path, tmp_path: Path) -> None:
    photo = run("thumbnail", source, tmp_path / "photo").outputs[0].path
    tiff = b"II\x2a\0" + struct.pack("<IHHHIII", 8, 1, 0x010E, 2, 12, 26, 0) + b"SECRETPLACE\0"
    block = b"Exif\0\0" + tiff
    data = photo.read_bytes()
    photo.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:])
    for kind in ("png", "jpg", "webp"):
        assert b"SECRETPLACE" not in run("thumbnail", photo, tmp_path / kind, {"format": kind}).outputs[0].path.read_bytes()


def test_a_picture_that_is_shorter_than_the_sound(tmp_path: Path) -> None:
    given = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=2", "-f", "lavfi", "-i", "sine=duration=6"]
    run_ffmpeg(*given, "-pix_fmt", "yuv420p", tmp_path / "film.mp4")
    for params in ({"count": 4}, {"at": "90%"}, {"at": 3}, {}):
        assert run("thumbnail", tmp_path / "film.mp4", tmp_path / str(params), params).outputs


def test_a_damaged_place_in_the_middle(tmp_path: Path) -> None:
    data = bytearray(synthesise(tmp_path / "whole.mp4", "-g", "10", "-movflags", "+faststart", seconds=6).read_bytes())
    begin = data.index(b"mdat")
    for at in range(begin + (len(data) - begin) * 2 // 5, begin + (len(data) - begin) * 3 // 5):
        data[at] = at * 7 % 256
    (tmp_path / "film.mp4").write_bytes(data)
    assert run("thumbnail", tmp_path / "film.mp4", tmp_path / "job").outputs
    assert run("analysis", tmp_path / "film.mp4", tmp_path / "analysis").result["video"]["dominant_colors"]


def test_pixels_that_are_said_to_be_a_thousand_times_as_wide_as_high(tmp_path: Path) -> None:
    run_ffmpeg("-i", synthesise(tmp_path / "clip.mp4"), "-vf", "setsar=1000", tmp_path / "wide.mp4")
    assert look(run("thumbnail", tmp_path / "wide.mp4", tmp_path / "job", {"at": 1}).outputs[0].path)[1:] == (2560, 360)


def test_a_portrait_picture_of_a_phone(tmp_path: Path) -> None:
    run_ffmpeg("-display_rotation", "90", "-i", synthesise(tmp_path / "clip.mp4"), "-c", "copy", tmp_path / "turned.mp4")
    assert look(run("thumbnail", tmp_path / "turned.mp4", tmp_path / "job", {"at": 1}).outputs[0].path)[1:] == (360, 640)
