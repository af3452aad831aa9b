"""The dashboard in a real browser: it shows what the API says, keeps up, acts, and survives an outage."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.integration.conftest import SLOW, make_clip, until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import APIResponse, Browser, Route

    from tests.browser.conftest import Desk
    from tests.integration.conftest import System

PAGE_MAX_BYTES = 60_000


def state(system: System, job_id: str) -> str:
    answer = requests.get(
        f"{system.stack.url('api')}/api/queue/jobs/{job_id}", headers={"Authorization": f"Bearer {system.token}"}, timeout=10
    )
    return str(answer.json()["job"]["state"])


def ended(system: System, job_id: str) -> str:
    def over() -> str | None:
        found = state(system, job_id)
        return found if found in ("completed", "failed", "cancelled") else None

    return str(until(over, 60, "the job ends"))


@pytest.fixture(scope="module")
def paused(system: System) -> Any:
    """Nothing of the container pool starts while this is in force."""
    system.ledger.pause("container", True)
    yield
    system.ledger.pause("container", False)


class TestThePage:
    def test_one_file_small_and_under_a_strict_policy(self, system: System) -> None:
        answer = requests.get(f"{system.stack.url('api')}/api/queue/dashboard", timeout=10)
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert len(answer.content) < PAGE_MAX_BYTES
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert re.fullmatch(r"'sha256-[\w+/=]+'", policy["script-src"])
        assert re.fullmatch(r"'sha256-[\w+/=]+'", policy["style-src"])
        assert (policy["connect-src"], policy["frame-ancestors"]) == ("'self'", "'none'")
        assert not re.search(r"(src|href)=[\"']?(https?:)?//", answer.text)

    def test_it_paints_before_the_api_has_answered(self, desk: Desk) -> None:
        """How soon, `make bench NAME=looking` says."""
        desk.page.route(re.compile("/(stats|trend|pools|health)$"), lambda route: None)  # never
        desk.open()
        expect(desk.page.locator("[data-count=waiting] b")).to_have_text("\u2013")
        assert desk.page.evaluate("performance.getEntriesByName('first-contentful-paint').length") == 1
        desk.page.unroute_all(behavior="ignoreErrors")

    def test_an_injected_script_does_not_run(self, desk: Desk) -> None:
        desk.open()
        desk.page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.owned = 1'}))"
        )
        assert desk.page.evaluate("window.owned") is None
        assert "Content Security Policy" in desk.errors.pop()


class TestWhatItShows:
    def test_the_counts_of_the_api_and_their_changes(self, desk: Desk, system: System, paused: None, clip: Path) -> None:
        before = system.stats()
        desk.open()
        expect(desk.page.locator("#link")).to_have_text("live")
        assert {name: desk.count(name) for name in before} == before
        system.submit(clip)
        expect(desk.page.locator("[data-count=waiting] b")).to_have_text(str(before["waiting"] + 1), timeout=7000)
        expect(desk.page.locator("#charts h2")).to_have_text(["Depth", "Throughput", "Failure rate"])
        drawn = desk.page.get_by_role("img", name=re.compile("Depth: waiting"))
        expect(drawn).to_have_accessible_name(re.compile(f"waiting {before['waiting'] + 1},"))

    def test_a_stranger_sees_no_job(self, desk: Desk) -> None:
        desk.open()
        expect(desk.page.locator("#link")).to_have_text("live")
        expect(desk.page.get_by_text("Sign in with a Directus token to see your jobs")).to_be_visible()
        expect(desk.page.locator("#jobs tr")).to_have_count(0)

    def test_a_wrong_token_is_said(self, desk: Desk) -> None:
        desk.open()
        desk.page.get_by_role("button", name="Sign in").click()
        desk.page.get_by_label("Your Directus token").fill("nonsense")
        desk.outage = True  # the browser's own word on the 401
        desk.page.get_by_role("button", name="Use it").click()
        expect(desk.page.locator("#said")).to_have_text("Invalid or expired Directus token")

    def test_ones_jobs_by_state_and_search(self, desk: Desk, system: System, paused: None, clip: Path) -> None:
        waiting = system.submit(clip)
        broken = system.submit(system.app.upload(_text_file(clip)), {}, "thumbnail")
        assert ended(system, broken) == "failed"
        desk.open()
        desk.sign_in(system.token)
        expect(desk.page.locator(f"a[href='#job={waiting}']")).to_be_visible()
        desk.page.locator("#state").select_option("failed")
        expect(desk.page.locator(f"a[href='#job={waiting}']")).to_have_count(0)
        expect(desk.page.locator(f"a[href='#job={broken}']")).to_be_visible()
        desk.page.locator("#state").select_option("")
        desk.page.get_by_label("Job id, or part of an error").fill(waiting)
        desk.page.get_by_role("button", name="Find").click()
        expect(desk.page.locator("#jobs tr")).to_have_count(1)
        desk.page.get_by_label("Job id, or part of an error").fill("<b>no such</b>")
        desk.page.get_by_role("button", name="Find").click()
        expect(desk.page.get_by_text("No job fits.")).to_be_visible()

    def test_one_job_with_its_picture_attempts_and_log(self, desk: Desk, system: System, clip: Path) -> None:
        job_id = system.submit(clip, {"width": 160, "height": 120}, "thumbnail")
        assert ended(system, job_id) == "completed"
        desk.open()
        desk.sign_in(system.token)
        desk.open(job_id)
        card = desk.page.locator("#job")
        expect(card.get_by_role("heading", level=2)).to_contain_text("completed")
        expect(card.get_by_role("progressbar")).to_have_attribute("value", "100")
        expect(card.locator("li").first).to_contain_text("Attempt 1: completed")
        expect(card.get_by_label("Log")).to_contain_text("process took")
        expect(card.locator("#picture")).to_be_visible()
        assert desk.page.evaluate("document.getElementById('picture').naturalWidth") == 160

    def test_the_next_person_sees_nothing_of_the_last(self, desk: Desk, system: System, admin_token: str, clip: Path) -> None:
        theirs = system.submit(clip)
        desk.open(theirs)
        desk.sign_in(system.token)
        expect(desk.page.locator("#job dd", has_text=theirs)).to_be_visible()
        desk.page.get_by_role("button", name="Sign out").click()
        expect(desk.page.locator("#job dd")).to_have_count(0)
        desk.outage = True  # the browser's own word on the 404
        desk.sign_in(system.stack.tokens()["free"])
        expect(desk.page.locator("#none")).to_be_visible()
        expect(desk.page.locator("#jobs tr")).to_have_count(0)
        expect(desk.page.locator("#job")).to_contain_text("jobId must be the id of one of your media_jobs records")

    def test_directus_away_is_not_the_api_away(self, desk: Desk, system: System) -> None:
        desk.open()
        desk.sign_in(system.token)
        expect(desk.page.locator("#jobs tr").first).to_be_visible()
        desk.outage = True
        directus = system.stack.parts["directus"]
        directus.stop()
        try:
            expect(desk.page.locator("#jobs-away")).to_contain_text("Jobs cannot be read: Directus", timeout=15_000)
            expect(desk.page.locator("#alarms")).to_contain_text("Cannot be reached: directus", timeout=15_000)
            expect(desk.page.locator("#link")).to_have_text("live")
            expect(desk.page.locator("#said")).to_be_hidden()
        finally:
            directus.start()
        expect(desk.page.locator("#jobs-away")).to_be_hidden(timeout=15_000)

    def test_what_an_owner_wrote_is_text(self, desk: Desk, system: System) -> None:
        hostile = "<img src=x onerror=alert(1)>"
        job_id = system.app.create_record("transcoding", None)
        system.admin("PATCH", f"/items/media_jobs/{job_id}", json={"status": "failed", "error": hostile})
        desk.open()
        desk.sign_in(system.token)
        desk.open(job_id)
        expect(desk.page.locator("#job dd", has_text=hostile)).to_be_visible()
        assert desk.page.locator("#job img:not(#picture)").count() == 0


class TestWhatItDoes:
    def test_cancel_and_retry(self, desk: Desk, system: System, paused: None, clip: Path) -> None:
        job_id = system.submit(clip)
        desk.open()
        desk.sign_in(system.token)
        desk.open(job_id)
        desk.page.on("dialog", lambda dialog: dialog.accept())
        expect(desk.page.locator("#job dt", has_text="Place in the line")).to_be_visible()
        desk.page.get_by_role("button", name="Cancel").click()
        expect(desk.page.locator("#said")).to_have_text("The job is cancelled")
        assert state(system, job_id) == "cancelled"
        desk.page.get_by_role("button", name="Retry").click()
        expect(desk.page.locator("#said")).to_have_text("The job will run again")
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
        desk.open()
        desk.sign_in(admin_token)
        expect(desk.page.get_by_role("button", name="Pause lambda")).to_be_visible()
        held: list[tuple[Route, APIResponse]] = []
        desk.page.route(re.compile("/pools$"), lambda route: held.append((route, route.fetch())), times=1)
        until(lambda: desk.page.wait_for_timeout(100) or held, 15, "the page asks for the pools")
        desk.page.get_by_role("button", name="Pause lambda").click()
        expect(desk.page.locator("#said")).to_have_text("lambda is paused")
        held[0][0].fulfill(response=held[0][1])
        expect(desk.page.get_by_role("button", name="Resume lambda")).to_be_visible(timeout=3000)  # before the next round
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


def test_a_running_job_moves(desk: Desk, system: System, tmp_path: Path) -> None:
    system.ledger.pause("container", False)
    job_id = system.submit(make_clip(tmp_path / "long.mp4", 20, "640x360"), SLOW, priority=1)
    desk.open()
    desk.sign_in(system.token)
    desk.open(job_id)
    bar = desk.page.locator("#job progress")
    bar.wait_for()
    seen: set[int] = set()
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and 100 not in seen:
        seen.add(int(bar.get_attribute("value") or 0))
        desk.page.wait_for_timeout(200)
    assert 100 in seen
    assert len(seen) >= 3  # and not from nothing to all


def test_an_alarm_is_shown(desk: Desk, system: System) -> None:
    keeper = system.stack.parts["keeper"]  # it judges as well
    keeper.stop()
    system.ledger.judge([("oldest-waiting", True, 0)])
    try:
        desk.open()
        expect(desk.page.locator("#alarms")).to_contain_text("oldest-waiting: A job has waited too long", timeout=15_000)
        assert _axe(desk) == []
    finally:
        system.ledger.judge([("oldest-waiting", False, 0)])
        keeper.start()


def test_it_survives_an_outage(desk: Desk, system: System) -> None:
    desk.open()
    expect(desk.page.locator("#link")).to_have_text("live")
    before = system.stats()
    assert sum(before.values()) > 0
    desk.outage = True
    api = system.stack.parts["api"]
    api.stop()
    try:
        expect(desk.page.locator("#link")).to_have_text("away")
        expect(desk.page.locator("#away")).to_contain_text("The API is away (")
        expect(desk.page.locator("#away")).to_contain_text("The figures are from ")
        assert {name: desk.count(name) for name in before} == before  # what was known stays
        assert _axe(desk) == []
    finally:
        api.start()
    expect(desk.page.locator("#link")).to_have_text("live")
    expect(desk.page.locator("#away")).to_be_hidden()
    expect(desk.page.locator("#said")).to_have_text("The API is back.")


class TestForEverybody:
    @pytest.mark.parametrize("desk", ["light", "dark"], indirect=True)
    def test_axe_finds_nothing(self, desk: Desk, system: System, clip: Path) -> None:
        job_id = system.submit(clip, {"width": 160}, "thumbnail")
        desk.open()
        desk.sign_in(system.token)
        desk.open(job_id)
        expect(desk.page.locator("#job dd", has_text=job_id)).to_be_visible()
        expect(desk.page.locator("#jobs a").first).to_be_visible()
        assert _axe(desk) == []
        desk.page.get_by_role("button", name="Sign out").click()
        expect(desk.page.locator("#stranger")).to_be_visible()
        assert _axe(desk) == []

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


def _axe(desk: Desk) -> list[str]:
    found = Axe().run(desk.page).response["violations"]
    return [f"{one['id']}: {node['html'][:100]}" for one in found for node in one["nodes"]]


def _text_file(clip: Path) -> Path:
    target = clip.with_name("words.mp4")
    target.write_text("these are words, and no film")
    return target
