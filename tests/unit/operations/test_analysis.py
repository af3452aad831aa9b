"""`analysis` measures what the input was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.media import TERMS, run, run_ffmpeg, synthesise
from workers.context.terms import TermMatcher, TermMatcherCache, words
from workers.context.work import Source

if TYPE_CHECKING:
    from pathlib import Path


def test_black_silence_scenes_and_loudness(tmp_path: Path) -> None:
    """Two seconds of pattern, two of black, two of another pattern; a tone that is away from the second to the fourth second."""
    inputs = ["testsrc2=size=320x180:rate=25:duration=2", "color=black:size=320x180:rate=25:duration=2"]
    inputs += ["mandelbrot=size=320x180:rate=25,trim=duration=2", "sine=frequency=997:duration=6"]
    given = [word for one in inputs for word in ("-f", "lavfi", "-i", one)]
    graph = "[0][1][2]concat=n=3[v];[3]volume=0:enable='between(t,2,4)'[a]"
    maps = ["-map", "[v]", "-map", "[a]", "-pix_fmt", "yuv420p"]
    run_ffmpeg(*given, "-filter_complex", graph, *maps, tmp_path / "film.mp4")
    shares: list[float] = []
    result = run("analysis", tmp_path / "film.mp4", tmp_path / "job", progress=shares.append).result
    assert result["video"]["black"] == [{"start": 2.0, "end": 4.0}]
    (silent,) = result["audio"]["silent"]
    assert abs(silent["start"] - 2) < 0.1
    assert abs(silent["end"] - 4) < 0.1
    assert any(abs(moment - 4) <= 0.08 for moment in result["video"]["scene_changes"])
    loudness = result["audio"]["loudness"]
    assert -26 < loudness["integrated"] < -18  # ffmpeg's sine has an amplitude of 1/8
    assert -19 < loudness["true_peak"] < -16  # the tone breaks off, which overshoots
    assert result["video"]["frame_rate_mode"] == "constant"
    assert (result["container"], result["type"], result["duration"]) == ("mov,mp4,m4a,3gp,3g2,mj2", "video/mp4", 6.0)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_variable_frame_rate(tmp_path: Path) -> None:
    even = synthesise(tmp_path / "even.mkv", rate=30, seconds=2)
    uneven = tmp_path / "uneven.mkv"
    run_ffmpeg("-i", even, "-vf", "select='lt(mod(n,7),3)'", "-fps_mode", "vfr", uneven)
    modes = [run("analysis", file, tmp_path / file.stem).result["video"]["frame_rate_mode"] for file in (even, uneven)]
    assert modes == ["constant", "variable"]


def test_rotation_and_colours(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "color=red:size=320x180:duration=1", "-pix_fmt", "yuv420p", tmp_path / "red.mp4")
    run_ffmpeg("-display_rotation", "90", "-i", tmp_path / "red.mp4", "-c", "copy", tmp_path / "turned.mp4")
    video = run("analysis", tmp_path / "turned.mp4", tmp_path / "job").result["video"]
    assert (video["rotation"] % 360, video["width"], video["height"]) == (90, 180, 320)
    assert video["dominant_colors"][0]["color"] == "#f01010"
    assert video["dominant_colors"][0]["share"] > 0.9


def test_a_high_dynamic_range(tmp_path: Path) -> None:
    colours = "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc:log-level=error"
    made = ["-f", "lavfi", "-i", "testsrc2=size=320x240:duration=0.4", "-pix_fmt", "yuv420p10le", "-c:v", "libx265"]
    run_ffmpeg(*made, "-x265-params", colours, tmp_path / "hdr.mp4")
    video = run("analysis", tmp_path / "hdr.mp4", tmp_path / "job").result["video"]
    assert (video["hdr"], video["bit_depth"], video["color"]["primaries"]) == ("hlg", 10, "bt2020")


def test_silence_has_no_loudness(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "anullsrc=d=2", tmp_path / "silent.wav")
    audio = run("analysis", tmp_path / "silent.wav", tmp_path / "job").result["audio"]
    assert (audio["loudness"]["integrated"], audio["loudness"]["range"]) == (None, None)
    assert audio["silent"][0]["start"] == 0
    assert abs(audio["silent"][0]["end"] - 2) < 0.05


def test_a_picture(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "color=blue:size=64x64", "-frames:v", "1", tmp_path / "blue.png")
    result = run("analysis", tmp_path / "blue.png", tmp_path / "job").result
    assert (result["type"], result["video"]["width"]) == ("image/png", 64)
    assert result["video"]["dominant_colors"][0]["color"] == "#1010f0"
    assert "audio" not in result


def test_terms_from_everywhere(tmp_path: Path) -> None:
    (tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nwalking to <i>New\nYork</i>\n")
    clip = synthesise(tmp_path / "clip.mp4", "-metadata", "title=CAFÉ", "-metadata", "comment=Rock", seconds=1)
    run_ffmpeg("-i", clip, "-i", tmp_path / "words.srt", "-map", "0", "-map", "1", "-c", "copy", tmp_path / "film.mkv")
    found = run("analysis", tmp_path / "film.mkv", tmp_path / "a", source=Source("my_new-york-rock.mkv")).result["terms"]
    assert {term["name"]: (term["count"], term["found_in"]) for term in found} == {
        "New York": (2, ["file_name", "transcript"]),
        "Rock": (2, ["file_name", "tags"]),
        "Café": (1, ["title"]),
    }
    given = run("analysis", clip, tmp_path / "b", {"transcript": "rock, rock and rock"}, source=Source("x.mp4")).result["terms"]
    assert given[0] == {"id": 1, "name": "Rock", "kind": "genre", "count": 4, "found_in": ["tags", "transcript"]}


class TestVocabulary:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("ROCK music", ["Rock"]),
            ("a cafe\u0301 and a CAFE", ["Café"]),
            ("rocket cafeteria", []),
            ("new new york", ["New York"]),
            ("new\nyork", []),
            ("New-York_rock", ["New York", "Rock"]),
            ("", []),
        ],
    )
    def test_words(self, text: str, names: list[str]) -> None:
        assert [term["name"] for term in TermMatcher(TERMS).find({"title": text})] == names

    def test_terms_inside_terms(self) -> None:
        term_matcher = TermMatcher(
            [{"id": 1, "name": "york"}, {"id": 2, "name": "new york city"}, {"id": 3, "name": "city of york"}]
        )
        assert {term["id"] for term in term_matcher.find({"t": "new york city of york"})} == {1, 2, 3}

    def test_a_name_and_its_slug_are_one_find(self) -> None:
        assert TermMatcher(TERMS).find({"t": "new york"})[0]["count"] == 1

    def test_rows_without_text_and_of_other_types(self) -> None:
        assert TermMatcher([{"id": 1, "name": None}, {"id": 2, "name": 7, "slug": "---"}, {}]).find({"t": "7"})[0]["id"] == 2

    def test_made_once_for_each_generation(self) -> None:
        class Cache:
            rows = TERMS

            def terms(self) -> list[dict[str, object]]:
                return self.rows

        taxonomy = Cache()
        cache = TermMatcherCache(taxonomy)  # type: ignore[arg-type]
        assert cache() is cache()
        first = cache()
        taxonomy.rows = [*TERMS, {"id": 4, "name": "Jazz"}]
        assert cache() is not first
        assert cache().find({"t": "jazz"})

    def test_accents_of_any_form(self) -> None:
        assert words("Größe_eins - Ça va?") == ["grosse", "eins", "ca", "va"]
