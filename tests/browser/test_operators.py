"""What operators do in the dashboard: many jobs at once, workers, a view with an address, values of the charts."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.conftest import axe, ended, state
from tests.browser.test_figures import _text_file
from tests.integration.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Desk
    from tests.integration.conftest import System


class TestManyJobs:
    def test_selected_ones_are_retried_and_cancelled(self, desk: Desk, system: System, paused: None, clip: Path) -> None:
        broken = [system.submit(system.app.upload(_text_file(clip)), {}, "thumbnail") for _ in range(2)]
        assert [ended(system, job) for job in broken] == ["failed", "failed"]
        waiting = system.submit(clip)
        desk.open()
        desk.sign_in(system.token)
        retry = desk.page.get_by_role("button", name="Retry selected")
        expect(retry).to_be_disabled()
        for job in (broken[0], waiting):
            desk.page.get_by_label(f"Select {job}").check()
        expect(desk.page.get_by_text("2 selected")).to_be_visible()
        desk.page.wait_for_timeout(6000)  # a round: the selection stays
        assert axe(desk) == []
        retry.click()
        expect(desk.page.locator("#said")).to_contain_text(
            "1 of 2 jobs will be retried. jobId names a job that is pending; only a failed"
        )
        assert ended(system, broken[0]) == "failed"  # again: its input is no media
        desk.page.on("dialog", lambda dialog: dialog.accept())
        desk.page.get_by_label(f"Select {waiting}").check()
        desk.page.get_by_role("button", name="Cancel selected").click()
        expect(desk.page.locator("#said")).to_have_text("1 of 1 jobs are cancelled")
        assert state(system, waiting) == "cancelled"

    def test_all_that_match_the_filter(self, desk: Desk, system: System, paused: None, clip: Path) -> None:
        waiting = [system.submit(clip, {}, "caption_generation") for _ in range(2)]
        other = system.submit(clip)
        asked: list[str] = []
        desk.page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
        desk.open()
        desk.sign_in(system.token)
        cancel = desk.page.get_by_role("button", name="Cancel all that match")
        expect(cancel).to_have_count(0)
        desk.page.locator("#state").select_option("waiting")
        desk.page.locator("#operation").select_option("caption_generation")
        expect(desk.page.locator(f"a[href='#job={waiting[0]}']")).to_be_visible()
        cancel.click()
        expect(desk.page.locator("#said")).to_have_text("2 of 2 jobs are cancelled")
        assert asked == ["Cancel 2 jobs that match the filter?"]
        assert [state(system, job) for job in (*waiting, other)] == ["cancelled", "cancelled", "waiting"]

    def test_all_that_are_shown(self, desk: Desk, system: System, paused: None, clip: Path) -> None:
        jobs = [system.submit(clip) for _ in range(3)]
        desk.open()
        desk.sign_in(system.token)
        desk.page.get_by_label("Job id, or part of an error").fill(jobs[0])
        desk.page.get_by_role("button", name="Find").click()
        expect(desk.page.locator("#jobs tr")).to_have_count(1)
        desk.page.get_by_role("button", name="Select all shown").click()
        expect(desk.page.get_by_text("1 selected")).to_be_visible()
        desk.page.get_by_label("Job id, or part of an error").fill("")
        desk.page.get_by_role("button", name="Find").click()
        expect(desk.page.locator(f"a[href='#job={jobs[1]}']")).to_be_visible()
        expect(desk.page.get_by_label(f"Select {jobs[0]}")).to_be_checked()
        expect(desk.page.get_by_label(f"Select {jobs[1]}")).not_to_be_checked()


class TestViews:
    def test_a_filter_has_an_address(self, desk: Desk, system: System, paused: None, clip: Path) -> None:
        waiting = system.submit(clip)
        desk.open()
        desk.sign_in(system.token)
        desk.page.locator("#state").select_option("waiting")
        desk.page.locator("#operation").select_option("transcoding")
        expect(desk.page.locator(f"a[href='#job={waiting}']")).to_be_visible()
        address = desk.page.url
        assert address.endswith("#state=waiting&operation=transcoding")
        desk.page.goto("about:blank")
        desk.page.goto(address)
        expect(desk.page.locator("#state")).to_have_value("waiting")
        expect(desk.page.locator("#jobs .pill").first).to_have_text("waiting")

    def test_times_ids_and_owners(self, desk: Desk, system: System, clip: Path) -> None:
        job_id = system.submit(clip, {"width": 160}, "thumbnail")
        assert ended(system, job_id) == "completed"
        desk.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        desk.open()
        desk.sign_in(system.token)
        line = desk.page.locator("#jobs tr", has=desk.page.locator(f"a[href='#job={job_id}']"))
        expect(line.locator("time")).to_have_text(re.compile("just now|ago"))
        expect(line.locator("time")).to_have_attribute("title", re.compile(r"20\d\d"))
        expect(line.locator("td").nth(5)).to_have_text(re.compile(r"^[\d.]+ s$"))
        expect(line.locator("td").nth(6)).to_have_attribute("title", re.compile("^[0-9a-f-]{36}$"))
        desk.open(job_id)
        desk.page.get_by_role("button", name=f"Copy {job_id}").click()
        expect(desk.page.get_by_role("button", name=f"Copy {job_id}")).to_have_text("Copied")
        assert desk.page.evaluate("navigator.clipboard.readText()") == job_id
        expect(desk.page.locator("#job dl")).to_contain_text(re.compile(r"Cost\$0\.0\d+, .+ s of a processor, .+ MB of memory"))

    def test_the_values_of_a_chart(self, desk: Desk) -> None:
        desk.open()
        chart = desk.page.get_by_role("img", name=re.compile("Depth"))
        axis = desk.page.locator(".axis").first
        expect(axis).to_have_text(re.compile(r"15 min ago\d+:\d\d.*now"))
        chart.hover()
        expect(axis).to_have_text(re.compile(r"\d:\d\d.*: waiting \d+, active \d+"))
        desk.page.get_by_role("heading", name="mediaq").hover()
        expect(axis).to_have_text(re.compile("15 min ago.*now"))

    def test_a_day_in_the_charts(self, desk: Desk, system: System) -> None:
        until(lambda: system.scripts.redis.exists("{mediaq}:trend"), 30, "the maintenance task ran")
        hours = [f"{int(time.time() * 1000) - hour * 3_600_000} {100 - hour} 0 {hour} 0" for hour in range(23, 0, -1)]
        system.scripts.redis.lpush("{mediaq}:trend:day", *reversed(hours))
        desk.open()
        desk.page.get_by_label("Range").select_option("24 h")
        expect(desk.page.locator(".axis").first).to_have_text(re.compile("24 h ago.*now"))
        expect(desk.page.get_by_text("most 23")).to_be_visible()
        assert desk.page.url.endswith("#range=24h")
        desk.page.reload()
        expect(desk.page.get_by_label("Range")).to_have_value("24h")
        expect(desk.page.get_by_text("most 23")).to_be_visible()


class TestWorkers:
    def test_an_administrator_sees_them(self, desk: Desk, system: System, admin_token: str) -> None:
        desk.open()
        expect(desk.page.locator("#workers-part")).to_be_hidden()
        desk.sign_in(admin_token)
        desk.page.get_by_role("button", name="Show workers").click()
        line = desk.page.locator("#workers tr")
        expect(line).to_have_count(1)
        expect(line).to_contain_text("alive")
        expect(line).to_contain_text("lambda, container")
        assert axe(desk) == []
        desk.page.get_by_role("button", name="Sign out").click()
        expect(line).to_have_count(0)

    def test_others_are_told_that_they_may_not(self, desk: Desk, system: System) -> None:
        desk.open()
        desk.sign_in(system.token)
        desk.outage = True  # the browser's own word on the 403
        desk.page.get_by_role("button", name="Show workers").click()
        expect(desk.page.locator("#said")).to_have_text("Only administrators see the workers")
