"""The frames that reach the encoder in parts are those of one pass: the same pixels at the same times."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import av
import pytest

from chalicelib.errors import MediaRejected
from tests.media import make_work
from tests.sampling import sampled
from tests.unit.parts.films import FILMS, unreadable
from workers.encoding import file as output_file
from workers.encoding import picture, video
from workers.media import ffmpeg, tracks
from workers.operations import transcoding
from workers.parts import cut, encode, film, join, plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.context.work import Work
    from workers.parts.film import Film

Frames = list[tuple[Any, str]]
LOSSLESS = ["-pix_fmt", "yuv420p", "-c:v", "ffv1"]
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "faster": {"fps": 50},
    "slower": {"fps": 12},
    "cut": {"start": 1.37, "duration": 2.91},
    "start cut faster": {"start": 1.37, "fps": 50},
    "cut slower": {"start": 1.37, "duration": 2.91, "fps": 12},
    "smaller": {"resolution": "144p", "deinterlace": "on"},
}


def frames(file: Path) -> Frames:
    with av.open(str(file)) as opened:
        return [(one.pts * one.time_base, hashlib.md5(one.to_ndarray()).hexdigest()) for one in opened.decode(video=0)]


def prepared(work: Work, wanted: int = 8, **changes: Any) -> Film:
    source, file = tracks.open_picture(work, "video", "audio")
    params = work.params
    rendition = encode.Rendition(params.video_codec, video.wanted(params, params.video_codec), **changes)
    return film.prepare(
        work,
        source,
        file,
        fields=picture.field_order(work, source, file),
        fps=params.fps,
        renditions=[rendition],
        cues=None,
        seconds=1e6,
        wanted=wanted,
        shortest=0.1,
    )


def encoded(work: Work, ready: Film) -> list[Path]:
    cut.run(work, ready.file, ready.stream, ready.cut_plan(work.folder))
    for one in ready.parts:
        source, target = (
            work.folder / film.source_name(one.number, ready.recipe.picture.codec),
            work.folder / join.encoded_name(one.number),
        )
        encode.run(work, ready.recipe, source, target, one.number)
    return [work.folder / join.encoded_name(one.number) for one in ready.parts]


def in_parts(work: Work, ready: Film) -> Path:
    assert len(encoded(work, ready)) == len(ready.parts)
    ((joined, count),) = join.run(work, len(ready.parts))
    assert ready.frames in (None, count)
    return joined


def in_one_pass(work: Work) -> Path:
    source, file = tracks.open_picture(work, "video", "audio")
    look = transcoding.look_of(work.params, source, file, picture.field_order(work, source, file))
    shown = transcoding.picture_arguments(work.params, look)
    target = work.folder / "whole.nut"
    command = output_file.arguments(work.params, source, file, target, shown)
    command[command.index("-f", command.index("-i")) + 1] = "nut"
    ffmpeg.run(work, command)
    return target


@pytest.fixture
def lossless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "arguments", lambda *given: list(LOSSLESS))
    monkeypatch.setattr(video, "THREADS", {})


@pytest.fixture
def split(tmp_path: Path) -> Callable[[str, dict[str, Any]], tuple[Frames, Frames]]:
    """Encode a film in parts and in one pass; return the frames of both."""

    def encoded(kind: str, changes: dict[str, Any]) -> tuple[Frames, Frames]:
        source = FILMS[kind](tmp_path)
        params = {"audio_codec": "none", "format": "mkv"} | changes
        work = make_work("transcoding", source, tmp_path / "parts", params)
        ready = prepared(work)
        assert len(ready.parts) > 2
        return frames(in_parts(work, ready)), frames(in_one_pass(make_work("transcoding", source, tmp_path / "whole", params)))

    return encoded


WHOLE = {("h264 refresh", change): "The film is refreshed gradually and has no real keyframes" for change in CHANGES} | {
    (kind, change): "The film is cut at a frame that precedes its keyframe"
    for kind in ("hevc open", "mpeg2", "mpeg4")
    for change, params in CHANGES.items()
    if "start" in params
}
"""What runs whole, and why."""
CASES = [(kind, change) for kind in FILMS for change in CHANGES if (kind, change) not in WHOLE and kind != "broken"]
THOROUGH = ("hevc open variable", "interlaced")
"""Kinds with all changes in `make test`."""
REPEATED = [("variable", "faster"), ("edit list end", "slower")]
"""How often the last frame is repeated depends on its duration."""
QUICK = ("h264 closed", "h264 open", "vp9", "variable mkv", "edit list", "late sound", "starts later", "negative times")
"""Kinds without a change in `make test`; all kinds have all changes in `make verify`."""


@pytest.mark.usefixtures("lossless")
@pytest.mark.parametrize(
    ("kind", "change"),
    sampled(CASES, lambda case: case[0] in THOROUGH or (case[1] == "as it is" and case[0] in QUICK) or case in REPEATED),
)
def test_parts_have_the_frames_of_one_pass(kind: str, change: str, split: Any) -> None:
    parts, whole = split(kind, CHANGES[change])
    assert parts == whole


@pytest.mark.usefixtures("lossless")
@pytest.mark.parametrize(("kind", "change"), WHOLE)
def test_what_cannot_be_split_says_why(kind: str, change: str, split: Any) -> None:
    with pytest.raises(plan.NotSplittable, match=WHOLE[kind, change]):
        split(kind, CHANGES[change])


@pytest.mark.usefixtures("lossless")
def test_a_damaged_group_of_pictures_damages_no_other(split: Any) -> None:
    """What ffmpeg shows of a damaged group, up to the next keyframe, differs even from one run to the next."""
    parts, whole = split("broken", {})
    assert [time for time, _ in parts] == [time for time, _ in whole]
    differing = [place for place, (one, other) in enumerate(zip(parts, whole, strict=True)) if one != other]
    assert not [place for place in differing if not 60 <= place <= 72]


@pytest.mark.usefixtures("lossless")
def test_a_part_may_have_no_frame(tmp_path: Path) -> None:
    """At one frame a second, parts are shorter than the time between two frames."""
    source = FILMS["h264 closed"](tmp_path)
    params = {"audio_codec": "none", "format": "mkv", "fps": 1}
    work = make_work("transcoding", source, tmp_path / "parts", params)
    files = encoded(work, prepared(work, 12))
    assert any(file.stat().st_size == 0 for file in files)
    ((parts, _),) = join.run(work, len(files))
    assert frames(parts) == frames(in_one_pass(make_work("transcoding", source, tmp_path / "whole", params)))


@pytest.mark.usefixtures("lossless")
def test_a_part_that_cannot_be_decoded_does_not_end_the_film(tmp_path: Path) -> None:
    """In one pass, a third of the frames may be broken."""
    work = make_work("transcoding", unreadable(tmp_path), tmp_path / "parts", {"audio_codec": "none", "format": "mkv"})
    ready = prepared(work, 12)
    times = [float(time) for time, _ in frames(in_parts(work, ready))]
    assert times[0] == 0
    assert times[-1] > 4
    assert work.warnings.decode_errors > 0


def test_a_film_without_a_frame_is_the_fault_of_the_input(tmp_path: Path) -> None:
    work = make_work("transcoding", FILMS["h264 closed"](tmp_path), tmp_path / "job", {})
    for number in range(3):
        (work.folder / join.encoded_name(number)).touch()
    with pytest.raises(MediaRejected, match="no picture that can be decoded"):
        join.run(work, 3)
