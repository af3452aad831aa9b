"""User data in H.264 and HEVC: private data is removed, captions and HDR stay, no frame changes."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import inputs
from tests.media import make_work, run_ffmpeg
from workers.attempt.attempt import RUN
from workers.context import programs
from workers.privacy import trailing_data, user_data

if TYPE_CHECKING:
    from pathlib import Path


def upload(file: Path, folder: Path) -> tuple[bytes, list[str], Path]:
    work = make_work("upload", file, folder)
    made = RUN["upload"](work).outputs[0].path
    return made.read_bytes(), [one.code for one in work.warnings.items], made


def frame_hashes(file: Path) -> str:
    command = [programs.find().ffmpeg, "-v", "error", "-i", str(file), "-map", "0:v", "-f", "framehash", "-hash", "md5", "-"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return "\n".join(line.rpartition(",")[2] for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts", "flv", "avi"])
def test_what_a_drone_writes_goes(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"drone.{suffix}"
    inputs.with_user_data(file, inputs.user_data_sei(inputs.DRONE), inputs.user_data_sei(inputs.CAPTIONS, 4))
    assert b"SECRET" in file.read_bytes()
    data, codes, made = upload(file, tmp_path / "job")
    assert b"SECRET" not in data
    assert b"GA94" in data
    assert codes == ["metadata_dropped"]
    assert frame_hashes(made) == frame_hashes(file)
    with av.open(str(made)) as film:
        frame = next(film.decode(video=0))
        assert any(one.type.name == "A53_CC" for one in frame.side_data)


def test_hevc(tmp_path: Path) -> None:
    raw, changed, file = tmp_path / "raw.hevc", tmp_path / "changed.hevc", tmp_path / "film.mp4"
    hdr = "hdr10=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:master-display=G(1,1)B(1,1)R(1,1)WP(1,1)L(10,1):max-cll=10,1"
    run_ffmpeg(
        *inputs.PICTURE, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", f"keyint=25:{hdr}", "-f", "hevc", raw
    )
    data = raw.read_bytes()
    unit = b"\x4e\x01" + inputs.user_data_sei(inputs.DRONE)[1:]
    first = re.search(rb"\x00\x00\x01[\x26\x28\x2a]", data)  # the first slice of a key frame
    assert first is not None
    at = first.start()
    changed.write_bytes(data[:at] + b"\0\0\1" + unit + data[at:])
    run_ffmpeg("-r", "25", "-i", changed, "-c", "copy", file)
    assert b"SECRET" in file.read_bytes()
    cleaned, codes, made = upload(file, tmp_path / "job")
    assert b"SECRET" not in cleaned
    assert codes == ["metadata_dropped"]
    assert frame_hashes(made) == frame_hashes(file)
    with av.open(str(made)) as film:
        frame = next(film.decode(video=0))
        assert {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"} <= {one.type.name for one in frame.side_data}


def test_what_encoders_say_of_themselves_stays(tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    run_ffmpeg(*inputs.PICTURE, *inputs.H264, file)
    data, codes, _ = upload(file, tmp_path / "job")
    assert b"x264 - core" in data
    assert codes == []


@pytest.mark.parametrize(
    ("message", "payload", "private"),
    [
        (5, inputs.DRONE, True), (5, b"", True), (5, bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef") + b"x264 - core 164\0", False),
        (5, bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef") + b"52.5 N", True), (4, inputs.CAPTIONS, False),
        (4, b"\xb5\0\x3c\0\1\4", False), (4, b"\xb5\0\x31XXXX", True), (4, b"\x99secret", True), (4, b"", True),
        (137, b"mastering", False), (144, b"light", False), (1, b"timing", False),
    ],
)  # fmt: skip
def test_what_is_private(message: int, payload: bytes, private: bool) -> None:
    assert user_data.is_private(message, payload) == private


@given(length=st.integers(2, 5000), kind=st.sampled_from([3, 254]))
def test_a_filler_has_the_length_of_what_it_replaces(length: int, kind: int) -> None:
    filler = user_data.filler_message(length, kind)
    assert len(filler) == length
    at = 0
    while at < len(filler):
        message, at = user_data._count(filler, at)
        size, at = user_data._count(filler, at)
        assert message == kind
        assert filler[at : at + size] == b"\xff" * size
        at += size
    assert at == length


@given(messages=st.lists(st.tuples(st.sampled_from([1, 4, 5, 137]), st.binary(max_size=300)), min_size=1, max_size=5))
def test_every_private_message_of_a_unit_is_found(messages: list[tuple[int, bytes]]) -> None:
    """Whatever bytes there are, escapes among them: what is not private is the same afterwards."""
    plain = b"".join(bytes([kind]) + b"\xff" * (len(body) // 255) + bytes([len(body) % 255]) + body for kind, body in messages)
    unit = bytearray(b"\x06" + escaped(plain + b"\x80"))
    for at, filler in user_data.private_messages(bytes(unit), 0, len(unit), "h264"):
        unit[at : at + len(filler)] = filler
    left = read(bytes(unit))
    kept = [(kind, body) for kind, body in messages if not user_data.is_private(kind, body)]
    assert [one for one in left if one[0] not in (3, 254)] == kept


def escaped(plain: bytes) -> bytes:
    made = bytearray()
    for byte in plain:
        if made[-2:] == b"\0\0" and byte <= 3:
            made.append(3)
        made.append(byte)
    return bytes(made)


def read(unit: bytes) -> list[tuple[int, bytes]]:
    plain, _ = user_data._unescaped(unit, 1, len(unit))
    at, found = 0, []
    while at + 2 <= len(plain) and plain[at:] != b"\x80":
        kind, at = user_data._count(plain, at)
        size, at = user_data._count(plain, at)
        found.append((kind, plain[at : at + size]))
        at += size
    return found


class TestTheEndOfAnMp3:
    @pytest.mark.parametrize("options", [["-b:a", "128k"], ["-q:a", "2"], ["-ar", "22050", "-b:a", "32k"], ["-ar", "8000"]])
    def test_frames_are_counted(self, tmp_path: Path, options: list[str]) -> None:
        run_ffmpeg(*inputs.TONE, *options, tmp_path / "sound.mp3")
        data = (tmp_path / "sound.mp3").read_bytes()
        assert trailing_data.end_of_sound(data) == len(data)
        assert trailing_data.end_of_sound(data + b"SECRET" * 100) == len(data)
        assert trailing_data.end_of_sound(data[:1200] + b"noise" * 50 + data[1200:] + b"TAG" + bytes(125)) == len(data) + 250

    def test_nothing_that_is_no_frame_is_cut(self) -> None:
        assert trailing_data.end_of_sound(b"no sound at all") == 15


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    from chalicelib.errors import AttemptFailed

    (tmp_path / "x.mp4").write_bytes(b"nothing")
    with pytest.raises(AttemptFailed):
        user_data.clean(tmp_path / "x.mp4")


def test_a_film_without_such_streams_is_left_alone(tmp_path: Path) -> None:
    file: Any = tmp_path / "film.webm"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:d=0.4", "-c:v", "libvpx-vp9", "-cpu-used", "8", file)
    assert user_data.clean(file) == 0
