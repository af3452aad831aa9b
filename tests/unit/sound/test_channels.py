"""Every channel layout of ffmpeg with every audio encoder, and audible voices."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import av
import pytest

from tests.media import make_work, run_ffmpeg
from tests.sampling import sampled
from workers.attempt.attempt import RUN
from workers.context import programs
from workers.media import probe
from workers.sound import channels

if TYPE_CHECKING:
    from pathlib import Path

ALL = os.environ.get("MEDIAQ_CORPUS") == "all"
LARGER = (
    "3.1.2",
    "5.1.2",
    "5.1.2(back)",
    "cube",
    "5.1.4",
    "7.1.2",
    "7.1.4",
    "7.2.3",
    "9.1.4",
    "9.1.6",
    "hexadecagonal",
    "22.2",
    "binaural",
)
"""Standard layouts that no encoder here takes as they are."""
LAYOUTS = (*channels.LAYOUTS, *LARGER)
WITH_PICTURE = ("mp4", "mov", "mkv", "webm")
FORMATS = {"m4a": "aac", "ogg": "opus", "mp3": "mp3", "wav": "pcm", "mp4": "aac", "mov": "aac", "mkv": "aac", "webm": "opus"}
CODECS = [(format_, None) for format_ in FORMATS] + [
    ("mp4", "opus"),
    ("mp4", "mp3"),
    ("mkv", "opus"),
    ("mkv", "mp3"),
    ("mov", "mp3"),
]
PAIRS = [
    (layout, format_, codec)
    for layout in LAYOUTS
    for format_, codec in CODECS
    if ALL or (format_ not in WITH_PICTURE and codec is None) or layout in ("mono", "5.1(side)", "7.1")
]


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Path]:
    return {}


@pytest.fixture
def sound(sounds: dict[tuple[str, bool], Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that makes a sound of a layout, once: a tone in every channel."""

    def make(layout: str, picture: bool) -> Path:
        key = (layout, picture)
        if key not in sounds:
            sounds[key] = tmp_path_factory.mktemp("layout") / "sound.mkv"
            count = av.AudioLayout(layout).nb_channels
            tones = "|".join(["0.05*sin(440*2*PI*t)"] * count)
            film = (
                ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.3", "-c:v", "libx264", "-preset", "ultrafast"]
                if picture
                else []
            )
            run_ffmpeg(
                "-f", "lavfi", "-i", f"aevalsrc={tones}:c={layout}:d=0.3:s=48000", *film, "-c:a", "pcm_s16le", sounds[key]
            )
        return sounds[key]

    return make


QUICK = ("mono", "5.1(side)", "7.1(wide)", "3.0(back)")
"""Layouts of every kind: taken as they are, mapped to a neighbour, mixed down."""


@pytest.mark.parametrize(("layout", "format_", "codec"), sampled(PAIRS, lambda pair: pair[0] in QUICK))
def test_every_layout_reaches_every_format(sound: Any, tmp_path: Path, layout: str, format_: str, codec: str | None) -> None:
    picture = format_ in WITH_PICTURE
    params = {"format": format_, **({"audio_codec": codec} if codec else {}), **({"preset": "ultrafast"} if picture else {})}
    work = make_work("transcoding", sound(layout, picture), tmp_path / "job", params)
    done = RUN["transcoding"](work)
    have = probe.probe(work.input).track("audio")
    assert have is not None
    wanted, mixed = channels.target(have, codec or FORMATS[format_], "keep")
    with av.open(str(done.outputs[0].path)) as film:
        made = film.streams.audio[0]
        assert made.codec_context.channels == av.AudioLayout(wanted).nb_channels
        assert float(film.duration or 0) / av.time_base > 0.25
    assert [one.code for one in work.warnings.items] == (["channels_mixed"] if mixed else [])


@pytest.mark.parametrize(
    "layout", sampled((one for one in LAYOUTS if "FC" in channels.LAYOUTS.get(one, "")), lambda one: one in QUICK)
)
@pytest.mark.parametrize(
    "params", [{"channels": "stereo"}, {"channels": "mono"}, {"format": "mp3"}], ids=["stereo", "mono", "mp3"]
)
def test_voices_stay_audible(tmp_path: Path, layout: str, params: dict[str, str]) -> None:
    """A tone in the centre alone is there afterwards, no quieter than in the standard mix of eight channels."""
    named = channels.LAYOUTS[layout].split()
    tones = "|".join("0.3*sin(440*2*PI*t)" if one == "FC" else "0" for one in named)
    run_ffmpeg("-f", "lavfi", "-i", f"aevalsrc={tones}:c={layout}:d=0.3:s=48000", "-c:a", "pcm_s16le", tmp_path / "sound.wav")
    done = RUN["transcoding"](make_work("transcoding", tmp_path / "sound.wav", tmp_path / "job", {"format": "wav", **params}))
    assert done.result["channels"] == (
        1 if params.get("channels") == "mono" else min(2, len(named)) if "format" in params else 2
    )
    assert loudest(done.outputs[0].path) > 0.05


def loudest(file: Path) -> float:
    command = [programs.find().ffmpeg, "-v", "error", "-i", str(file), "-f", "s16le", "-c:a", "pcm_s16le", "-"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    return max(abs(int.from_bytes(data[at : at + 2], "little", signed=True)) for at in range(0, len(data) - 1, 2)) / 32768


@pytest.mark.parametrize("codec", ["aac", "opus", "mp3"])
def test_nothing_is_lost_where_the_encoder_has_room(codec: str) -> None:
    for layout, named in channels.LAYOUTS.items():
        count = len(named.split())
        found, mixed = channels.target(probe.Stream("audio", "pcm", channels=count, layout=layout), codec, "keep")
        assert found in channels.ENCODED[codec]
        if layout in channels.ENCODED[codec]:
            assert (found, mixed) == (layout, False)
        if "FC" in named.split() and codec != "mp3":
            assert "FC" in channels.LAYOUTS[found].split()


def test_three_channels_without_a_layout_have_a_centre(tmp_path: Path) -> None:
    tones = "0|0|0.3*sin(440*2*PI*t)"
    run_ffmpeg("-f", "lavfi", "-i", f"aevalsrc={tones}:c=3.0:d=0.3:s=48000", "-c:a", "pcm_s16le", tmp_path / "sound.mkv")
    done = RUN["transcoding"](
        make_work("transcoding", tmp_path / "sound.mkv", tmp_path / "job", {"format": "wav", "channels": "stereo"})
    )
    assert loudest(done.outputs[0].path) > 0.05
