"""Commands for administrators."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from mediaq.cli import show
from mediaq.cli.commands import OPERATIONS
from mediaq.cli.context import Settings, as_json, pass_settings, say_json
from mediaq.errors import MediaqError

POOLS = click.Choice(["lambda", "container"])


@click.group(short_help="Workers, pools, failed jobs, credentials.")
def admin() -> None:
    """Show workers, pause pools, retry failed jobs, encrypt credentials. For Directus administrators."""


@admin.command()
@as_json
@pass_settings
def pools(settings: Settings, /, as_json: bool) -> None:
    """Show the pools."""
    found = settings.client.pools()
    if as_json:
        for pool in found:
            say_json(pool)
        return
    rows = [[one["pool"], str(one["waiting"]), "paused" if one["paused"] else "running", _pace(one)] for one in found]
    show.table(["POOL", "WAITING", "STATE", "A START EVERY"], rows)


@admin.command(short_help="Show the workers.")
@as_json
@pass_settings
def workers(settings: Settings, /, as_json: bool) -> None:
    """Show the workers that reported within 15 minutes: who is alive, what they run, their last error."""
    found = settings.client.workers()
    if as_json:
        for worker in found:
            say_json(worker)
        return
    rows = [
        [
            one["id"],
            one["state"],
            ",".join(one["pools"]),
            f"{len(one['jobs'])}/{one['slots']}",
            show.ago(one["started_at"]),
            show.ago(one["seen_at"]),
            one["version"],
            show.size(one["memory_bytes"]),
            one["last_error"] or "",
        ]
        for one in found
    ]
    show.table(["WORKER", "STATE", "POOLS", "JOBS", "STARTED", "SEEN", "VERSION", "MEMORY", "LAST ERROR"], rows)


@admin.command(short_help="Let no job of a pool start.")
@click.argument("pool", type=POOLS)
@as_json
@pass_settings
def pause(settings: Settings, /, pool: str, as_json: bool) -> None:
    """Stop starting jobs of a pool. Running jobs continue, new jobs wait."""
    _set(settings, pool, paused=True, as_json=as_json)


@admin.command()
@click.argument("pool", type=POOLS)
@as_json
@pass_settings
def resume(settings: Settings, /, pool: str, as_json: bool) -> None:
    """Start the jobs of a paused pool again."""
    _set(settings, pool, paused=False, as_json=as_json)


@admin.command(short_help="Run failed jobs again.")
@click.option("--operation", type=click.Choice(OPERATIONS), help="Only jobs of this operation.")
@click.option("--user", metavar="ID", help="Only jobs of this user.")
@click.option("--since", metavar="TIME", help="Made then or later: ISO 8601 with its zone.")
@click.option("--until", metavar="TIME", help="Made then or before.")
@click.option("--search", metavar="TEXT", help="Only jobs whose error contains this.")
@click.option("--all", "every", is_flag=True, help="All failed jobs, with no other option.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most so many.")
@click.option("--dry-run", is_flag=True, help="List them, and change nothing.")
@as_json
@pass_settings
def redrive(settings: Settings, /, every: bool, limit: int, dry_run: bool, as_json: bool, **filters: Any) -> int:
    """Retry all failed jobs that match the options, oldest first. Cancelled jobs are not retried."""
    return _act(settings, "retry", "run again", "failed", every, limit, dry_run, as_json, filters)


@admin.command("cancel", short_help="Cancel open jobs.")
@click.option("--state", type=click.Choice(["pending", "waiting", "delayed", "active"]), help="Only jobs in this state.")
@click.option("--operation", type=click.Choice(OPERATIONS), help="Only jobs of this operation.")
@click.option("--user", metavar="ID", help="Only jobs of this user.")
@click.option("--since", metavar="TIME", help="Made then or later: ISO 8601 with its zone.")
@click.option("--until", metavar="TIME", help="Made then or before.")
@click.option("--all", "every", is_flag=True, help="All open jobs, with no other option.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most so many.")
@click.option("--dry-run", is_flag=True, help="List them, and change nothing.")
@as_json
@pass_settings
def cancel_many(settings: Settings, /, every: bool, limit: int, dry_run: bool, as_json: bool, **filters: Any) -> int:
    """Cancel all open jobs that match the options, oldest first."""
    return _act(settings, "cancel", "be cancelled", "open", every, limit, dry_run, as_json, filters)


def _act(
    settings: Settings,
    action: str,
    verb: str,
    kind: str,
    every: bool,
    limit: int,
    dry_run: bool,
    as_json: bool,
    filters: dict[str, Any],
) -> int:
    """Retry or cancel the jobs that options name; return the exit code."""
    given = {name: value for name, value in filters.items() if value is not None}
    if every == bool(given):
        named = ", ".join(f"--{name}" for name in filters)
        raise click.UsageError(f"say which: {named}, or --all; --dry-run lists them")
    selection = given or {"all": True}
    said = f"would {verb}" if dry_run else f"will {verb}" if action == "retry" else "cancelled"
    count = done = 0
    for result in settings.client.act(action, limit=limit, dry_run=dry_run, **selection):
        text = said if result["ok"] else result.get("message") or result["error"]
        say_json(result) if as_json else click.echo(f"{result['jobId']}: {show.clean(text)}")
        count, done = count + 1, done + result["ok"]
    if not count:
        click.echo(f"no {kind} job is like that", err=True)
    return int(done < count)


@admin.command(short_help="Encrypt a platform connection's headers.")
def encrypt() -> int:
    """Encrypt the headers of a platform connection, from standard input, with the first of CREDENTIALS_KEYS.

    Run it in a checkout of mediaq with the workers' requirements. The key never leaves your machine.
    """
    if not Path("workers/network/credentials.py").is_file():
        raise MediaqError("run it in a checkout of mediaq, after `make setup`: the code that decrypts is there")
    command = [sys.executable, "-m", "workers.network.credentials", "encrypt"]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - our own


def _set(settings: Settings, /, pool: str, *, paused: bool, as_json: bool) -> None:
    settings.client.pause(pool, paused)
    said = {"pool": pool, "paused": paused}
    say_json(said) if as_json else click.echo(f"{pool} is paused" if paused else f"{pool} goes on")


def _pace(pool: dict[str, Any]) -> str:
    seconds = pool["pace_seconds"]
    return "not known" if seconds is None else f"{seconds:.1f} s"
