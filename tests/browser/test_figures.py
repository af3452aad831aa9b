"""The dashboard shows what the API returns, updates itself, and survives an outage."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests import inputs
from tests.browser.conftest import axe, ended
from tests.integration.conftest import SLOW, make_clip, until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Route

    from tests.browser.conftest import Desk
    from tests.integration.conftest import System


class TestWhatItShows:
    def test_the_counts_of_the_api_and_their_changes(self, desk: Desk, system: System, paused: None, clip: Path) -> None:
        before = system.stats()
        desk.open()
        expect(desk.page.locator("#link")).to_have_text("live")
        assert {name: desk.count(name) for name in before} == before
        system.submit(clip)
        expect(desk.page.locator("[data-count=waiting] b")).to_have_text(str(before["waiting"] + 1))
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

    def test_the_warnings_of_a_job(self, desk: Desk, system: System, tmp_path: Path) -> None:
        inputs.broken_off(tmp_path / "broken_off.mp4")
        job_id = system.submit(tmp_path / "broken_off.mp4", {"width": 160}, "thumbnail")
        assert ended(system, job_id) == "completed"
        desk.open()
        desk.sign_in(system.token)
        desk.open(job_id)
        expect(desk.page.get_by_role("heading", name="Warnings")).to_be_visible()
        expect(desk.page.get_by_text("input_truncated: The input ends before its index says so")).to_be_visible()
        desk.page.screenshot(path=str(tmp_path / "warnings.png"))

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
        expect(desk.page.get_by_text("No job matches.")).to_be_visible()

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
        expect(card.get_by_role("img", name=re.compile(r"^Attempts: waited [\d.]+ s, ran [\d.]+ s$"))).to_be_visible()
        assert card.locator("svg rect title").all_text_contents()[1].startswith("Attempt 1: completed, ")
        facts, log = card.locator("dl").bounding_box(), card.locator("svg").bounding_box()
        assert facts is not None
        assert log is not None
        assert facts["x"] + facts["width"] < log["x"]  # beside each other
        expect(card.get_by_label("Log")).to_contain_text("process took")
        expect(card.locator("#picture")).to_be_visible()
        assert desk.page.evaluate("document.getElementById('picture').naturalWidth") == 160

    def test_the_attempts_over_time(self, desk: Desk) -> None:
        """Two that failed or run, with the waits before them."""
        desk.open()
        lines = desk.page.evaluate("""() => attemptsView({ created_at: "2026-11-28T09:00:00Z", attempts: [
          { attempt: 1, started_at: "2026-11-28T09:00:03Z", ended_at: "2026-11-28T09:00:05Z", outcome: "retry", error: "x" },
          { attempt: 2, started_at: "2026-11-28T09:00:09Z", ended_at: "2026-11-28T09:00:10Z", outcome: "completed" }] })
          .flatMap(one => [...one.querySelectorAll("rect")].map(bar => bar.className.baseVal + " " + bar.textContent))""")
        assert lines == [
            "w Attempt 1: waited 3 s",
            "c Attempt 1: retry, 2 s",
            "w Attempt 2: waited 4 s",
            "b Attempt 2: completed, 1 s",
        ]

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

    def test_a_picture_on_its_way_shows_the_next_person_nothing(self, desk: Desk, system: System, clip: Path) -> None:
        theirs = system.submit(clip, {"width": 160}, "thumbnail")
        assert ended(system, theirs) == "completed"
        held: list[Route] = []
        desk.page.route(re.compile("/picture$"), lambda route: held.append(route))  # noqa: PLW0108 - it takes no built-in
        desk.open(theirs)
        desk.sign_in(system.token)
        until(lambda: desk.page.wait_for_timeout(100) or held, 15, "the picture is asked for")
        desk.page.get_by_role("button", name="Sign out").click()
        held[0].continue_()
        desk.page.wait_for_timeout(1000)
        assert desk.page.locator("#job dd").count() == 0  # at once, and not from the next round on
        expect(desk.page.locator("#job")).to_contain_text("Sign in to see it")

    def test_directus_away_is_not_the_api_away(self, desk: Desk, system: System) -> None:
        desk.open()
        desk.sign_in(system.token)
        expect(desk.page.locator("#jobs tr").first).to_be_visible()
        desk.outage = True
        directus = system.stack.processes["directus"]
        directus.stop()
        try:
            expect(desk.page.locator("#jobs-away")).to_contain_text("Jobs cannot be read: Directus")
            expect(desk.page.locator("#alarms")).to_contain_text("Cannot be reached: directus")
            expect(desk.page.locator("#link")).to_have_text("live")
            expect(desk.page.locator("#said")).to_be_hidden()
        finally:
            directus.start()
        expect(desk.page.locator("#jobs-away")).to_be_hidden()

    def test_what_an_owner_wrote_is_text(self, desk: Desk, system: System) -> None:
        hostile = "<img src=x onerror=alert(1)>"
        job_id = system.app.create_record("transcoding", None)
        system.admin("PATCH", f"/items/media_jobs/{job_id}", json={"status": "failed", "error": hostile})
        desk.open()
        desk.sign_in(system.token)
        desk.open(job_id)
        expect(desk.page.locator("#job dd", has_text=hostile)).to_be_visible()
        assert desk.page.locator("#job img:not(#picture)").count() == 0


def test_a_running_job_moves(desk: Desk, system: System, tmp_path: Path) -> None:
    system.ledger.pause("container", False)
    job_id = system.submit(make_clip(tmp_path / "long.mp4", 20, "320x180"), SLOW, priority=1)
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
    maintenance = system.stack.processes["maintenance"]  # it judges as well
    maintenance.stop()
    system.ledger.evaluate_alarms([("oldest-waiting", True, 0)])
    try:
        desk.open()
        expect(desk.page.locator("#alarms")).to_contain_text("oldest-waiting: A job has been waiting too long")
        assert axe(desk) == []
    finally:
        system.ledger.evaluate_alarms([("oldest-waiting", False, 0)])
        maintenance.start()


def test_it_survives_an_outage(desk: Desk, system: System) -> None:
    desk.open()
    expect(desk.page.locator("#link")).to_have_text("live")
    before = system.stats()
    assert sum(before.values()) > 0
    desk.outage = True
    api = system.stack.processes["api"]
    api.stop()
    try:
        expect(desk.page.locator("#link")).to_have_text("away")
        expect(desk.page.locator("#away")).to_contain_text("The API is unreachable (")
        expect(desk.page.locator("#away")).to_contain_text("The figures are from ")
        assert {name: desk.count(name) for name in before} == before  # what was known stays
        assert axe(desk) == []
    finally:
        api.start()
    expect(desk.page.locator("#link")).to_have_text("live")
    expect(desk.page.locator("#away")).to_be_hidden()
    expect(desk.page.locator("#said")).to_have_text("The API is back.")


def _text_file(clip: Path) -> Path:
    target = clip.with_name("words.mp4")
    target.write_text("these are words, and no film")
    return target
