"""The frames that reach the encoder in parts are those of one pass: the same pixels at the same times."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import av
import pytest

from tests.media import make_work
from tests.unit.parts.films import FILMS
from workers.encoding import file as output_file
from workers.encoding import picture, video
from workers.media import ffmpeg, tracks
from workers.operations import transcoding
from workers.parts import cut, encode, film, join, plan

if TYPE_CHECKING:
    from pathlib import Path

    from workers.context.work import Work
    from workers.parts.film import Film

LOSSLESS = ["-pix_fmt", "yuv420p", "-c:v", "ffv1"]
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "faster": {"fps": 50},
    "slower": {"fps": 12},
    "cut": {"start": 1.53, "duration": 4.21},
    "smaller": {"resolution": "144p", "deinterlace": "on"},
}


def frames(file: Path) -> list[tuple[Any, str]]:
    with av.open(str(file)) as opened:
        return [(one.pts * one.time_base, hashlib.md5(one.to_ndarray()).hexdigest()) for one in opened.decode(video=0)]


def prepared(work: Work, wanted: int = 6, **changes: Any) -> Film:
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
    )


def in_parts(work: Work, ready: Film) -> Path:
    cut.run(work, ready.file, ready.stream, ready.cut_plan(work.folder))
    for one in ready.parts:
        source, target = (
            work.folder / film.source_name(one.number, ready.recipe.picture.codec),
            work.folder / join.encoded_name(one.number),
        )
        encode.run(work, ready.recipe, source, target, one.number)
    (joined,) = join.run(work, len(ready.parts))
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
    monkeypatch.setattr(encode, "THREADS", {})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {}


@pytest.mark.usefixtures("lossless")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", FILMS)
def test_parts_have_the_frames_of_one_pass(kind: str, change: str, tmp_path: Path) -> None:
    source = FILMS[kind](tmp_path)
    params = {"audio_codec": "none", "format": "mkv"} | CHANGES[change]
    work = make_work("transcoding", source, tmp_path / "parts", params)
    try:
        ready = prepared(work)
    except plan.NotSplittable as reason:
        pytest.fail(f"not split: {reason}")
    assert len(ready.parts) > 2
    expected = frames(in_one_pass(make_work("transcoding", source, tmp_path / "whole", params)))
    assert frames(in_parts(work, ready)) == expected
