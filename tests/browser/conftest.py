"""A running system and headless Chromium. A missing browser fails the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from infra.local.directus import accounts
from tests.integration.conftest import System, clip, run_system, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

__all__ = ["clip"]

expect.set_options(timeout=15_000)  # a round of the page every five seconds, on a machine that runs other tests as well


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One system for all pages: its jobs are told apart by their ids."""
    yield from run_system(tmp_path_factory.mktemp("system"))


class Desk:
    """A page, with everything that its console says and every address that it asks for."""

    def __init__(self, page: Page, url: str, directus: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.outage = False
        self.origins = {url.split("/")[2], directus.split("/")[2]}  # those of its content security policy
        page.on("console", lambda message: self._note(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def _note(self, text: str) -> None:
        if not self.outage:  # a browser says of its own that a connection was refused
            self.errors.append(text)

    def open(self, job: str = "") -> None:
        self.page.goto(self.url + (f"#job={job}" if job else ""))

    def sign_in(self, token: str) -> None:
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_label("Your Directus token").fill(token)
        self.page.get_by_role("button", name="Use it").click()
        self.page.get_by_role("button", name="Sign out").wait_for()

    def count(self, name: str) -> int:
        return int(self.page.locator(f"[data-count={name}] b").inner_text().replace(",", ""))


@pytest.fixture(params=["light"])
def desk(request: pytest.FixtureRequest, chromium: Browser, system: System) -> Iterator[Desk]:
    context = chromium.new_context(color_scheme=request.param, viewport={"width": 1200, "height": 900})
    context.set_default_timeout(15_000)
    yield (made := Desk(context.new_page(), f"{system.stack.url('api')}/api/queue/dashboard", system.stack.url("directus")))
    context.close()
    assert made.errors == []
    assert {url.split("/")[2] for url in made.asked if url.startswith("http")} <= made.origins  # no foreign origin


@pytest.fixture(scope="session")
def admin_token() -> str:
    return accounts.ADMIN_TOKEN


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


def axe(desk: Desk) -> list[str]:
    """Return what stands in the way of those who see, hear or move otherwise."""
    found = Axe().run(desk.page).response["violations"]
    return [f"{one['id']}: {node['html'][:100]}" for one in found for node in one["nodes"]]
