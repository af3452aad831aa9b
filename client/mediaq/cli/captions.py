"""`mediaq captions` and `mediaq correct`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from mediaq.cli import show
from mediaq.cli.commands import watch_job
from mediaq.cli.context import Settings, as_json, pass_settings, say_json
from mediaq.client import source_of

if TYPE_CHECKING:
    from mediaq.client import Client
    from mediaq.models import Job

FORMATS = ("vtt", "srt", "ttml", "json", "txt")


@click.command(short_help="Write the captions of a film.")
@click.argument("source", metavar="FILE_OR_URL")
@click.option("--format", "-f", "formats", type=click.Choice(FORMATS), multiple=True, help="A format; may be repeated (vtt).")
@click.option("--language", default="en", show_default=True, metavar="TAG", help="Such as en or de-DE; auto detects it.")
@click.option("--term", "vocabulary", multiple=True, metavar="TEXT", help="A name or a term that is said; may be repeated.")
@click.option("--use-taxonomy", is_flag=True, help="Expect the names of the taxonomy too.")
@click.option("--burn-in", is_flag=True, help="Make an MP4 with the captions drawn into the picture too.")
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Where the files go (here).")
@as_json
@pass_settings
def captions(
    settings: Settings,
    /,
    source: str,
    formats: tuple[str, ...],
    burn_in: bool,
    folder: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Upload a film (or name a URL, or the id of a Directus file), recognise its speech, and save the captions."""
    client = settings.client
    given = source_of(source)
    if isinstance(given, Path):
        given = {"input_file_id": client.upload(given, partial(show.transfer, "uploading"))}
    kinds = list(formats) or ["vtt"]
    options["vocabulary"] = list(options["vocabulary"])
    job_id = client.captions.create(**given, formats=kinds, **options)
    show.note(f"captioning as {job_id}")
    job = watch_job(client, job_id)
    if job.result and job.result.get("note"):
        show.note(str(job.result["note"]))
    stem = (folder or Path()) / (Path(urlsplit(source).path).stem or job_id)
    saved = [_write(stem.with_name(f"{stem.name}.{kind}"), client.captions.text(job_id, kind)) for kind in kinds]
    if burn_in:
        saved.append(_burn(client, job, given, stem.with_name(f"{stem.name}-captioned.mp4")))
    if as_json:
        say_json({"jobId": job_id, "saved": [str(file) for file in saved]})
        return
    for file in saved:
        click.echo(f"output      {file}")


@click.command(short_help="Replace the captions of a job.")
@click.argument("job_id", metavar="JOB")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@as_json
@pass_settings
def correct(settings: Settings, /, job_id: str, file: Path, as_json: bool) -> None:
    """Replace the captions of a job by a corrected file: .vtt, .srt or .json. The old version stays in Directus."""
    answer = settings.client.captions.replace(job_id, file)
    if as_json:
        say_json(answer)
        return
    for warning in answer["warnings"]:
        show.note(f"cue {warning['cue']}: {warning['message']} ({warning['code']})")
    click.echo(f"version     {answer['version']}")


def _write(target: Path, text: str) -> Path:
    target.write_text(text)
    return target


def _burn(client: Client, job: Job, given: dict[str, str], target: Path) -> Path:
    """Make a film with the captions in its picture, and download it."""
    params = {"captions_file_id": job.output_file_id, "burn_in": True}
    film = given.get("input_file_id") or given["input_url"]
    job_id = client.submit(film, "transcoding", params)
    show.note(f"drawing the captions as {job_id}")
    made = watch_job(client, job_id)
    return client.download(made.output_file_id, target, partial(show.transfer, "downloading"))
