"""`mediaq quote`: what a job will take, before the upload."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from mediaq.cli import show
from mediaq.cli.commands import OPERATIONS, parse_params
from mediaq.cli.context import Settings, as_json, pass_settings, say_json
from mediaq.errors import ApiError

DESCRIBED = ("duration", "resolution", "fps")


@click.command(short_help="Say what a job will take, before the upload.")
@click.argument("source", metavar="[FILE_OR_URL]", required=False, type=click.Path(path_type=str))
@click.option("--operation", "-o", required=True, type=click.Choice(OPERATIONS), help="What is to be done.")
@click.option("--preset", help="A named set of parameters of transcoding, such as web-720p.")
@click.option("--param", "-p", "pairs", multiple=True, metavar="NAME=VALUE", help="A parameter of the operation; repeatable.")
@click.option("--params", "params_json", metavar="JSON", help="The parameters as a JSON object.")
@click.option("--priority", type=click.IntRange(1, 100), help="Lower is sooner (10).")
@click.option("--duration", type=float, metavar="SECONDS", help="The duration of the input, for a better estimate.")
@click.option("--resolution", metavar="WIDTHxHEIGHT", help="The size of its picture.")
@click.option("--fps", type=float, metavar="NUMBER", help="Its frames a second.")
@as_json
@pass_settings
def quote(
    settings: Settings,
    /,
    source: str | None,
    operation: str,
    preset: str | None,
    pairs: tuple[str, ...],
    params_json: str | None,
    priority: int | None,
    as_json: bool,
    **described: Any,
) -> None:
    """Say whether a job would be accepted, when it would end, and what it would cost. Uploads and changes nothing."""
    about = {name: described[name] for name in DESCRIBED if described[name] is not None}
    options = {} if priority is None else {"priority": priority}
    params = parse_params(params_json, pairs, preset)
    found = settings.client.quote(operation, source, params, about=about or (None if source else {"codec": ""}), **options)
    if as_json:
        say_json(found)
    refusal = found["refusal"]
    if refusal is not None:
        raise ApiError(refusal["status"], refusal.get("message") or refusal["error"])
    if not as_json:
        for name, text in _lines(found):
            click.echo(f"{name:11} {text}")


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    seconds, usd, size = found["seconds"], found["usd"], found["output_bytes"]
    place = "the pool is paused" if found["paused"] else f"number {found['position']} in the queue" if found["position"] else ""
    ends = found["ends_between"] or []
    plan, cost = found["plan"], found["cost"]
    left = "unlimited" if plan["remaining"] is None else f"{plan['remaining']} of {plan['limit']} jobs left after this one"
    budget = (
        "" if cost["max_usd"] is None else f", {show.dollars(cost['remaining_usd'])} of {show.dollars(cost['max_usd'])} left"
    )
    return [
        ("pool", ", ".join(filter(None, [found["pool"], place]))),
        ("starts", _soon(found["starts_at"])),
        ("ends", _soon(found["ends_at"]) + (f" ({_soon(ends[0])} to {_soon(ends[1])})" if ends else "")),
        ("work", f"{_seconds(seconds['expected'])} ({_seconds(seconds['low'])} to {_seconds(seconds['high'])})"),
        ("cost", f"{show.dollars(usd['expected'])} ({show.dollars(usd['low'])} to {show.dollars(usd['high'])}){budget}"),
        ("output", f"{show.size(size['expected'])} ({show.size(size['low'])} to {show.size(size['high'])})"),
        ("plan", left),
        ("based on", f"{found['based_on']}, learned from {found['learned_from']} jobs"),
    ]


def _soon(iso: str | None) -> str:
    """Return a time as the time from now."""
    if iso is None:
        return "not known"
    return f"in {_seconds(max(0.0, (datetime.fromisoformat(iso) - datetime.now(UTC)).total_seconds()))}"


def _seconds(seconds: float) -> str:
    if seconds < 100:  # noqa: PLR2004
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
