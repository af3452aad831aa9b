"""The editor of captions: by keyboard, beside the player."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from bench.media.captions import recordings
from tests.browser.conftest import axe, ended
from tests.integration.conftest import until
from tests.media import run_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Desk
    from tests.integration.conftest import System

_, SOUND, _ = recordings()[0]


@pytest.fixture(scope="module")
def job_id(system: System, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A captioned film that every Chromium can play."""
    film = tmp_path_factory.mktemp("spoken") / "speech.webm"
    picture = ["-f", "lavfi", "-i", "color=navy:size=320x180:rate=10:duration=11", "-i", SOUND, "-shortest"]
    run_ffmpeg(*picture, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus", film)
    job = system.submit(film, {"formats": ["vtt", "json"], "max_line_length": 30}, "caption_generation")
    assert ended(system, job) == "completed"
    return job


@pytest.fixture
def editor(desk: Desk, system: System, job_id: str) -> Desk:
    """The page, with the editor open."""
    desk.open()
    desk.sign_in(system.token)
    desk.open(job_id)
    desk.page.get_by_role("button", name="Edit captions").click()
    expect(desk.page.locator("#cues li").first).to_be_visible()
    return desk


def test_the_film_plays_and_its_cue_is_marked(editor: Desk) -> None:
    page = editor.page
    until(lambda: page.evaluate("document.getElementById('player').readyState >= 2"), 15, "the film is loaded")
    page.evaluate("document.getElementById('player').muted = true")
    page.keyboard.press("Alt+p")
    until(lambda: page.evaluate("document.getElementById('player').currentTime > 0.3"), 15, "it plays")
    expect(page.locator("#cues li.now")).to_have_count(1)
    assert page.locator("#cues li.now").get_attribute("aria-current") == "true"
    expect(page.locator("#shown")).to_contain_text("fellow Americans")
    page.keyboard.press("Alt+p")
    assert page.evaluate("document.getElementById('player').paused") is True
    assert page.evaluate("document.getElementById('player').error") is None


def test_a_correction_by_keyboard_alone(editor: Desk, system: System, job_id: str) -> None:
    page = editor.page
    before = system.admin("GET", f"/items/media_jobs/{job_id}")["output_file_id"]
    page.keyboard.press("Alt+ArrowDown")
    second = page.locator("#cues li").nth(1)
    expect(second.locator("textarea")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Corrected by hand.")
    expect(page.locator("#version")).to_have_text("Version 1, not saved")
    page.keyboard.press("Control+s")
    expect(page.locator("#said")).to_have_text("Version 2 of the captions is saved.")
    record = system.admin("GET", f"/items/media_jobs/{job_id}")
    assert (record["result"]["version"], record["output_file_id"] != before) == (2, True)
    page.get_by_role("button", name="Close the editor").click()
    page.get_by_role("button", name="Edit captions").click()
    expect(page.locator("#cues li").nth(1).locator("textarea")).to_have_value("Corrected by hand.")


def test_times_are_set_from_the_player_and_checked(editor: Desk) -> None:
    page = editor.page
    until(lambda: page.evaluate("document.getElementById('player').readyState >= 2"), 15, "the film is loaded")
    page.locator("#cues li textarea").first.focus()
    page.evaluate("document.getElementById('player').currentTime = 1.25")
    page.keyboard.press("Alt+e")
    end = page.locator("#cues li").first.get_by_label("End of cue 1")
    expect(end).to_have_value("00:01.250")
    end.fill("soon")
    expect(page.locator("#cues li .problem").first).to_have_text("A time is written like 01:02.345")
    page.keyboard.press("Control+s")
    expect(end).to_be_focused()
    end.fill("00:00.000")
    page.keyboard.press("Control+s")
    expect(page.locator("#cues li .problem").first).to_contain_text("Cue 1 must end after it starts")
    editor.outage = True  # the browser reports the 400 on its console
    editor.errors.clear()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Close the editor").click()
    expect(page.locator("#editor")).to_be_hidden()


def test_what_is_not_saved_is_not_lost_by_accident(editor: Desk) -> None:
    page = editor.page
    page.locator("#cues li textarea").first.fill("Changed")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Close the editor").click()
    expect(page.locator("#cues li textarea").first).to_have_value("Changed")
    page.wait_for_timeout(5500)  # a round of the page
    expect(page.locator("#cues li textarea").first).to_have_value("Changed")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Close the editor").click()
    expect(page.locator("#editor")).to_be_hidden()


@pytest.mark.parametrize("desk", ["light", "dark"], indirect=True)
def test_it_is_accessible(editor: Desk, tmp_path: Path) -> None:
    assert axe(editor) == []
    editor.page.screenshot(path=str(tmp_path / "editor.png"))
