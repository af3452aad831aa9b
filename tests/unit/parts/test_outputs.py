"""The output of a film in parts is that of one pass: sound, captions, tags, chapters, quality and size."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import av
import pytest

from tests.media import make_work
from tests.unit.parts.films import FILMS
from tests.unit.parts.team import Alone
from workers.parts import film
from workers.runtime.attempt import RUN

if TYPE_CHECKING:
    from pathlib import Path

    from workers.context.work import Done

CAPTIONS = b"WEBVTT\n\n00:01.000 --> 00:03.500\nFirst\n\n00:04.000 --> 00:07.500\nSecond\n"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "PART_SECONDS_LEAST", 0.001)


def both(source: Path, folder: Path, params: dict[str, Any], **given: Any) -> tuple[Done, Done]:
    """The job in one pass and in parts."""
    whole = RUN["transcoding"](make_work("transcoding", source, folder / "whole", params, **given))
    work = replace(make_work("transcoding", source, folder / "parts", params, **given), team=Alone())
    done = RUN["transcoding"](work)
    assert done.result["parts"]["count"] > 1, done.result["parts"]
    return whole, done


def heard(file: Path) -> tuple[Any, str]:
    """The first time of the sound, and its samples."""
    with av.open(str(file)) as opened:
        frames = list(opened.decode(audio=0))
    data = hashlib.sha256(b"".join(one.to_ndarray().tobytes() for one in frames)).hexdigest()
    return frames[0].pts * frames[0].time_base, data


def shown(file: Path) -> list[Any]:
    with av.open(str(file)) as opened:
        return [one.pts * one.time_base for one in opened.decode(video=0)]


@pytest.mark.parametrize("kind", ["edit list", "late sound", "starts later", "negative times"])
@pytest.mark.parametrize("form", ["mp4", "mkv", "webm", "mov"])
def test_the_sound_is_the_same_to_the_sample(kind: str, form: str, tmp_path: Path) -> None:
    source = FILMS[kind](tmp_path)
    params = {"format": form, "preset": "ultrafast", "resolution": "144p"}
    whole, parts = both(source, tmp_path, params)
    one, other = whole.outputs[0].path, parts.outputs[0].path
    assert heard(other) == heard(one)
    assert shown(other) == shown(one)
    assert parts.result["duration"] == whole.result["duration"]
