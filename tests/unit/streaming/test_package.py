"""Packages of inputs as people have them follow the rules of players."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import av
import pytest

from chalicelib.domain.captions.parse import parse
from chalicelib.errors import MediaRejected
from tests import inputs
from tests.media import make_work, run, run_ffmpeg, synthesise
from tests.unit.streaming import rules
from workers.operations import transcoding
from workers.streaming import package as made

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HLS: dict[str, Any] = {"format": "hls", "preset": "ultrafast", "thumbnails": False}
TONE = ["-f", "lavfi", "-i", "sine=frequency=440:duration=7"]


def film(target: Path, *extra: str, size: str = "426x240", rate: str = "25", seconds: float = 7) -> Path:
    picture = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]
    run_ffmpeg(*picture, *TONE, *inputs.H264, "-preset", "ultrafast", "-c:a", "aac", *extra, target)
    return target


def fast(target: Path) -> Path:
    return film(target, size="320x180", rate="120", seconds=5)


def variable(target: Path) -> Path:
    """Frames at irregular times, and a second without any."""
    times = "setpts='(N+0.4*mod(N,3)+25*gte(N,60))/25/TB'"
    return film(target, "-vf", times, "-fps_mode", "vfr", size="320x180")


def turned(target: Path) -> Path:
    """A film that was taken with the phone held upright."""
    flat = film(target.with_name("flat.mp4"))
    run_ffmpeg("-display_rotation", "90", "-i", flat, "-c", "copy", target)
    return target


def anamorphic(target: Path) -> Path:
    return film(target, "-vf", "setsar=16/11", size="352x288")


def interlaced(target: Path) -> Path:
    lined = ["-vf", "tinterlace=interleave_top,fieldorder=tff", "-flags", "+ilme+ildct", "-c:v", "mpeg2video", "-b:v", "3M"]
    picture = ["-f", "lavfi", "-i", "testsrc2=size=352x288:rate=50:duration=5"]
    run_ffmpeg(*picture, *TONE, *lined, "-c:a", "mp2", target)
    return target


def late_picture(target: Path) -> Path:
    """The sound begins 0.7 s before the picture."""
    picture = ["-itsoffset", "0.7", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=5"]
    run_ffmpeg(*picture, *TONE, *inputs.H264, "-preset", "ultrafast", "-c:a", "aac", target)
    return target


def late_sound(target: Path) -> Path:
    picture = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=7", "-itsoffset", "0.7"]
    run_ffmpeg(*picture, *TONE, *inputs.H264, "-preset", "ultrafast", "-c:a", "aac", "-t", "7", target)
    return target


def gap(target: Path) -> Path:
    """Two seconds of film, and then a minute without any frame."""
    return film(target, "-vf", "setpts='(N+1500*gte(N,50))/25/TB'", "-fps_mode", "vfr", size="256x144")


INPUTS: list[tuple[str, Callable[[Path], Path], str, dict[str, Any]]] = [
    ("25 frames", film, "mp4", {}),
    ("29.97 frames", lambda file: film(file, rate="30000/1001"), "mp4", {}),
    ("120 frames", fast, "mp4", {}),
    ("a rate of one's own", film, "mp4", {"fps": 12.5}),
    ("variable frames", variable, "mkv", {}),
    ("a gap", gap, "mkv", {}),
    ("portrait", turned, "mp4", {}),
    ("wide pixels", anamorphic, "mkv", {}),
    ("interlaced", interlaced, "mpg", {}),
    ("late picture", late_picture, "mkv", {}),
    ("late sound", late_sound, "mkv", {}),
    ("without sound", lambda file: synthesise(file, size="320x180", seconds=5, sound=False), "mp4", {}),
    ("a part", film, "mp4", {"start": 1.3, "duration": 4.2}),
    ("a part of a stream", lambda file: film(file, size="320x180"), "ts", {"start": 1.3, "duration": 4.2}),
    ("tiny and short", lambda file: synthesise(file, size="64x36", seconds=0.4), "mp4", {}),
    ("two codecs", lambda file: synthesise(file, size="256x144", seconds=3), "mp4", {"second_codec": "av1"}),
    ("h265", lambda file: synthesise(file, size="320x180", seconds=5), "mp4", {"codec": "h265"}),
]


@pytest.mark.parametrize(("make", "suffix", "params"), [one[1:] for one in INPUTS], ids=[one[0] for one in INPUTS])
def test_packages_follow_the_rules(tmp_path: Path, make: Callable[[Path], Path], suffix: str, params: dict[str, Any]) -> None:
    source = make(tmp_path / f"film.{suffix}")
    done = run("transcoding", source, tmp_path / "job", {**HLS, "ladder": [{"height": 240}, {"height": 144}], **params})
    package = rules.check(done)
    assert package.pictures


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return turned(tmp_path_factory.mktemp("portrait") / "film.mp4")


def test_portrait_is_turned_and_never_enlarged(tmp_path: Path, portrait: Path) -> None:
    done = run(
        "transcoding", portrait, tmp_path / "job", {**HLS, "ladder": [{"height": 144}, {"height": 720}, {"height": 240}]}
    )
    assert [(one["width"], one["height"]) for one in done.result["renditions"]] == [(240, 426), (144, 256)]


def test_the_first_frame_is_shown_from_the_start(tmp_path: Path) -> None:
    """A sound that begins earlier than the picture does not move them apart."""
    done = run("transcoding", late_picture(tmp_path / "film.mkv"), tmp_path / "job", HLS)
    with av.open(str(tmp_path / "job" / "out" / "h264-180.mp4")) as media:
        times = [float(frame.pts * frame.time_base) for frame in media.decode(video=0)]
    assert times[0] == 0
    assert times[1] == pytest.approx(0.74, abs=0.03)
    assert done.result["duration"] == pytest.approx(7, abs=0.1)


def test_sound_alone_makes_a_package_of_sound(tmp_path: Path) -> None:
    run_ffmpeg(
        *TONE,
        *TONE,
        "-map",
        "0",
        "-map",
        "1",
        "-metadata:s:a:0",
        "language=eng",
        "-metadata:s:a:1",
        "language=fre",
        tmp_path / "a.mka",
    )
    done = run("transcoding", tmp_path / "a.mka", tmp_path / "job", HLS)
    package = rules.check(done)
    assert [(one.name, one.language, one.default) for one in package.sounds] == [
        ("English", "en", "YES"),
        ("French", "fr", "NO"),
    ]
    assert [one.stream_info.codecs for one in package.master.playlists] == ["mp4a.40.2"]
    assert done.result["renditions"] == []


def test_thumbnails_and_captions_are_renditions(tmp_path: Path) -> None:
    source = film(tmp_path / "film.mp4", size="320x180")
    work = make_work("transcoding", source, tmp_path / "job", {**HLS, "thumbnails": True, "captions_file_id": "7b2c0d0e-8c1f-4c1e-9a55-0d3b7d3f0c11", "captions_language": "de"}, captions=b"WEBVTT\n\n00:01.000 --> 00:02.000\nHallo\n\n00:20.000 --> 00:21.000\nzu spaet\n")  # fmt: skip
    done = transcoding.run(work)
    package = rules.check(done)
    shown = [one for one in package.master.media if one.type == "SUBTITLES"]
    assert [(one.name, one.language) for one in shown] == [("German", "de")]
    assert "Hallo" in (package.folder / package.playlist(shown[0].uri).segments[0].uri).read_text()
    assert [one.code for one in work.warnings.items] == ["captions_outside"]
    track = (package.folder / "thumbnails.vtt").read_text()
    assert track.count("thumbnails.jpg#xywh=") == 3
    with av.open(str(package.folder / "thumbnails.jpg")) as media:
        assert (media.streams.video[0].width, media.streams.video[0].height) == (3 * 160, 90)
    assert "#EXT-X-IMAGE-STREAM-INF" in (package.folder / "output.m3u8").read_text()
    assert 'value="3x1"' in (package.folder / "output.mpd").read_text()


def test_a_gap_does_not_make_every_frame_a_keyframe(tmp_path: Path) -> None:
    run("transcoding", gap(tmp_path / "film.mkv"), tmp_path / "job", HLS)
    with av.open(str(tmp_path / "job" / "out" / "h264-144.mp4")) as media:
        keys = [float(frame.pts * frame.time_base) for frame in media.decode(video=0) if frame.key_frame]
    assert len(keys) <= 5


def test_a_damaged_second_sound_does_not_end_the_package(tmp_path: Path) -> None:
    """It is sound at its start, where it is probed."""
    good = film(tmp_path / "good.mkv", size="256x144")
    run_ffmpeg("-i", good, *TONE, "-map", "0", "-map", "1:a", "-c:v", "copy", "-c:a:0", "copy", "-c:a:1", "aac", "-bsf:a:1", "noise=amount='if(lt(n,60),0,1)'", tmp_path / "film.mkv")  # fmt: skip
    work = make_work("transcoding", tmp_path / "film.mkv", tmp_path / "job", HLS)
    done = transcoding.run(work)
    assert done.result["renditions"]
    assert done.result["sounds"][0]["name"] == "sound-1"
    assert {one.code for one in work.warnings.items} & {"stream_ignored", "decode_errors"}


def test_a_sound_of_96_khz_has_48(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "sine=sample_rate=96000:duration=2", tmp_path / "a.wav")
    done = run("transcoding", tmp_path / "a.wav", tmp_path / "job", HLS)
    with av.open(str(tmp_path / "job" / "out" / "sound-1.mp4")) as media:
        assert media.streams.audio[0].rate == done.result["sample_rate"] == 48_000


def test_two_captions_of_a_language_have_two_names(tmp_path: Path) -> None:
    work = make_work("transcoding", film(tmp_path / "film.mp4", size="128x72", seconds=1), tmp_path / "job", HLS)
    captions = parse(b"WEBVTT\n\n00:00.000 --> 00:00.500\nHello\n")
    package = rules.Package(transcoding.run(replace(work, captions_by_language={"en": captions, "eng": captions})))
    assert [one.name for one in package.master.media if one.type == "SUBTITLES"] == ["English", "English (eng)"]


def test_thumbnails_end_with_the_picture(tmp_path: Path) -> None:
    short = film(tmp_path / "film.mkv", size="128x72", seconds=4)  # the sound has 7 s
    run("transcoding", short, tmp_path / "job", {**HLS, "thumbnails": True})
    assert (tmp_path / "job" / "out" / "thumbnails.vtt").read_text().count("#xywh") == 2


def test_captions_cannot_be_drawn_into_a_sound(tmp_path: Path) -> None:
    run_ffmpeg(*TONE, tmp_path / "a.wav")
    burned = {**HLS, "burn_in": True, "captions_file_id": "7b2c0d0e-8c1f-4c1e-9a55-0d3b7d3f0c11"}
    with pytest.raises(MediaRejected, match=r"no picture; params\.burn_in draws into one"):
        run("transcoding", tmp_path / "a.wav", tmp_path / "job", burned, captions=b"WEBVTT\n\n00:00.000 --> 00:00.500\nHello\n")


def test_many_pixels_are_encoded_codec_by_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "PIXELS_TOGETHER", 1000)
    source = film(tmp_path / "film.mp4", size="128x72", seconds=3)
    done = run("transcoding", source, tmp_path / "job", {**HLS, "second_codec": "h265"})
    package = rules.check(done)
    assert [one.stream_info.codecs.split(".")[0] for one in package.pictures] == ["avc1", "hvc1"]
    assert len(package.sounds) == 1


def test_the_default_is_a_sound_that_is_there(tmp_path: Path) -> None:
    """The first sound has ended before the part begins."""
    picture = ["-f", "lavfi", "-i", "testsrc2=size=128x72:rate=25:duration=5"]
    tones = ["-f", "lavfi", "-i", "sine=duration=1", "-f", "lavfi", "-i", "sine=duration=5"]
    maps = ["-map", "0", "-map", "1", "-map", "2", "-disposition:a:0", "default", "-disposition:a:1", "0"]
    run_ffmpeg(*picture, *tones, *maps, *inputs.H264, "-preset", "ultrafast", "-c:a", "aac", tmp_path / "film.mkv")
    package = rules.check(run("transcoding", tmp_path / "film.mkv", tmp_path / "job", {**HLS, "start": 2}))
    assert [(one.uri, one.default) for one in package.sounds] == [("sound-2.m3u8", "YES")]


def test_every_sound_is_made_as_loud(tmp_path: Path) -> None:
    faint = ["-f", "lavfi", "-i", "sine=duration=5,volume=0.05", "-f", "lavfi", "-i", "sine=duration=5"]
    run_ffmpeg(*faint, "-map", "0", "-map", "1", tmp_path / "a.mka")
    run("transcoding", tmp_path / "a.mka", tmp_path / "job", {**HLS, "loudness": -20})
    peaks = []
    for number in (1, 2):
        with av.open(str(tmp_path / "job" / "out" / f"sound-{number}.mp4")) as media:
            peaks.append(max(float(abs(frame.to_ndarray()).max()) for frame in media.decode(audio=0)))
    assert peaks[0] == pytest.approx(peaks[1], rel=0.3)


def test_captions_are_drawn_into_every_rendition(tmp_path: Path) -> None:
    source = film(tmp_path / "film.mp4", size="426x240", seconds=1)
    burned = {"burn_in": True, "captions_file_id": "7b2c0d0e-8c1f-4c1e-9a55-0d3b7d3f0c11"}
    cues = b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello there\n"
    ladder = {**HLS, "ladder": [{"height": 240}, {"height": 144}]}
    plain, drawn = (
        rules.Package(
            run("transcoding", source, tmp_path / str(len(params)), params, captions=cues if "burn_in" in params else None)
        )
        for params in (ladder, ladder | burned)
    )
    for name in ("h264-240.mp4", "h264-144.mp4"):
        assert plain.frames(name)[10] != drawn.frames(name)[10]
    assert not [one for one in drawn.master.media if one.type == "SUBTITLES"]


def test_a_part_after_the_end_is_an_error(tmp_path: Path) -> None:
    source = synthesise(tmp_path / "film.mp4", size="128x72", seconds=1)
    with pytest.raises(MediaRejected, match=r"params\.start is 5 s, but the input is 1 s long"):
        run("transcoding", source, tmp_path / "job", {**HLS, "start": 5})


def test_nothing_of_the_input_is_in_the_files(tmp_path: Path) -> None:
    source = synthesise(tmp_path / "film.mp4", "-metadata", "title=secret place", size="128x72", seconds=1)
    done = run("transcoding", source, tmp_path / "job", HLS)
    assert all(b"secret" not in one.path.read_bytes() and b"Lavf" not in one.path.read_bytes() for one in done.outputs)
