"""`python -m workers`: the container worker."""

from __future__ import annotations

import argparse
import math
import os
import sys

from aws_lambda_powertools import Logger

from chalicelib import settings, tracing
from chalicelib.errors import SettingsError
from chalicelib.services import Services
from chalicelib.struct_types import build_struct_types
from workers.runtime.container import ContainerWorker
from workers.runtime.credential_tester import CredentialTester
from workers.runtime.health import health_file
from workers.runtime.heartbeat import Heartbeats
from workers.runtime.runner import Runner
from workers.runtime.task_protection import TaskProtection
from workers.runtime.tools import make_teams, make_tools
from workers.runtime.webhook_sender import WebhookSender
from workers.sandbox import sandbox

logger = Logger(service="mediaq", child=True)


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and work until SIGTERM or SIGINT. Exit code 2: wrong settings."""
    options = _parser().parse_args(argv)
    try:
        current = settings.current()
        parts = Services(current)
        sandbox.use_namespace(current.network_namespace)
        tools = make_tools(parts)
    except SettingsError as error:
        sys.stderr.write(f"mediaq worker: {error}\n")
        return 2
    Logger(service="mediaq", level=current.log_level).append_keys(part="worker", pid=os.getpid())
    build_struct_types("chalicelib.domain")  # the sandboxed programs of `workers` stay out: they load native libraries
    tracing.start("mediaq-worker")
    swept = sandbox.sweep(current.work_dir)
    if swept:
        logger.warning("deleted the folders of a killed worker", extra={"folders": swept})
    helper = make_teams(parts).helper(tools)
    runner = Runner(parts.ledger, parts.polling_tickets, parts.directus, tools, helper, at_once=False)
    concurrency = options.concurrency or current.worker_concurrency
    ContainerWorker(
        runner,
        parts.ledger,
        parts.polling_tickets,
        pools=options.pools,
        concurrency=concurrency,
        poll_seconds=current.poll_seconds,
        drain_seconds=options.drain_seconds,
        retire_seconds=options.retire_hours * 3600,
        webhook_sender=WebhookSender(parts.ledger, parts.directus, tools.fetcher, current.webhook_secrets),
        credential_tester=CredentialTester(parts.credential_tests, parts.directus, tools),
        heartbeats=Heartbeats(
            parts.workers_ledger,
            tools.programs,
            kind="container",
            pools=options.pools,
            slots=concurrency,
            health_file=health_file(current.work_dir),
        ),
        protection=TaskProtection(os.environ.get("ECS_AGENT_URI")),
    ).run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workers",
        description="Run media jobs. SIGTERM drains: running jobs are finished, or given back at the deadline or at a second "
        "SIGTERM. The settings are environment variables, see docs/settings.md.",
    )
    parser.add_argument(
        "--pools", type=_pools, default="lambda,container", help="the pools to serve, by comma (lambda,container)"
    )
    parser.add_argument("--concurrency", type=_count, help="jobs at a time (WORKER_CONCURRENCY, or the number of processors)")
    parser.add_argument("--drain-seconds", type=float, default=25, help="time to finish jobs after SIGTERM (25)")
    parser.add_argument(
        "--retire-hours",
        type=float,
        default=math.inf,
        metavar="HOURS",
        help="exit after this time, when its jobs have finished (never)",
    )
    return parser


def _pools(text: str) -> list[str]:
    pools = [name.strip() for name in text.split(",") if name.strip()]
    if not pools or not set(pools) <= set(settings.POOLS):
        raise argparse.ArgumentTypeError(f"must be one or more of {', '.join(settings.POOLS)}")
    return pools


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 256:  # noqa: PLR2004 - said in the message
        raise argparse.ArgumentTypeError("must be an integer from 1 to 256")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
