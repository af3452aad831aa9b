"""Runs the maintenance task every few seconds, as EventBridge does every minute on AWS."""

from __future__ import annotations

import argparse
import signal
import threading

from aws_lambda_powertools import Logger

from chalicelib.errors import Unavailable
from chalicelib.maintenance.monitor import Monitor
from chalicelib.services import services


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.maintenance", description=__doc__)
    parser.add_argument(
        "--minute", type=float, default=60, metavar="SECONDS", help="the length of a minute for the alarms (60)"
    )
    parser.add_argument("--every", type=float, default=3, metavar="SECONDS", help="pause between runs (3)")
    options = parser.parse_args()
    logger = Logger(service="mediaq")
    logger.append_keys(part="maintenance")
    finished = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: finished.set())
    monitor = Monitor(
        services().ledger, services().parts, services().workers_ledger, services().settings, round(options.minute * 1000)
    )
    logger.info("maintenance started")
    while not finished.wait(options.every):
        try:
            monitor.run(services().maintenance.run(sleep=finished.wait))
        except Unavailable as error:
            logger.warning("maintenance run failed", extra={"error": str(error)})


if __name__ == "__main__":
    main()
