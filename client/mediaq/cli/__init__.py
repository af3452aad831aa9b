"""The command `mediaq`.

Exit codes: 0 success; 1 a job failed or was cancelled, or some of several jobs had an error; 2 wrong arguments; 3 a server is
unreachable, try again; 4 a server rejected the call; 130 interrupted.
"""

from __future__ import annotations

import sys

import click

from mediaq.cli import admin, captions, commands, credentials, quote
from mediaq.cli.context import Settings
from mediaq.cli.show import clean
from mediaq.errors import ApiError, JobFailed, MediaqError, Unreachable

FAILED, USAGE, AWAY, REFUSED, INTERRUPTED = 1, 2, 3, 4, 130
HELP = """Transcode, cut and caption media files with mediaq.

MEDIAQ_API, MEDIAQ_DIRECTUS and MEDIAQ_TOKEN set the servers and the user. --json prints JSON.

\b
Exit codes:
  0    success
  1    a job failed or was cancelled, or some of several had an error
  2    the arguments are wrong
  3    a server is unreachable, try again
  4    a server rejected the call
  130  interrupted
"""
HINTS = (
    (0, "no token", "after `make up`, `. .local/env` does"),
    (0, "is unreachable", "MEDIAQ_API and MEDIAQ_DIRECTUS say where they are"),
    (0, "is no http or https address", "MEDIAQ_API is such as http://127.0.0.1:3001/api/queue"),
    (400, "jobId", "`mediaq list` shows your jobs"),
    (401, "", "set MEDIAQ_TOKEN to a Directus token that is still good"),
    (403, "plan", "`mediaq usage` says what your plan allows"),
    (403, "administrators", "MEDIAQ_TOKEN must be an administrator's of Directus"),
    (404, "jobId", "`mediaq list` shows your jobs"),
    (404, "endpoint", "MEDIAQ_API ends in /api/queue"),
    (409, "pending", "`mediaq submit FILE_OR_URL --record JOB ...` enqueues it"),
    (409, "jobId", "`mediaq status JOB` says what became of it"),
)
"""Hints: (status, 0: no answer; a word in the message) -> what to do next."""


@click.group(help=HELP, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "MEDIAQ"})
@click.option("--api", envvar="MEDIAQ_API", metavar="URL", help="The API, such as http://127.0.0.1:3001/api/queue.")
@click.option("--directus", envvar="MEDIAQ_DIRECTUS", metavar="URL", help="Directus, such as http://127.0.0.1:8055.")
@click.option("--token", envvar="MEDIAQ_TOKEN", metavar="TOKEN", help="A Directus token; better in MEDIAQ_TOKEN than here.")
@click.version_option(package_name="mediaq")
@click.pass_context
def command(context: click.Context, api: str | None, directus: str | None, token: str | None) -> None:
    """Transcode, cut and caption media files with mediaq."""
    context.obj = Settings(api, directus, token)


for one in (
    commands.submit, commands.status, commands.jobs, commands.cancel, commands.retry, commands.download, captions.captions,
    captions.correct, credentials.credentials, commands.usage, commands.stats, commands.callback_secret, commands.completion,
    quote.quote,
    admin.admin,
):  # fmt: skip
    command.add_command(one)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit."""
    try:
        code = command.main(arguments, prog_name="mediaq", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        _say("interrupted; a job that was submitted goes on")
        sys.exit(INTERRUPTED)
    except JobFailed as error:
        _say(f"{error}; `mediaq status {error.job_id}` shows its log")
        sys.exit(FAILED)
    except MediaqError as error:
        sys.exit(_explain(error))
    except OSError as error:
        _say(f"{error.filename or 'a file'}: {error.strerror or error}")
        sys.exit(FAILED)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: MediaqError) -> int:
    """Print the error, a hint, and what was created before it; return the exit code."""
    status = error.status if isinstance(error, ApiError) else 0
    hints = [hint for after, word, hint in HINTS if after == status and word in str(error)]
    _say("; ".join([str(error).rstrip("."), *hints]))
    if error.job_id is not None or error.file_id is not None:
        made = [f"the file is in Directus as {error.file_id}"] if error.file_id else []
        made += [f"its record is {error.job_id}"] if error.job_id else []
        typed = f"{error.file_id or 'FILE_OR_URL'}{f' --record {error.job_id}' if error.job_id else ''}"
        giving_up = f", `mediaq cancel {error.job_id}` closes it" if error.job_id else ""
        _say(f"{', '.join(made)}: `mediaq submit {typed} ...` goes on from there{giving_up}")
    return REFUSED if isinstance(error, ApiError) else AWAY if isinstance(error, Unreachable) else USAGE


def _say(text: str) -> None:
    click.echo(f"mediaq: {clean(text)}", err=True)
