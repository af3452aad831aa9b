"""`upload` and `download`: the file is what it claims, without private metadata, and nothing is encoded."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import av
import pytest

from chalicelib.errors import MediaRejected
from tests.media import make_tools, run, run_ffmpeg, synthesise
from tests.unit.privacy.test_image_metadata import SECRET, exif, segment, still
from workers.context.work import Source
from workers.operations import download
from workers.operations.download import sensible_name

if TYPE_CHECKING:
    from pathlib import Path

PLACE = "+48.1374+011.5755/"


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film as a phone makes it: with a place, a date, a device, and a title; its index at the end."""
    tags = {"location": PLACE, "com.apple.quicktime.location.ISO6709": PLACE, "creation_time": "2026-01-02T03:04:05Z"}
    tags |= {"make": "Phone", "model": "Mark 7", "comment": "at home", "title": "A day out"}
    words = [word for name, text in tags.items() for word in ("-metadata", f"{name}={text}")]
    folder = tmp_path_factory.mktemp("private")
    extra = ["-metadata:s:a", "language=deu", "-metadata:s:v", "handler_name=Jane", "-movflags", "use_metadata_tags"]
    return synthesise(folder / "private.mp4", *words, *extra, "-shortest")


def packets(file: Path) -> list[tuple[int, str]]:
    """Return every packet's stream and hash."""
    with av.open(str(file)) as media:
        return [(one.stream_index, hashlib.sha256(bytes(one)).hexdigest()) for one in media.demux() if one.size]


def test_private_tags_go_and_not_a_packet_changes(private: Path, tmp_path: Path) -> None:
    assert PLACE.encode() in private.read_bytes()
    done = run("upload", private, tmp_path / "job", source=Source("private.mp4", "video/mp4"))
    output = done.outputs[0].path
    data = output.read_bytes()
    for text in (PLACE, "Phone", "Mark 7", "at home", "Jane", "2026"):
        assert text.encode() not in data, text
    with av.open(str(output)) as media:
        assert media.metadata["title"] == "A day out"
        assert "creation_time" not in media.metadata
        assert media.streams.audio[0].language == "deu"
    assert sorted(packets(output)) == sorted(packets(private))
    assert data.index(b"moov") < data.index(b"mdat")
    assert done.result["sha256"] == hashlib.sha256(data).hexdigest()
    assert {"location", "make", "model", "comment", "creation_time"} <= set(done.result["removed_tags"])
    assert done.result["type"] == "video/mp4"


def test_sound_alone_in_what_browsers_call_a_video(private: Path, tmp_path: Path) -> None:
    run_ffmpeg("-i", private, "-vn", "-c", "copy", tmp_path / "sound.mp4")
    done = run("upload", tmp_path / "sound.mp4", tmp_path / "job", source=Source("sound.mp4", "video/mp4"))
    assert done.result["type"] == "audio/mp4"


def test_what_is_asked_to_stay_stays(private: Path, tmp_path: Path) -> None:
    done = run("upload", private, tmp_path / "job", {"strip_metadata": False})
    assert done.outputs[0].path.read_bytes() == private.read_bytes()


@pytest.mark.parametrize(
    ("name", "mime", "text"),
    [
        ("clip.mp3", "", "called .mp3, but its content is video/mp4"),
        ("clip.jpg", "image/jpeg", "called .jpg"),
        ("clip", "image/png", "declared as image/png"),
    ],
)
def test_a_file_that_is_something_else(private: Path, tmp_path: Path, name: str, mime: str, text: str) -> None:
    with pytest.raises(MediaRejected, match=text):
        run("upload", private, tmp_path / "job", source=Source(name, mime))


@pytest.mark.parametrize(
    "name", ["clip.mkv", "clip.mov", "clip.webm", "clip.avi", "clip.ts", "song.mp3", "song.m4a", "song.flac"]
)
def test_containers_keep_their_streams(private: Path, tmp_path: Path, name: str) -> None:
    codecs = {"webm": ["-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime", "-c:a", "libopus"], "avi": []}
    given = codecs.get(name[-4:], ["-c:v", "libx264", "-preset", "ultrafast"]) if name.startswith("clip") else ["-vn"]
    run_ffmpeg("-i", private, "-t", "1", *given, tmp_path / name)
    done = run("upload", tmp_path / name, tmp_path / "job", source=Source(name))
    output = done.outputs[0].path
    assert output.suffix == f".{name.rpartition('.')[2]}"
    assert b"at home" not in output.read_bytes()
    with av.open(str(output)) as made, av.open(str(tmp_path / name)) as given_media:
        assert [one.type for one in made.streams] == [one.type for one in given_media.streams]


