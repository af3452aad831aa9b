"""What a job made, in the job page: a package plays there, without a library of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from bench.media.captions import recordings
from tests.browser.conftest import axe, ended
from tests.integration.conftest import make_clip, until
from tests.media import run_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Desk
    from tests.integration.conftest import System

CAPTIONS = "WEBVTT\n\n" + "".join(f"00:{at:02}.000 --> 00:{at + 1:02}.000\nWord {at}\n\n" for at in range(16))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("films") / "film.mp4", 16, "640x360")


@pytest.fixture(scope="module")
def package(system: System, film: Path) -> str:
    captions = film.with_name("captions.vtt")
    captions.write_text(CAPTIONS)
    params: dict[str, Any] = {
        "format": "hls",
        "preset": "ultrafast",
        "ladder": [{"height": 360}, {"height": 144}],
        "quality": True,
    }
    job = system.submit(film, {**params, "captions_file_ids": {"en": system.app.upload(captions)}})
    assert ended(system, job) == "completed"
    return job


def shown(desk: Desk, system: System, job: str) -> Any:
    desk.open()
    desk.sign_in(system.token)
    desk.open(job)
    desk.page.locator("#media").wait_for()
    return desk.page


def test_a_package_plays_and_is_switched(desk: Desk, system: System, package: str) -> None:
    page = shown(desk, system, package)
    until(lambda: page.evaluate("document.getElementById('output-player').readyState >= 2"), 20, "it is loaded")
    assert page.evaluate("document.getElementById('output-player').videoHeight") == 360
    page.evaluate("const one = document.getElementById('output-player'); one.muted = true; void one.play()")
    until(lambda: page.evaluate("document.getElementById('output-player').currentTime") > 0.5, 20, "it plays")
    page.get_by_label("Rendition").select_option("h264-144")
    until(lambda: page.evaluate("document.getElementById('output-player').videoHeight") == 144, 20, "the small one")
    page.evaluate("document.getElementById('output-player').currentTime = 12.5")
    page.get_by_label("Captions").select_option("en")
    cues = "[...document.getElementById('output-player').textTracks].flatMap(one => [...(one.activeCues || [])]).map(one => one.text)"
    until(lambda: "Word 1" in " ".join(page.evaluate(cues)), 20, "captions are shown")
    page.evaluate("document.getElementById('output-player').playbackRate = 4")
    until(lambda: page.evaluate("document.getElementById('output-player').ended"), 30, "it ends")
    expect(page.locator("#media-problem")).to_be_hidden()


def test_its_figures_are_beside_the_input(desk: Desk, system: System, package: str) -> None:
    page = shown(desk, system, package)
    expect(page.locator("#ladder tbody tr")).to_have_count(2)
    expect(page.locator("#ladder tbody tr").first).to_contain_text("640 x 360")
    assert page.locator("#curve path").get_attribute("d").count("L") > 10
    expect(page.locator("#media table").first).to_contain_text("16 s")
    until(
        lambda: page.evaluate("[...document.querySelectorAll('.gallery img')].every(one => one.naturalWidth > 0)"),
        20,
        "thumbnails",
    )
    until(lambda: page.evaluate("document.getElementById('input-player').readyState >= 1"), 20, "the input is loaded")
    assert axe(desk) == []
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator("#media")).to_be_hidden()


@pytest.mark.parametrize("params", [{"format": "webm", "preset": "ultrafast", "resolution": "144p"}, {"format": "ogg"}])
def test_films_and_sounds_play(desk: Desk, system: System, film: Path, params: dict[str, Any]) -> None:
    job = system.submit(film, params)
    assert ended(system, job) == "completed"
    page = shown(desk, system, job)
    until(lambda: page.evaluate("document.getElementById('output-player').readyState >= 2"), 20, "it is loaded")


def test_a_sprite_sheet_is_shown(desk: Desk, system: System, film: Path) -> None:
    job = system.submit(film, {"count": 3}, "thumbnail")
    assert ended(system, job) == "completed"
    page = shown(desk, system, job)
    until(
        lambda: page.evaluate("[...document.querySelectorAll('.gallery img')].filter(one => one.naturalWidth > 0).length") == 2,
        20,
        "pictures",
    )


def test_a_sound_has_a_waveform(desk: Desk, system: System, tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "sine=duration=2", tmp_path / "sound.ogg")
    job = system.submit(tmp_path / "sound.ogg", {}, "thumbnail")
    assert ended(system, job) == "completed"
    desk.open()
    desk.sign_in(system.token)
    desk.open(job)
    expect(desk.page.locator("#picture")).to_be_visible()


def test_captions_are_shown_as_text(desk: Desk, system: System) -> None:
    _, sound, _ = recordings()[0]
    job = system.submit(sound, {}, "caption_generation")
    assert ended(system, job) == "completed"
    page = shown(desk, system, job)
    expect(page.locator("#words")).to_contain_text("fellow Americans")
    assert axe(desk) == []


def test_parts_are_a_timeline(desk: Desk, system: System, film: Path) -> None:
    job = system.submit(film, {"format": "mp4", "preset": "ultrafast", "resolution": "144p"})
    assert ended(system, job) == "completed"
    rows = [
        {"part": n, "worker": n % 2 + 1, "start": n * 1.5, "seconds": 2.5, "runs": 1 + n // 3, "at": n * 4} for n in range(4)
    ]
    result = system.app.record(job)["result"] | {"parts": {"count": 4, "workers": 2, "repeated": 1, "timeline": rows}}
    system.admin("PATCH", f"/items/media_jobs/{job}", json={"result": result})
    desk.open()
    desk.sign_in(system.token)
    desk.open(job)
    drawing = desk.page.get_by_role("img", name="4 parts on 2 workers in 7 s")
    expect(drawing).to_be_visible()
    assert drawing.locator("rect").count() == 4
    assert drawing.locator("title").last.text_content() == "Part 3, worker 2: 2.5 s, started 2 times"
    box = drawing.bounding_box()
    assert box is not None
    assert box["height"] > 20
    assert axe(desk) == []
