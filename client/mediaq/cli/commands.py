"""Commands for users."""

from __future__ import annotations

import json
import time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from click.shell_completion import get_completion_class

from mediaq.cli import show
from mediaq.cli.context import Settings, as_json, pass_settings, say_json
from mediaq.errors import ApiError, MediaqError, Unreachable

if TYPE_CHECKING:
    from mediaq.client import Client
    from mediaq.models import Job

OPERATIONS = ("transcoding", "thumbnail", "caption_generation", "download", "upload", "analysis")
STATES = ("pending", "waiting", "delayed", "active", "completed", "failed", "cancelled")
WATCH_SECONDS = 0.5
STATS_SECONDS = 5.0
NAME_MAX = 100
COUNTS = ("waiting", "active", "delayed", "completed", "failed")


@click.command(short_help="Submit a file, a URL, or a Directus file.")
@click.argument("source", metavar="FILE_OR_URL", type=click.Path(path_type=str))  # completes file names
@click.option("--operation", "-o", required=True, type=click.Choice(OPERATIONS), help="What is to be done.")
@click.option("--preset", help="A named set of parameters of transcoding, such as web-720p.")
@click.option("--param", "-p", "pairs", multiple=True, metavar="NAME=VALUE", help="A parameter of the operation; repeatable.")
@click.option("--params", "params_json", metavar="JSON", help="The parameters as a JSON object.")
@click.option("--priority", type=click.IntRange(1, 100), help="Lower is sooner (10).")
@click.option("--delay", type=click.IntRange(0), metavar="MS", help="Wait so many ms first.")
@click.option("--run-at", metavar="TIME", help="Wait until then: ISO 8601 with its zone.")
@click.option("--callback-url", metavar="URL", help="Send a webhook to this address when the job ends.")
@click.option("--record", metavar="JOB", help="Go on with a record that a broken-off submit has made.")
@click.option("--watch", "-w", is_flag=True, help="Show the progress until the end, and download the result.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Where the result goes, with --watch (a name like the input's)."
)
@as_json
@pass_settings
def submit(
    settings: Settings,
    /,
    source: str,
    operation: str,
    preset: str | None,
    pairs: tuple[str, ...],
    params_json: str | None,
    watch: bool,
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Upload a file (or name a URL, or the id of a Directus file), create its record, and enqueue it."""
    client = settings.client
    params = parse_params(params_json, pairs, preset)
    given = {name: value for name, value in options.items() if value is not None}
    if output is not None and not watch:
        raise click.UsageError("--output needs --watch; `mediaq download JOB --output ...` gets the result later")
    _check_folder(output)
    job_id = client.submit(source, operation, params, sent=partial(show.transfer, "uploading"), **given)
    if not watch:
        say_json({"jobId": job_id}) if as_json else click.echo(job_id)
        return
    show.note(f"enqueued as {job_id}")
    job = watch_job(client, job_id)
    for warning in job.warnings:
        show.note(f"warning: {warning.message} ({warning.code})")
    saved = _save(client, job, output, source)
    if as_json:
        say_json({**job.raw, "saved": str(saved) if saved else None})
    elif saved:
        click.echo(f"output      {saved}")
    else:
        click.echo(json.dumps(job.result, indent=1))


@click.command(short_help="Show a job: state, attempts, log, timings.")
@click.argument("job_id", metavar="JOB")
@click.option("--watch", "-w", is_flag=True, help="Show the progress until the end.")
@as_json
@pass_settings
def status(settings: Settings, /, job_id: str, watch: bool, as_json: bool) -> None:
    """Show a job: state, position in the queue, attempts, log, timings."""
    client = settings.client
    job = watch_job(client, job_id) if watch else client.job(job_id)
    say_json(job.raw) if as_json else show.job(job)


@click.command("list")
@click.option("--state", type=click.Choice(STATES))
@click.option("--operation", type=click.Choice(OPERATIONS))
@click.option("--user", metavar="ID", help="Another user's jobs; for administrators.")
@click.option("--since", metavar="TIME", help="Made then or later: ISO 8601 with its zone.")
@click.option("--until", metavar="TIME", help="Made then or before.")
@click.option("--search", metavar="TEXT", help="A job's id, or a part of its error.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@as_json
@pass_settings
def jobs(settings: Settings, /, limit: int, as_json: bool, **filters: Any) -> None:
    """List jobs, newest first."""
    found = list(islice(settings.client.jobs(**filters, limit=min(limit, 100)), limit))
    if as_json:
        for job in found:
            say_json(job.raw)
        return
    rows = [
        [one.job_id, one.operation or "", one.state, f"{one.progress} %", one.created_at or "", one.error or ""]
        for one in found
    ]
    show.table(["JOB", "OPERATION", "STATE", "DONE", "MADE", "ERROR"], rows)


@click.command()
@click.argument("job_ids", metavar="JOB...", nargs=-1, required=True)
@as_json
@pass_settings
def cancel(settings: Settings, /, job_ids: tuple[str, ...], as_json: bool) -> int:
    """Cancel jobs that are waiting, delayed or running."""
    client = settings.client

    def one(job_id: str) -> str:
        client.cancel(job_id)
        return "cancelled"

    return each(job_ids, one, as_json=as_json)


@click.command()
@click.argument("job_ids", metavar="JOB...", nargs=-1, required=True)
@as_json
@pass_settings
def retry(settings: Settings, /, job_ids: tuple[str, ...], as_json: bool) -> int:
    """Retry failed or cancelled jobs."""
    client = settings.client

    def one(job_id: str) -> str:
        client.retry(job_id)
        return "will run again"

    return each(job_ids, one, as_json=as_json)


@click.command()
@click.argument("job_id", metavar="JOB")
@click.option("--output", type=click.Path(path_type=Path), help="Where the result goes (a name like the job's).")
@as_json
@pass_settings
def download(settings: Settings, /, job_id: str, output: Path | None, as_json: bool) -> None:
    """Download the result of a completed job."""
    job = settings.client.job(job_id)
    if job.state != "completed":
        raise MediaqError(f"the job is {job.state}; only a completed one has a result")
    _check_folder(output)
    saved = _fetch(settings.client, job, output or _beside(job_id, job))
    say_json({"saved": str(saved)}) if as_json else click.echo(f"output      {saved}")


@click.command()
@click.option("--user", metavar="ID", help="Another user's plan; for administrators.")
@as_json
@pass_settings
def usage(settings: Settings, /, user: str | None, as_json: bool) -> None:
    """Show the limits of your plan, and what is left of them."""
    found = settings.client.usage(user)
    if as_json:
        say_json(found)
        return
    click.echo(f"plan {found['tier']}, until {found['cycle']['ends_at']}")
    rows = [[one["operation"], str(one["used"]), _limit(one["limit"]), _limit(one["remaining"])] for one in found["operations"]]
    show.table(["OPERATION", "USED", "LIMIT", "LEFT"], rows)
    show.spent(found["cost"])


@click.command()
@click.option("--watch", "-w", is_flag=True, help="Again every 5 s, until interrupted.")
@as_json
@pass_settings
def stats(settings: Settings, /, watch: bool, as_json: bool) -> None:
    """Show the counts of the queue."""
    while True:
        try:
            found = settings.client.stats()
            say_json(found) if as_json else click.echo("   ".join(f"{name} {found['stats'][name]}" for name in COUNTS))
        except Unreachable as error:
            if not watch:
                raise
            show.note(str(error))
        if not watch:
            return
        time.sleep(STATS_SECONDS)


@click.command("callback-secret")
@as_json
@pass_settings
def callback_secret(settings: Settings, /, as_json: bool) -> None:
    """Print the secret that signs your webhooks."""
    secret = settings.client.callback_secret()
    say_json({"secret": secret}) if as_json else click.echo(secret)


@click.command(short_help="Print the script for the tab key.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the shell completion script: eval "$(mediaq completion bash)"."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "mediaq", "_MEDIAQ_COMPLETE").source())


def each(job_ids: tuple[str, ...], act: Any, *, as_json: bool) -> int:
    """Call a function for each job; return the exit code. An error of one job does not stop the others."""
    refused = 0
    for job_id in job_ids:
        try:
            said, ok = act(job_id), True
        except ApiError as error:
            said, ok = str(error), False
            refused += 1
        say_json({"jobId": job_id, "ok": ok, "says": said}) if as_json else click.echo(f"{job_id}: {said}")
    return int(refused > 0)


def parse_params(text: str | None, pairs: tuple[str, ...], preset: str | None) -> dict[str, Any]:
    """Return the parameters that the options name."""
    try:
        params = json.loads(text) if text else {}
    except ValueError as error:
        raise click.BadParameter(f"it is not JSON: {error}", param_hint="--params") from error
    if not isinstance(params, dict):
        raise click.BadParameter("it must be a JSON object", param_hint="--params")
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair} is no NAME=VALUE", param_hint="--param")
        params[name] = _value(value)
    return {**params, **({"preset": preset} if preset else {})}


def _value(text: str) -> Any:
    """Parse a number, true, false or null; everything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _save(client: Client, job: Job, output: Path | None, source: str) -> Path | None:
    """Save the result: a file, or JSON if the job made no file."""
    if job.output_file_id:
        return _fetch(client, job, output or _beside(source, job))
    if output is not None:
        output.write_text(json.dumps(job.result, indent=1) + "\n")
    return output


def _fetch(client: Client, job: Job, target: Path) -> Path:
    return client.download(job.output_file_id, target, partial(show.transfer, "downloading"))


def watch_job(client: Client, job_id: str) -> Job:
    """Show the progress of a job until its end, and return it."""
    bar = show.ProgressBar()
    try:
        return client.wait(job_id, every=WATCH_SECONDS, watch=bar)
    finally:
        bar.end()


def _check_folder(output: Path | None) -> None:
    """Check that the result can be saved, before the work starts."""
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise click.BadParameter(f"{output} must be a file in a folder that exists", param_hint="--output")


def _beside(source: str, job: Job) -> Path:
    """Name the result after the input, without overwriting a file."""
    outputs = (job.result or {}).get("outputs") or [{}]
    suffix = Path(outputs[0].get("name", "")).suffix
    stem = Path(urlsplit(source).path).stem[:NAME_MAX] or job.job_id  # without the query, which may contain a secret
    target, number = Path(f"{stem}-{job.operation}{suffix}"), 1
    while target.exists():
        number += 1
        target = Path(f"{stem}-{job.operation}-{number}{suffix}")
    return target


def _limit(number: int | None) -> str:
    return "unlimited" if number is None else str(number)
