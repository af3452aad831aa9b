"""A job submitted from the dashboard: the quote, the upload, the job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import axe, ended
from tests.integration.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Route

    from tests.browser.conftest import Desk
    from tests.integration.conftest import System

DROP = """([name, type, data]) => {
  const moved = new DataTransfer();
  moved.items.add(new File([Uint8Array.from(atob(data), one => one.charCodeAt(0))], name, { type }));
  document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: moved, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def form(desk: Desk, system: System) -> Desk:
    desk.open()
    expect(desk.page.locator("#submit-part")).to_be_hidden()
    desk.sign_in(system.token)
    desk.page.get_by_text("New job").click()
    return desk


def opened(desk: Desk) -> str:
    found = until(lambda: desk.page.wait_for_timeout(50) or re.search("#job=([0-9a-f-]{36})", desk.page.url), 30, "the job")
    return str(found[1])


def test_a_film_is_quoted_uploaded_and_watched(form: Desk, system: System, clip: Path) -> None:
    form.page.get_by_label("Drop a file here").set_input_files(clip)
    said = form.page.locator("#quote")
    expect(said).to_contain_text(re.compile(r"clip\.mp4, \d+ kB, [\d.]+ s, 320x240"))
    expect(said).to_contain_text("Accepted: position")
    expect(said).to_contain_text(re.compile(r"s of work, \$0\.\d+, an output of about"))
    form.page.get_by_label("Preset").select_option("mobile")
    expect(form.page.get_by_role("button", name="Upload and submit")).to_be_enabled()
    assert axe(form) == []
    form.page.get_by_role("button", name="Upload and submit").click()
    job_id = opened(form)
    assert ended(system, job_id) == "completed"
    record = system.app.record(job_id)
    assert (record["operation"], record["params"]) == ("transcoding", {"preset": "mobile"})
    expect(form.page.locator("#job h2")).to_contain_text("completed")
    expect(form.page.locator("#output-player")).to_be_visible()


def test_a_dropped_file(form: Desk, system: System, clip: Path) -> None:
    import base64

    form.page.get_by_label("Operation").first.select_option("thumbnail")
    expect(form.page.get_by_label("Preset")).to_be_hidden()
    form.page.get_by_label("Parameters, as JSON").fill('{"width": 160}')
    form.page.evaluate(DROP, [clip.name, "video/mp4", base64.b64encode(clip.read_bytes()).decode()])
    form.page.get_by_role("button", name="Upload and submit").click()
    job_id = opened(form)
    assert ended(system, job_id) == "completed"
    assert system.app.record(job_id)["params"] == {"width": 160}


def test_a_change_while_the_file_is_read(form: Desk, clip: Path) -> None:
    """What the browser finds out of the film counts, whatever is chosen meanwhile."""
    form.page.evaluate(
        "() => { const plain = describe; describe = async file => { await new Promise(done => setTimeout(done, 500)); return plain(file); }; }"
    )
    form.page.get_by_label("Drop a file here").set_input_files(clip)
    form.page.get_by_label("Operation").first.select_option("thumbnail")
    expect(form.page.locator("#quote")).to_contain_text("320x240")
    expect(form.page.get_by_role("button", name="Upload and submit")).to_be_enabled()


def test_what_media_refuses_is_not_uploaded(form: Desk, clip: Path) -> None:
    form.page.get_by_label("Drop a file here").set_input_files(clip)
    form.page.get_by_label("Parameters, as JSON").fill('{"resolution": "huge"}')
    form.page.get_by_label("Parameters, as JSON").blur()
    expect(form.page.locator("#quote.away")).to_contain_text("params.resolution must")
    expect(form.page.get_by_role("button", name="Upload and submit")).to_be_disabled()
    form.page.get_by_label("Parameters, as JSON").fill("{huge}")
    form.page.get_by_label("Parameters, as JSON").blur()
    expect(form.page.locator("#quote.away")).to_contain_text("Parameters must be JSON")
    assert not [url for url in form.asked if url.endswith("/files")]


def test_an_upload_is_stopped_and_begun_again(form: Desk, system: System, clip: Path) -> None:
    held: list[Route] = []
    form.page.route(re.compile("/files$"), lambda route: held.append(route), times=1)  # noqa: PLW0108 - it takes no built-in
    form.page.get_by_label("Drop a file here").set_input_files(clip)
    form.page.get_by_role("button", name="Upload and submit").click()
    until(lambda: form.page.wait_for_timeout(50) or held, 15, "the upload begins")
    form.page.get_by_role("button", name="Stop the upload").click()
    expect(form.page.locator("#quote")).to_contain_text("The upload is stopped")
    form.page.get_by_role("button", name="Upload and submit").click()
    assert ended(system, opened(form)) == "completed"


def test_what_may_run_already_cannot_be_stopped_as_an_upload(form: Desk, system: System, clip: Path) -> None:
    held: list[Route] = []
    form.page.route(re.compile("/queue/media$"), lambda route: held.append(route), times=1)  # noqa: PLW0108 - as above
    form.page.get_by_label("Drop a file here").set_input_files(clip)
    form.page.get_by_role("button", name="Upload and submit").click()
    until(lambda: form.page.wait_for_timeout(50) or held, 15, "the job is submitted")
    expect(form.page.get_by_role("button", name="Stop the upload")).to_be_hidden()
    held[0].continue_()
    assert ended(system, opened(form)) == "completed"


def test_what_is_uploaded_is_not_uploaded_again(form: Desk, system: System, clip: Path) -> None:
    form.outage = True  # the browser's own word on the 503
    refusal = {"status": 503, "json": {"error": "Redis is unreachable"}}
    form.page.route(re.compile("/queue/media$"), lambda route: route.fulfill(**refusal), times=1)
    form.page.get_by_label("Drop a file here").set_input_files(clip)
    form.page.get_by_role("button", name="Upload and submit").click()
    expect(form.page.locator("#quote")).to_contain_text("Redis is unreachable. The file is uploaded: submit again")
    form.page.get_by_role("button", name="Upload and submit").click()
    assert ended(system, opened(form)) == "completed"
    assert len([url for url in form.asked if url.endswith("/files")]) == 1
    assert len([url for url in form.asked if url.endswith("/items/media_jobs")]) == 1