def test_tracks_and_covers_that_carry_places_go(private: Path, tmp_path: Path) -> None:
    (tmp_path / "path.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nSECRET PLACE\n")
    run_ffmpeg(
        "-i",
        private,
        "-i",
        tmp_path / "path.srt",
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        "-c:s",
        "mov_text",
        tmp_path / "drone.mp4",
    )
    done = run("upload", tmp_path / "drone.mp4", tmp_path / "drone")
    assert SECRET not in done.outputs[0].path.read_bytes()
    assert done.result["removed_streams"] == 1
    picture = still(tmp_path, "jpg")
    block = b"Exif\0\0" + exif(1)
    picture.write_bytes(picture.read_bytes()[:2] + segment(0xE1, block) + picture.read_bytes()[2:])
    cover = ["-map", "0:a", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic"]
    run_ffmpeg("-i", private, "-i", picture, *cover, tmp_path / "song.mp3")
    assert SECRET in (tmp_path / "song.mp3").read_bytes()
    assert SECRET not in run("upload", tmp_path / "song.mp3", tmp_path / "song").outputs[0].path.read_bytes()


def test_what_ogg_says_of_its_stream(tmp_path: Path) -> None:
    tags = ["-metadata", "title=Hello", "-metadata", "comment=SECRET PLACE"]
    run_ffmpeg("-f", "lavfi", "-i", "sine=duration=1", *tags, "-c:a", "libopus", tmp_path / "song.ogg")
    done = run("upload", tmp_path / "song.ogg", tmp_path / "job")
    with av.open(str(done.outputs[0].path)) as media:
        assert media.streams.audio[0].metadata.get("title", media.metadata.get("title")) == "Hello"
    assert SECRET not in done.outputs[0].path.read_bytes()
    assert "comment" in done.result["removed_tags"]


def test_headers_that_promise_more_than_there_is(tmp_path: Path) -> None:
    whole = synthesise(tmp_path / "whole.mp4", "-movflags", "+faststart", size="320x240").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: whole.index(b"mdat") + 4])
    with pytest.raises(MediaRejected, match=r"damaged|could not be processed|no picture"):
        run("upload", tmp_path / "cut.mp4", tmp_path / "job")


def test_tags_in_latin_1(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-metadata", "title=Cafe", tmp_path / "song.wav")
    (tmp_path / "song.wav").write_bytes((tmp_path / "song.wav").read_bytes().replace(b"Cafe", b"Caf\xe9"))
    assert run("upload", tmp_path / "song.wav", tmp_path / "job").outputs


@pytest.mark.parametrize("operation", ["upload", "download"])
def test_a_checksum_that_does_not_fit(private: Path, tmp_path: Path, operation: str) -> None:
    right = hashlib.sha256(private.read_bytes()).hexdigest()
    source = Source("private.mp4", "", right)
    run(operation, private, tmp_path / "right", {"sha256": right.upper()}, source=source)
    with pytest.raises(MediaRejected, match="SHA-256"):
        run(operation, private, tmp_path / "wrong", {"sha256": "0" * 64}, source=source)


def test_delivered_to_a_presigned_address(private: Path, tmp_path: Path) -> None:
    puts: list[tuple[str, bytes, dict[str, str]]] = []

    class Taker:
        def put(self, url: str, file: Path, *, headers: dict[str, str], **_: object) -> int:
            puts.append((url, file.read_bytes(), headers))
            return 201

    url = "https://bucket.example.com/key?signature=x"
    done = run("upload", private, tmp_path / "job", {"deliver_url": url}, tools=make_tools(tmp_path, fetcher=Taker()))
    assert puts == [(url, done.outputs[0].path.read_bytes(), {"Content-Type": "video/mp4"})]
    assert done.result["delivered"] == {"host": "bucket.example.com", "status": 201}
    assert "signature" not in str(done.result)


def test_a_download_is_named_and_typed_by_its_content(private: Path, tmp_path: Path) -> None:
    source = Source("../../etc/holiday.exe", "text/html", "", "cdn.example.com")
    done = run("download", private, tmp_path / "job", source=source)
    assert done.outputs[0].mime == "video/mp4"
    assert (done.result["file_name"], done.result["host"]) == ("holiday.mp4", "cdn.example.com")
    assert done.outputs[0].path.read_bytes() == private.read_bytes()


def test_a_download_that_is_no_media(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("<html>Not found</html>")
    with pytest.raises(MediaRejected, match="not a media file"):
        run("download", tmp_path / "page", tmp_path / "job")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("clip.mov", "clip.mp4"),
        ("", "media.mp4"),
        ("../../x", "x.mp4"),
        (".htaccess", "htaccess.mp4"),
        ("a\nb\0c;rm -rf.mp4", "a_b_c_rm -rf.mp4"),
        ("ü" * 300, "ü" * 100 + ".mp4"),
        ("クリップ.webm", "クリップ.mp4"),
    ],
)
def test_sensible_names(name: str, kept: str) -> None:
    assert download.sensible_name is sensible_name
    assert sensible_name(name, "mp4") == kept
