"""The file of prices, and what a job costs by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain.cost import load_prices, spent_by
from chalicelib.errors import SettingsError
from chalicelib.settings import PRICES_FILE

if TYPE_CHECKING:
    from pathlib import Path


def test_the_shipped_ones() -> None:
    prices = load_prices(PRICES_FILE)
    assert prices.of_pool("lambda").of(1) == pytest.approx(0.00003917)
    assert prices.of_pool("container").of(2) == pytest.approx(0.0000518)
    assert prices.of_pool("container").job > 0


def test_traffic_and_jobs_are_free_unless_named(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"lambda": {"second": 1}, "container": {"second": 2, "gigabyte_in": 3, "gigabyte_out": 5}}')
    prices = load_prices(file)
    assert prices.of_pool("lambda").of(2, 10**9, 10**9) == 2
    assert prices.of_pool("container").of(2, 10**9, 2 * 10**9) == 17


@pytest.mark.parametrize(
    "text",
    [
        "nonsense", "[]", "{}", '{"lambda": {}}', '{"lambda": {"second": -1}, "container": {}}',
        '{"lambda": {"second": "1"}, "container": {}}', '{"lambda": {"seconds": 1}, "container": {}}',
    ],
)  # fmt: skip
def test_a_wrong_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "prices.json").write_text(text)
    with pytest.raises(SettingsError, match=r"PRICES_FILE .* must be JSON such as"):
        load_prices(tmp_path / "prices.json")


@pytest.mark.parametrize(
    ("result", "nano"),
    [
        ({"cost": {"pool": "lambda", "usd": 0.5}}, 500_000_000),
        ({"cost": {"pool": "lambda", "usd": -5}}, 0),
        ({"cost": {"pool": "lambda", "usd": 1e300}}, 10**15),
        ({"cost": {"pool": "lambda", "usd": "many"}}, 0),
        ({"cost": 5}, 0),
        ({}, 0),
        ([1], 0),
        ("nonsense", 0),
        (None, 0),
    ],
)
def test_what_a_record_says(result: Any, nano: int) -> None:
    assert spent_by(result) == nano
