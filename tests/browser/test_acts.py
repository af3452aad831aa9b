"""Actions in the dashboard: retry, cancel, pause, filter, by mouse and keyboard."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.conftest import state
from tests.integration.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import APIResponse, Route

    from tests.browser.conftest import Desk
    from tests.integration.conftest import System


class TestWhatItDoes:
    def test_cancel_and_retry(self, desk: Desk, system: System, paused: None, clip: Path) -> None:
        job_id = system.submit(clip)
        desk.open()
        desk.sign_in(system.token)
        desk.open(job_id)
        desk.page.on("dialog", lambda dialog: dialog.accept())
        expect(desk.page.locator("#job dt", has_text="Position in the queue")).to_be_visible()
        desk.page.get_by_role("button", name="Cancel", exact=True).click()
        expect(desk.page.locator("#said")).to_have_text("The job is cancelled")
        assert state(system, job_id) == "cancelled"
        desk.page.get_by_role("button", name="Retry", exact=True).click()
        expect(desk.page.locator("#said")).to_have_text("The job will be retried")
        assert state(system, job_id) == "waiting"

    def test_pause_and_resume_for_an_administrator(self, desk: Desk, system: System, admin_token: str) -> None:
        desk.open()
        desk.sign_in(admin_token)
        desk.page.get_by_role("button", name="Pause lambda").click()
        expect(desk.page.get_by_role("button", name="Resume lambda")).to_be_visible()
        assert system.ledger.pools()["lambda"].paused is True
        desk.page.get_by_role("button", name="Resume lambda").click()
        expect(desk.page.get_by_role("button", name="Pause lambda")).to_be_visible()
        assert system.ledger.pools()["lambda"].paused is False

    def test_what_one_did_is_seen_though_older_news_is_on_its_way(self, desk: Desk, system: System, admin_token: str) -> None:
        desk.page.clock.install()
        desk.open()
        desk.sign_in(admin_token)
        expect(desk.page.get_by_role("button", name="Pause lambda")).to_be_visible()
        held: list[tuple[Route, APIResponse]] = []
        desk.page.route(re.compile("/pools$"), lambda route: held.append((route, route.fetch())), times=1)
        desk.page.clock.pause_at(desk.page.evaluate("Date.now() / 1000 + 0.1"))
        desk.page.clock.run_for(5000)  # the page asks again, and from here on no timer of it goes off
        until(lambda: desk.page.wait_for_timeout(100) or held, 15, "the page asks for the pools")
        desk.page.get_by_role("button", name="Pause lambda").click()
        expect(desk.page.locator("#said")).to_have_text("lambda is paused")
        held[0][0].fulfill(response=held[0][1])
        expect(desk.page.get_by_role("button", name="Resume lambda")).to_be_visible()
        system.ledger.pause("lambda", False)

    def test_others_are_told_that_they_may_not(self, desk: Desk, system: System) -> None:
        desk.open()
        desk.sign_in(system.token)
        desk.outage = True  # the browser's own word on the 403
        desk.page.get_by_role("button", name=re.compile("(Pause|Resume) container")).click()
        expect(desk.page.locator("#said")).to_have_text("Only administrators pause and resume pools")

    def test_focus_and_scrolling_stay_through_the_rounds(self, desk: Desk, system: System, paused: None, clip: Path) -> None:
        job_id = system.submit(clip)
        desk.open()
        desk.sign_in(system.token)
        desk.page.locator(f"a[href='#job={job_id}']").focus()
        system.submit(clip)  # so that the list is drawn anew
        expect(desk.page.locator("#jobs tr")).not_to_have_count(0)
        desk.page.wait_for_timeout(6000)
        assert desk.page.evaluate("document.activeElement.dataset.key") == job_id

    def test_page_by_page(self, desk: Desk, system: System) -> None:
        for _ in range(25):
            system.app.create_record("upload", None)
        desk.open()
        desk.sign_in(system.token)
        desk.page.locator("#operation").select_option("upload")
        expect(desk.page.locator("#jobs tr")).to_have_count(20)
        desk.page.get_by_role("button", name="Older").click()
        expect(desk.page.locator("#jobs tr")).to_have_count(5)
        expect(desk.page.get_by_role("button", name="Older")).to_be_disabled()
        desk.page.get_by_role("button", name="Newer").click()
        expect(desk.page.locator("#jobs tr")).to_have_count(20)

    def test_by_keyboard_alone(self, desk: Desk, system: System, paused: None, clip: Path) -> None:
        job_id = system.submit(clip)
        desk.open()
        keyboard = desk.page.keyboard
        desk.page.locator("#sign").focus()
        keyboard.press("Enter")
        keyboard.type(system.token)
        keyboard.press("Enter")
        link = desk.page.locator(f"a[href='#job={job_id}']")
        link.wait_for()
        link.focus()
        keyboard.press("Enter")
        expect(desk.page.locator("#job dd", has_text=job_id)).to_be_visible()
        desk.page.get_by_role("button", name="Close").focus()
        keyboard.press("Enter")
        expect(desk.page.locator("#job")).to_be_hidden()
        assert desk.page.evaluate("document.activeElement.dataset.key") == job_id  # back where one was
