"""Output for terminals."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mediaq.models import Job

BAR = 32
CELL_MAX = 100
COLOURS = {"completed": "green", "failed": "red", "cancelled": "yellow", "active": "cyan"}


def clean(text: object) -> str:
    """Return untrusted text without control characters."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(text))


class ProgressBar:
    """Shows the progress of a job: in place on a terminal, as lines elsewhere. Prints to stderr; results go to stdout."""

    def __init__(self) -> None:
        self._shown = ""
        self._live = sys.stderr.isatty()

    def end(self) -> None:
        """End the line of an unfinished bar."""
        if self._live and self._shown:
            click.echo(err=True)

    def __call__(self, job: Job) -> None:
        """Show the current state of the job."""
        filled = BAR * job.progress // 100
        text = f"[{'#' * filled}{'.' * (BAR - filled)}] {job.progress:3d} %  {job.state}{_more(job)}"
        if text == self._shown:
            return
        self._shown = text
        if self._live:
            click.echo(f"\r\033[K  {text}" + ("\n" if job.finished else ""), nl=False, err=True)
            self._shown = "" if job.finished else text
        else:
            click.echo(f"  {text}", err=True)


def transfer(label: str, done: int, whole: int) -> None:
    """Show the progress of a transfer, on a terminal only."""
    if sys.stderr.isatty() and whole:
        text = f"  {label} {done / 1e6:.1f} of {whole / 1e6:.1f} MB"
        click.echo(f"\r\033[K{text}" if done < whole else "\r\033[K", nl=False, err=True)


def table(head: list[str], rows: list[list[str]]) -> None:
    """Print rows under their headers."""
    rows = [[clean(cell)[:CELL_MAX] for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    for number, row in enumerate([head, *rows]):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.secho(line, bold=number == 0)


def job(found: Job) -> None:
    """Print a job with all its details."""
    click.echo(f"job         {found.job_id}")
    click.echo("state       " + click.style(found.state, fg=COLOURS.get(found.state)) + _more(found))
    facts: list[tuple[str, Any]] = [
        ("operation", found.operation),
        ("progress", f"{found.progress} %"),
        ("made", found.created_at),
        ("due", found.run_at),
        ("may start", found.estimated_start),
        ("finished", found.finished_at),
        ("output", found.output_file_id),
        ("error", found.error),
        ("stages", ", ".join(f"{name} {seconds:.2f} s" for name, seconds in found.stages.items())),
        ("callback", found.callback and f"{found.callback.state}, {found.callback.url}"),
    ]
    for name, value in facts:
        if value:
            click.echo(f"{name:11} {clean(value)}")
    for warning in found.warnings:
        click.echo(click.style("warning     ", fg="yellow") + f"{clean(warning.code)}: {clean(warning.message)}")
    for attempt in found.attempts:
        error = f": {clean(attempt.error)}" if attempt.error else ""
        click.echo(f"attempt {attempt.attempt}   {attempt.outcome or 'running'}{error}")
    for delivery in found.callback.deliveries if found.callback else ():
        click.echo(f"called back {delivery.at} {delivery.status or 'no answer'} {clean(delivery.error)}")
    for line in found.log:
        click.echo(f"  {line.at}  {clean(line.text)}")


def ago(iso: str) -> str:
    """Return how long ago a time was, such as 5 min."""
    seconds = max(0, round((datetime.now(UTC) - datetime.fromisoformat(iso)).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def size(count: float) -> str:
    """Return a number of bytes, such as 12.5 MB."""
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:.3g} {unit}"
    return f"{count:.0f} B"


def dollars(usd: float) -> str:
    """Return an amount with its first two digits that are not 0, such as $0.0042."""
    return f"${usd:.2f}" if usd >= 1 or not usd else f"${Decimal(f'{usd:.1e}'):f}"


def spent(cost: dict[str, Any]) -> None:
    """Print what the jobs of a month cost."""
    budget = "" if cost["max_usd"] is None else f" of {dollars(cost['max_usd'])}"
    click.echo(f"cost so far {dollars(cost['usd'])}{budget}")


def _more(found: Job) -> str:
    if found.paused:
        return ", its pool is paused"
    if found.parts:
        return f", {found.parts['finished']} of {found.parts['count']} parts finished"
    return f", number {found.position} in the queue" if found.position else ""


def note(text: str) -> None:
    """Print a note for a person: not part of the output."""
    click.echo(text, err=True)
