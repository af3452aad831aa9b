"""An upload from the dashboard to the real Directus: in pieces that are resumed, or whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from infra.local.directus import accounts
from tests.integration.conftest import until
from tests.media import run_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Route

    from tests.integration.conftest import System


PIECE = 8 << 20


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """17 MB: three pieces."""
    target = tmp_path_factory.mktemp("upload") / "film.mkv"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=2", "-c:v", "rawvideo", "-pix_fmt", "yuv420p", target)
    return target


def submitted(page: Page, system: System, token: str, film: Path) -> dict[str, Any]:
    """Submit a film as the owner of a token; return the record of the ended job."""
    page.add_init_script(f"sessionStorage.setItem('token', {token!r})")
    page.goto(f"{system.stack.url('api')}/api/queue/dashboard")
    page.get_by_text("New job").click()
    page.get_by_label("Drop a file here").set_input_files(film)
    page.get_by_label("Operation").first.select_option("thumbnail")
    expect(page.locator("#quote")).to_contain_text("Accepted")
    page.evaluate("""() => {
      window.said = [];
      const line = document.querySelector("#upload span");
      new MutationObserver(() => said.push(line.textContent)).observe(line, { childList: true });
    }""")
    page.get_by_role("button", name="Upload and submit").click()
    found = until(lambda: page.wait_for_timeout(50) or re.search("#job=([0-9a-f-]{36})", page.url), 60, "the job")

    def ended() -> dict[str, Any] | None:
        record: dict[str, Any] = system.admin("GET", f"/items/media_jobs/{found[1]}")
        return record if record["status"] in ("completed", "failed") else None

    said = page.evaluate("said")
    assert said[-1].endswith(" of 17.3 MB uploaded")
    record: dict[str, Any] = until(ended, 60, "the job ends")
    assert (record["status"], record["error"]) == ("completed", None)
    file = system.admin("GET", f"/files/{record['input_file_id']}")
    assert (int(file["filesize"]), file["filename_download"], file["title"]) == (film.stat().st_size, "film.mkv", "film.mkv")
    return record


@pytest.mark.parametrize("piece", [0, 2], ids=["the first piece", "the last piece"])
def test_an_upload_goes_on_where_it_was_cut_off(piece: int, real_system: System, chromium: Browser, film: Path) -> None:
    page = chromium.new_page()
    sent: list[tuple[str, str]] = []
    page.on("request", lambda one: sent.append((one.method, one.headers.get("upload-offset", ""))))

    def lose(route: Route) -> None:
        """Directus has the piece, and the browser does not hear of it."""
        if route.request.headers.get("upload-offset") == str(piece * PIECE) and not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.fallback()

    lost: list[int] = []
    page.route(re.compile("/files/tus/"), lose)
    submitted(page, real_system, accounts.ADMIN_TOKEN, film)
    assert {"1 kB of 17.3 MB uploaded", "8.4 MB of 17.3 MB uploaded"} <= set(page.evaluate("said"))
    page.close()
    assert [offset for method, offset in sent if method == "PATCH"] == ["0", str(PIECE), str(2 * PIECE)]  # each one once
    assert [method for method, _ in sent].count("HEAD") == 1


def test_who_may_not_update_files_uploads_whole(real_system: System, chromium: Browser, film: Path) -> None:
    page = chromium.new_page()
    sent: list[str] = []
    page.on("request", lambda one: sent.append(f"{one.method} {one.url.removeprefix(real_system.stack.url('directus'))}"))
    submitted(page, real_system, real_system.token, film)
    page.close()
    assert [one for one in sent if one.startswith("POST /files")] == ["POST /files/tus", "POST /files"]
