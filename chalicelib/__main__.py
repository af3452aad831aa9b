"""What an operator does by hand, with the settings of any other part: `python -m chalicelib cancel JOB_ID`."""

from __future__ import annotations

import argparse
import sys
from uuid import UUID

from chalicelib.cancel import SAID
from chalicelib.errors import SettingsError, Unavailable
from chalicelib.services import Services
from chalicelib.settings import current


def main(argv: list[str] | None = None) -> int:
    """Run a command. Exit codes: 0 done, 1 not for all, 2 the arguments or settings are unusable, 3 a dependency is away."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.command(options)
    except SettingsError as error:
        sys.stderr.write(f"mediaq: {error}\n")
        return 2
    except Unavailable as error:
        sys.stderr.write(f"mediaq: {error}; try again\n")
        return 3
    return code


def cancel(options: argparse.Namespace) -> int:
    """Cancel jobs that are waiting or running."""
    canceller = Services(current()).canceller
    answers = {str(job_id): canceller.cancel(str(job_id)) for job_id in options.job_ids}
    for job_id, answer in answers.items():
        sys.stdout.write(f"{job_id}: {SAID[answer]}\n")
    return int(set(answers.values()) != {"cancelled"})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chalicelib", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    sub = commands.add_parser("cancel", help=cancel.__doc__, description=cancel.__doc__)
    sub.add_argument("job_ids", nargs="+", type=UUID, metavar="JOB_ID", help="the id of a media_jobs record")
    sub.set_defaults(command=cancel)
    return parser


if __name__ == "__main__":
    sys.exit(main())
