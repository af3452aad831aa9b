"""Credentials in the dashboard: stored, tried and deleted, and the secret leaves the page once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.conftest import axe

if TYPE_CHECKING:
    from tests.browser.conftest import Desk
    from tests.integration.conftest import System

SECRET = "s3cret-of-the-page"


def test_store_try_and_delete(desk: Desk, system: System) -> None:
    sent: list[str] = []
    desk.page.on("request", lambda request: sent.append(request.post_data or ""))
    desk.open()
    desk.sign_in(system.token)
    page = desk.page
    page.get_by_text("Store a credential").click()
    page.get_by_label("Name").fill("My bucket")
    page.get_by_label("Kind").select_option("basic")
    page.get_by_label("Hosts, such as").fill("Files.example, cdn.example")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill(SECRET)
    assert axe(desk) == []
    page.get_by_role("button", name="Store it").click()
    expect(page.locator("#said")).to_contain_text("My bucket is stored")
    row = page.locator("#credentials tr", has_text="My bucket")
    expect(row).to_contain_text("files.example, cdn.example")
    expect(row).to_contain_text("not used")
    expect(page.locator("#secret-fields input").first).to_have_value("")
    assert SECRET not in page.content()
    assert sum(SECRET in text for text in sent) == 1

    page.once("dialog", lambda dialog: dialog.accept("https://evil.example/"))
    page.get_by_role("button", name="Test My bucket").click()
    expect(page.locator("#said")).to_have_text("url must be an https URL at one of files.example, cdn.example")
    desk.errors.clear()  # the browser reports the 400 on its console

    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete My bucket").click()
    expect(page.locator("#said")).to_have_text("My bucket is deleted.")
    expect(page.locator("#no-credentials")).to_be_visible()


def test_they_are_the_users_own(desk: Desk, system: System) -> None:
    desk.open()
    expect(desk.page.locator("#credentials-part")).to_be_hidden()
    desk.sign_in(system.token)
    expect(desk.page.locator("#credentials-part")).to_be_visible()
