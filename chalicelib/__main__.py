"""The operator's commands: `python -m chalicelib COMMAND`. They read the same settings as every other process."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from chalicelib.access.auth import OPERATOR
from chalicelib.domain.bulk import JobSelection
from chalicelib.domain.jobs import OPERATIONS
from chalicelib.errors import ApiError, SettingsError, Unavailable
from chalicelib.maintenance.bullmq_import import OldQueue
from chalicelib.services import Services
from chalicelib.settings import POOLS, current
from chalicelib.usecases.cancel import SAID

if TYPE_CHECKING:
    from chalicelib.usecases.enqueue import Enqueued


def main(argv: list[str] | None = None) -> int:
    """Run a command. Exit codes: 0 done, 1 failed for some jobs, 2 wrong arguments or settings, 3 a dependency is down."""
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


def show(options: argparse.Namespace) -> int:
    """Show the state of jobs in the ledger and in their records."""
    services = Services(current())
    records = services.directus.read_jobs([str(job_id) for job_id in options.job_ids])
    for job_id in map(str, options.job_ids):
        seen, record = services.ledger.get(job_id), records.get(job_id)
        found = {"jobId": job_id, "ledger": seen, "record": record and {"status": record.status, "error": record.error}}
        _say(msgspec.json.encode(found).decode())
    return int(len(records) < len(options.job_ids))


def cancel(options: argparse.Namespace) -> int:
    """Cancel jobs that are waiting, delayed or running."""
    canceller = Services(current()).canceller
    answers = {str(job_id): canceller.cancel(str(job_id)) for job_id in options.job_ids}
    for job_id, answer in answers.items():
        _say(f"{job_id}: {SAID[answer]}")
    return int(set(answers.values()) != {"cancelled"})


def retry(options: argparse.Namespace) -> int:
    """Retry failed jobs with their original parameters."""
    retrier = Services(current()).retrier
    accepted = True
    for job_id in map(str, options.job_ids):
        try:
            answer: Enqueued | ApiError = retrier.retry(job_id, OPERATOR)
        except ApiError as error:
            answer = error
        accepted &= _tell(job_id, answer)
    return int(not accepted)


def redrive(options: argparse.Namespace) -> int:
    """Retry all failed jobs that match the options, oldest first. Cancelled jobs are not retried."""
    given = {name: getattr(options, name) for name in ("operation", "user", "since", "until", "search")}
    filters = {name: value for name, value in given.items() if value is not None}
    if bool(filters) == options.all:
        sys.stderr.write("say which: --operation, --user, --since, --until, --search, or --all; --dry-run lists them\n")
        return 2
    selection = JobSelection(**({"state": "failed"} | filters), dry_run=options.dry_run)
    said = "would run again" if options.dry_run else "will run again"
    count = done = 0
    for result in Services(current()).bulk_actions.run_all("retry", selection, OPERATOR, options.limit):
        _say(f"{result.jobId}: {said if result.ok else result.message or result.error}")
        count, done = count + 1, done + result.ok
    if not count:
        sys.stderr.write("no failed job is like that\n")
    return int(done < count)


def pause(options: argparse.Namespace) -> int:
    """Stop starting jobs of a pool. Running jobs continue, new jobs wait."""
    changed = Services(current()).ledger.pause(options.pool, True)
    _say(f"{options.pool} is paused" if changed else f"{options.pool} was paused already")
    return 0


def resume(options: argparse.Namespace) -> int:
    """Start the jobs of a paused pool again."""
    changed = Services(current()).ledger.pause(options.pool, False)
    _say(f"{options.pool} goes on" if changed else f"{options.pool} was not paused")
    return 0


def drain_bullmq(options: argparse.Namespace) -> int:
    """Import the waiting jobs of the BullMQ server. Stop its workers first; you may run the command again."""
    old = OldQueue(options.redis, options.queue, options.prefix)
    if options.dry_run:
        ids = old.ids(active=options.active)
        _say(f"{len(ids)} jobs would be imported")
        return 0
    moved = []
    for one in old.move_all(Services(current()).enqueuer, active=options.active):
        _say(f"{one.job_id or one.id}: {one.refusal or 'moved'}")
        moved.append(one)
    left = 0 if options.active else old.count_active()
    if left:
        _say(f"{left} are active: wait for their workers, or stop the workers and use --active")
    _say(f"{sum(not one.refusal for one in moved)} of {len(moved)} jobs were imported")
    return int(left > 0 or any(one.refusal for one in moved))


def _tell(job_id: str, answer: Enqueued | ApiError) -> bool:
    refused = isinstance(answer, ApiError)
    _say(f"{job_id}: {answer if refused else 'will run again'}")
    return not refused


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()  # a large import takes its time


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        raise argparse.ArgumentTypeError("must be an ISO 8601 time such as 2026-12-24T18:00:00Z") from error


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a positive integer")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chalicelib", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (show, cancel, retry):
        sub = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
        sub.add_argument("job_ids", nargs="+", type=UUID, metavar="JOB_ID", help="the id of a media_jobs record")
        sub.set_defaults(command=command)
    sub = commands.add_parser("redrive", help=redrive.__doc__, description=redrive.__doc__)
    sub.add_argument("--operation", choices=list(OPERATIONS), help="only jobs of this operation")
    sub.add_argument("--user", type=UUID, metavar="USER_ID", help="only jobs of this user")
    sub.add_argument("--since", type=_time, metavar="TIME", help="only jobs created at or after this time")
    sub.add_argument("--until", type=_time, metavar="TIME", help="only jobs created at or before this time")
    sub.add_argument("--search", metavar="TEXT", help="only jobs whose error contains this")
    sub.add_argument("--all", action="store_true", help="all failed jobs, with no other option")
    sub.add_argument("--limit", type=_count, default=1000, metavar="N", help="the maximum number (1000)")
    sub.add_argument("--dry-run", action="store_true", help="list them, and change nothing")
    sub.set_defaults(command=redrive)
    sub = commands.add_parser("drain-bullmq", help=drain_bullmq.__doc__, description=drain_bullmq.__doc__)
    sub.add_argument("redis", metavar="REDIS_URL", help="the Redis of the BullMQ server")
    sub.add_argument("--queue", default="media", help="the name of its queue (media)")
    sub.add_argument("--prefix", default="bull", help="the prefix of its keys (bull)")
    sub.add_argument("--active", action="store_true", help="also jobs of dead workers")
    sub.add_argument("--dry-run", action="store_true", help="count them, and change nothing")
    sub.set_defaults(command=drain_bullmq)
    for command in (pause, resume):
        sub = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
        sub.add_argument("pool", choices=POOLS, help="the pool")
        sub.set_defaults(command=command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
