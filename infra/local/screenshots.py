"""`make screenshots`: takes the dashboard screenshots of the README, of a system under load."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local import browser
from infra.local.client import CreatorApp
from infra.local.demo import synthesise
from infra.local.directus import accounts
from infra.local.processes import ROOT
from infra.local.stack import Stack, login

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playwright.sync_api import Browser

IMAGES = ROOT / "docs" / "images"
BUSY_SECONDS = 400
LINE = 12
"""The limit of waiting jobs: the machine sets the pace."""
SMALL = {"format": "mp4", "resolution": "144p", "preset": "ultrafast"}
PACKAGE = {"format": "hls", "preset": "veryfast", "quality": True}
LONG = {"format": "mp4", "codec": "h265", "resolution": "1080p", "preset": "slow"}


def main() -> int:
    """Start a system, keep it busy, and take screenshots in light, dark and phone size."""
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        stack = Stack(Path(folder) / "system", say=_say).start()
        try:
            token = login(stack.url("directus"), accounts.BEST.email, accounts.BEST.password)
            app = CreatorApp(stack.url("directus"), stack.url("api"), token)
            package = _submit(app, app.upload(synthesise(Path(folder) / "film.mp4")), "transcoding", PACKAGE)
            pictured, running_job = _keep_busy(app, Path(folder))
            page = f"{stack.url('api')}/api/queue/dashboard"
            with browser.launch() as running:
                _take(running, page, token, "dashboard-light", "light", (1200, 1010))
                _take(running, page, token, "dashboard-dark", "dark", (1200, 1010))
                _take(running, f"{page}#job={pictured}", token, "dashboard-job", "light", (1200, 900))
                _take(running, f"{page}#job={package}", token, "dashboard-package", "light", (1000, 900), part="#media")
                _take(running, f"{page}#job={running_job}", token, "dashboard-phone", "dark", (390, 800))
        finally:
            stack.stop()
    return 0


def _keep_busy(app: CreatorApp, folder: Path) -> tuple[str, str]:
    """Run jobs for a while; return one with an image, and a running one."""
    clip = app.upload(synthesise(folder / "clip.mp4"))
    words = folder / "words.mp4"
    words.write_text("no film at all")
    broken = app.upload(words)
    until = time.monotonic() + BUSY_SECONDS
    while time.monotonic() < until:
        if app.stats()["waiting"] < LINE:
            pictured = _submit(app, clip, "thumbnail", {"width": 640})
            _submit(app, clip, "transcoding", SMALL)
        if int(until - time.monotonic()) % 4 == 0:
            _submit(app, broken, "analysis", {})
        time.sleep(random.uniform(0.5, 4.5))  # noqa: S311 - people come when they like
    while app.stats()["waiting"]:
        time.sleep(1)
    running = _submit(app, clip, "transcoding", LONG)
    for _ in range(4):
        _submit(app, clip, "transcoding", LONG)
    _submit(app, clip, "caption_generation", {}, delay=3_600_000)
    time.sleep(3)
    return pictured, running


def _submit(app: CreatorApp, file_id: str, operation: str, params: Mapping[str, object], **values: object) -> str:
    job_id = app.create_record(operation, file_id, params=params)
    app.enqueue(job_id, operation, params=params, **values).raise_for_status()
    return job_id


def _take(running: Browser, url: str, token: str, name: str, scheme: str, size: tuple[int, int], part: str = "body") -> None:
    """Take the window, or one `part` of the page."""
    width, height = size
    context = running.new_context(color_scheme=scheme, viewport={"width": width, "height": height})  # type: ignore[arg-type]
    context.add_init_script(f"sessionStorage.setItem('token', {token!r})")
    page = context.new_page()
    page.goto(url)
    page.locator("#jobs tr").first.wait_for()
    if "#job=" in url:
        page.locator("#job dl").wait_for()
    page.wait_for_timeout(6000)  # one more update, so that the figures change
    IMAGES.mkdir(exist_ok=True)
    target = IMAGES / f"{name}.png"
    page.locator(part).screenshot(path=target) if part != "body" else page.screenshot(path=target)
    _say(f"docs/images/{name}.png")
    context.close()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
