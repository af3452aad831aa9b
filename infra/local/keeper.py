"""Runs the keeper every few seconds, as EventBridge does every minute on AWS."""

from __future__ import annotations

import signal
import threading

from aws_lambda_powertools import Logger

from chalicelib.errors import Unavailable
from chalicelib.services import services

EVERY_SECONDS = 3.0


def main() -> None:
    """Keep until SIGTERM or SIGINT."""
    logger = Logger(service="mediaq")
    logger.append_keys(part="keeper")
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    logger.info("keeping")
    while not over.wait(EVERY_SECONDS):
        try:
            services().keeper.run(sleep=over.wait)
        except Unavailable as error:
            logger.warning("cannot keep", extra={"error": str(error)})


if __name__ == "__main__":
    main()
