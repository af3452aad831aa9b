"""`result.cost` of a job: what the kernel says that it used, and dollars by the file of prices."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain.cost import NANO, load_prices
from tests.contract.api.test_media import drain_tickets
from tests.media import make_tools, synthesise
from workers.runtime.runner import Runner

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.conftest import Api


def used() -> float:
    """Return the processor time of this process, with all its threads, and of the processes that it started."""
    both = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def run(api: Api, folder: Path, operation: str, params: dict[str, Any], *, clip: bytes | None = None) -> tuple[Any, float]:
    """Run a job; return its record and the processor time of this process meanwhile."""
    token = api.backends.tokens["enterprise"]
    made = clip or synthesise(folder / "clip.mp4", seconds=4, size="640x360").read_bytes()
    file_id = api.directus("POST", "/files", token, files={"file": ("clip.mp4", made, "video/mp4")})["id"]
    record = api.record(input_file_id=file_id)
    drain_tickets(api.services.tickets)
    assert api.enqueue({"jobId": record, "operation": operation, "params": params}).status_code == 200
    [ticket] = api.services.tickets.receive("lambda" if operation == "analysis" else "container", wait_seconds=1)
    before = used()
    Runner(api.services.ledger, api.services.tickets, api.services.directus, make_tools(folder / "work")).handle(ticket)
    return api.directus("GET", f"/items/media_jobs/{record}"), used() - before


@pytest.mark.parametrize(
    ("operation", "params"), [("transcoding", {"preset": "medium"}), ("transcoding", {"target_vmaf": 80}), ("analysis", {})]
)
def test_it_is_what_the_kernel_counts(api: Api, tmp_path: Path, operation: str, params: dict[str, Any]) -> None:
    record, cpu_seconds = run(api, tmp_path, operation, params)
    assert record["status"] == "completed", record["error"]
    cost = record["result"]["cost"]
    assert cost["cpu_seconds"] == pytest.approx(cpu_seconds, rel=0.05)
    assert cost["pool"] == ("lambda" if operation == "analysis" else "container")
    assert cost["peak_memory_bytes"] > 10 << 20
    assert cost["bytes_in"] == (tmp_path / "clip.mp4").stat().st_size
    assert cost["bytes_out"] == sum(one["bytes"] for one in record["result"]["outputs"])
    prices = load_prices(api.services.settings.prices_file).of_pool(cost["pool"])
    assert cost["usd"] == pytest.approx(prices.job + prices.second * cost["seconds"], rel=0.01)
    assert record["result"]["attempts"][0]["cost"]["cpu_seconds"] == cost["cpu_seconds"]


def test_a_failed_job_costs_too(api: Api, tmp_path: Path) -> None:
    api.services.usage_ledger.spent()  # the count begins
    record, _ = run(api, tmp_path, "transcoding", {}, clip=b"no film at all")
    assert record["status"] == "failed"
    cost = record["result"]["cost"]
    assert cost["usd"] > 0
    assert (cost["bytes_in"], cost["bytes_out"]) == (14, 0)
    assert api.services.usage_ledger.spent() == {"transcoding": round(cost["usd"] * NANO)}
