"""Commands for administrators."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import click

from mediaq.cli import show
from mediaq.cli.commands import OPERATIONS, each
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
    """Retry all failed jobs that match the options, newest first. Cancelled jobs are not retried."""
    if not dry_run and every == any(filters.values()):
        raise click.UsageError("say which: --operation, --user, --since, --until, --search, or --all; --dry-run lists them")
    client = settings.client
    # List all of them first: a retried job is not failed any more, which would shift the pages.
    job_ids = tuple(job.job_id for job in islice(client.jobs(state="failed", **filters), limit))

    def one(job_id: str) -> str:
        if dry_run:
            return "would run again"
        client.retry(job_id)
        return "will run again"

    if not job_ids:
        click.echo("no failed job is like that", err=True)
    return each(job_ids, one, as_json=as_json)


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
