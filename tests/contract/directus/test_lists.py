"""The filters of `GET /queue/jobs` on both: page by page, each record once."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from chalicelib.directus.records import LIST_FIELDS
from chalicelib.domain import queries
from chalicelib.usecases.job_status import cursor_after
from infra.local.directus import accounts

if TYPE_CHECKING:
    from tests.contract.server import Server


def found(server: Server, size: int = 100, **query: str) -> list[str]:
    """Go through all pages."""
    asked = queries.parse({name: [value] for name, value in query.items()})
    ids: list[str] = []
    after = None
    for _ in range(100):
        page = server.service.find_jobs(queries.as_filter(asked, None, after), size, after.skip if after else 0)
        ids += [record.id for record in page]
        if len(page) < size:
            return ids
        after = cursor_after(page, after)
    raise AssertionError("no end")


def changed(server: Server, job_id: str, **values: object) -> None:
    assert server.call("PATCH", f"/items/media_jobs/{job_id}", accounts.ADMIN_TOKEN, json=values).status_code == 200


@pytest.fixture(scope="module")
def marked(server: Server) -> dict[str, str]:
    """Records in several states that share a word in their error."""
    word = f"word {uuid.uuid4()}"
    there = {name: str(server.record()["id"]) for name in ("pending", "failed", "cancelled", "completed", "other")}
    changed(server, there["pending"], error=word)
    changed(server, there["failed"], status="failed", error=f"a {word} b")
    changed(server, there["cancelled"], status="failed", error="Cancelled")
    changed(server, there["completed"], status="completed", error=word)
    changed(server, there["other"], status="archived", error=word)
    return {**there, "word": word}


def test_by_search(server: Server, marked: dict[str, str]) -> None:
    assert set(found(server, search=marked["word"])) == {marked[name] for name in ("pending", "failed", "completed")}
    assert found(server, search=marked["cancelled"]) == [marked["cancelled"]]
    assert found(server, search=str(uuid.uuid4())) == []


def test_by_state(server: Server, marked: dict[str, str]) -> None:
    assert found(server, search=marked["word"], state="failed") == [marked["failed"]]
    assert marked["failed"] not in found(server, state="cancelled")
    assert marked["cancelled"] in found(server, state="cancelled")
    assert marked["cancelled"] not in found(server, state="failed")
    assert found(server, search=marked["word"], state="waiting") == [marked["pending"]]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_page_by_page(server: Server, size: int) -> None:
    """Also those that were made within one millisecond."""
    word = f"word {uuid.uuid4()}"
    made = [str(server.record()["id"]) for _ in range(5)]
    for at, job_id in enumerate(made):
        same = {"date_created": "2026-11-01T12:00:00.123Z"} if at < 3 else {}
        changed(server, job_id, error=word, **same)
    ids = found(server, size, search=word)
    assert sorted(ids) == sorted(made)


def test_without_a_column_that_this_directus_lacks(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    row = server.record()
    monkeypatch.setattr(server.service, "_list_fields", f"{LIST_FIELDS},bogus")
    assert row["id"] in found(server)
    assert row["id"] in found(server)  # and goes on without


def test_by_time(server: Server) -> None:
    row = server.record()
    assert row["id"] in found(server, since=row["date_created"], until=row["date_created"])
    assert row["id"] not in found(server, until="2020-01-01T00:00:00+01:00")
