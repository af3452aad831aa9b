"""The Lambda worker: one ticket an invocation, as the event source mapping hands it over.

Its answer names the tickets that are not done with, and starts as all of them: an id leaves it only when its ticket stands for
nothing any more. What cannot be understood is an exception, which returns the whole batch. A ticket that is not done with stays
out of sight for as long as the runner said.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from chalicelib import settings
from chalicelib.errors import OutOfTime, TicketsUnavailable
from chalicelib.queues.tickets import read_ticket
from chalicelib.services import Services
from workers.runtime.runner import Runner
from workers.runtime.tools import make_tools
from workers.runtime.webhook_sender import WebhookSender
from workers.sandbox import sandbox

if TYPE_CHECKING:
    from chalicelib.queues.tickets import Ticket
    from workers.context.work import Tools

logger = Logger(service="mediaq")
POOL = "lambda"
TAKEN_MS = 120_000
"""How long a ticket stays away from others once we have it; a lease renews that. The queue's own visibility timeout is
six times that of this function, as AWS wants it."""
RESERVE_SECONDS = 30.0
"""How long before the end of our time a job is given to the container pool: its process dies in 2, the calls may take 20."""
CALLBACK_SECONDS = 3.0
"""How long an invocation begins to tell callback addresses what is due: as many as it ends jobs itself, and some more."""
Answer = dict[str, list[dict[str, str]]]


def handler(event: dict[str, Any], context: Any) -> Answer:
    """Run the ticket of an SQS event, or a better one."""
    services, tools = _parts()
    waiting = {record["messageId"]: read_ticket(POOL, record["body"], record["receiptHandle"]) for record in event["Records"]}
    if not waiting:
        raise ValueError("an SQS event has records")
    for message_id, ticket in list(waiting.items()):
        left = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
        if _handle(ticket, services, tools, left):
            del waiting[message_id]
    left = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    webhook_sender = WebhookSender(services.ledger, services.directus, tools.fetcher, services.settings.webhook_secrets)
    tries = webhook_sender.deliver_due(min(left, CALLBACK_SECONDS))
    logger.info("handled", extra={"left": len(waiting), "callbacks": tries})
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in waiting]}


def _handle(ticket: Ticket, services: Services, tools: Tools, seconds: float) -> bool:
    """Run one ticket, and stop in time; True when it is done with."""
    try:
        services.tickets.hold(ticket, TAKEN_MS)
    except TicketsUnavailable as error:
        logger.warning("ticket not taken", extra={"error": str(error)})
    runner = Runner(services.ledger, services.tickets, services.directus, tools)
    alarm = threading.Timer(max(0.0, seconds), runner.stop, [OutOfTime("This Lambda has no time left")])
    alarm.daemon = True
    alarm.start()
    try:
        return runner.handle(ticket)
    finally:
        alarm.cancel()


@cache
def _parts() -> tuple[Services, Tools]:
    """Put together what every invocation of this process shares."""
    current = settings.current()
    logger.setLevel(current.log_level)
    logger.append_keys(part="lambda-worker")
    sandbox.use_namespace(current.network_namespace)
    sandbox.sweep(current.work_dir)
    services = Services(current)
    tools = make_tools(services)
    tools.programs.report(services.ledger)
    return services, tools
