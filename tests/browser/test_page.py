"""The page: size, content security policy, accessibility."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.conftest import axe
from tests.integration.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.browser.conftest import Desk
    from tests.integration.conftest import System

PAGE_MAX_BYTES = 80_000


class TestThePage:
    def test_one_file_small_and_under_a_strict_policy(self, system: System) -> None:
        answer = requests.get(f"{system.stack.url('api')}/api/queue/dashboard", timeout=10)
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert len(answer.content) < PAGE_MAX_BYTES
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert re.fullmatch(r"'sha256-[\w+/=]+'", policy["script-src"])
        assert re.fullmatch(r"'sha256-[\w+/=]+'", policy["style-src"])
        directus = system.stack.url("directus")
        assert policy["frame-ancestors"] == "'none'"
        assert policy["connect-src"] == f"'self' {directus}"
        assert (policy["media-src"], policy["img-src"]) == (f"{directus} blob:", "data: blob:")
        assert not re.search(r"(src|href)=[\"']?(https?:)?//", answer.text)

    def test_it_paints_before_the_api_has_answered(self, desk: Desk) -> None:
        """How soon, `make bench NAME=looking` says."""
        desk.page.route(re.compile("/(stats|trend|pools|health)$"), lambda route: None)  # never
        desk.open()
        expect(desk.page.locator("[data-count=waiting] b")).to_have_text("\u2013")
        until(lambda: desk.page.evaluate("performance.getEntriesByName('first-contentful-paint').length") == 1, 5, "painted")
        desk.page.unroute_all(behavior="ignoreErrors")

    def test_an_injected_script_does_not_run(self, desk: Desk) -> None:
        desk.open()
        desk.page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.owned = 1'}))"
        )
        assert desk.page.evaluate("window.owned") is None
        assert "Content Security Policy" in desk.errors.pop()


class TestForEverybody:
    @pytest.mark.parametrize("desk", ["light", "dark"], indirect=True)
    def test_axe_finds_nothing(self, desk: Desk, system: System, clip: Path) -> None:
        job_id = system.submit(clip, {"width": 160}, "thumbnail")
        desk.open()
        desk.sign_in(system.token)
        desk.open(job_id)
        expect(desk.page.locator("#job dd", has_text=job_id)).to_be_visible()
        expect(desk.page.locator("#jobs a").first).to_be_visible()
        assert axe(desk) == []
        desk.page.get_by_role("button", name="Sign out").click()
        expect(desk.page.locator("#stranger")).to_be_visible()
        assert axe(desk) == []

    def test_the_theme_can_be_chosen_and_is_remembered(self, desk: Desk) -> None:
        desk.open()
        light = desk.page.evaluate("getComputedStyle(document.body).backgroundColor")
        desk.page.get_by_role("button", name="Use the dark theme").click()
        assert desk.page.evaluate("getComputedStyle(document.body).backgroundColor") != light
        desk.page.reload()
        expect(desk.page.get_by_role("button", name="Use the light theme")).to_be_visible()

    def test_on_a_phone(self, chromium: Browser, system: System, clip: Path) -> None:
        job_id = system.submit(clip, {"width": 160}, "thumbnail")
        context = chromium.new_context(viewport={"width": 360, "height": 700}, has_touch=True)
        context.add_init_script(f"sessionStorage.setItem('token', {system.token!r})")
        page = context.new_page()
        page.goto(f"{system.stack.url('api')}/api/queue/dashboard#job={job_id}")
        page.locator("#link", has_text="live").wait_for()
        expect(page.locator("#job dd", has_text=job_id)).to_be_visible()
        expect(page.locator("#jobs a").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360  # nothing to scroll sideways for
        assert page.get_by_role("button", name="Sign out").bounding_box()["height"] >= 38  # type: ignore[index]
        context.close()
