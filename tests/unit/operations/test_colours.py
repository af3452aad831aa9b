"""The colours of an output are those of the film, for players that guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import pytest

from tests.media import run, synthesise

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("size", "tags", "space"),
    [
        ("1280x720", [], 1),
        ("640x360", [], 6),
        ("640x360", ["-colorspace", "bt709"], 1),
        ("1280x720", ["-colorspace", "smpte170m"], 6),
    ],
)
def test_a_small_output_keeps_the_colours_of_a_large_film(tmp_path: Path, size: str, tags: list[str], space: int) -> None:
    """Players guess the matrix of an untagged film by its size, which the output does not have any more."""
    source = synthesise(tmp_path / "film.mp4", *tags, size=size, seconds=0.2)
    for params in ({"resolution": "144p"}, {"format": "hls", "ladder": [{"height": 144}]}):
        done = run("transcoding", source, tmp_path / str(len(params)), {"preset": "ultrafast", **params})
        film = next(one.path for one in done.outputs if one.path.suffix == ".mp4")
        with av.open(str(film)) as media:
            assert next(media.decode(video=0)).colorspace == space
