"""The Lambda worker: one ticket per invocation, from the event source mapping.

The response lists failed tickets and starts with all of them: an id is removed only when its ticket is no longer needed. An
unreadable event raises, which returns the whole batch. A ticket that stays is hidden for as long as the runner decided.
"""

from __future__ import annotations

import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from chalicelib import settings, tracing
from chalicelib.errors import LambdaExceeded, TicketsUnavailable
from chalicelib.queues.tickets import read_ticket
from chalicelib.services import Services
from chalicelib.struct_types import build_struct_types
from workers.runtime.credential_tester import CredentialTester
from workers.runtime.heartbeat import Heartbeats
from workers.runtime.runner import Runner
from workers.runtime.tools import make_teams, make_tools
from workers.runtime.webhook_sender import WebhookSender
from workers.sandbox import sandbox

if TYPE_CHECKING:
    from chalicelib.queues.tickets import Ticket
    from workers.context.work import Tools

logger = Logger(service="mediaq")
POOL = "lambda"
TAKEN_MS = 120_000
"""Visibility timeout of a ticket that we hold; the lease renews it. The queue's own visibility timeout is six times the
timeout of this function, as AWS recommends."""
RESERVE_SECONDS = 30.0
"""Time before the end of the invocation at which a job moves to the container pool: its process ends within 2 s, and the
calls may take 20 s."""
TEST_SECONDS = 20.0
"""Time that a test of a credential may take; with less left none is started."""
WEBHOOK_SECONDS = 3.0
"""How long an invocation starts webhook deliveries: more than the jobs it ends itself."""
Answer = dict[str, list[dict[str, str]]]


def handler(event: dict[str, Any], context: Any) -> Answer:
    """Run the ticket of an SQS event, or a better one."""
    services, tools, heartbeats = _parts()
    waiting = {record["messageId"]: read_ticket(POOL, record["body"], record["receiptHandle"]) for record in event["Records"]}
    if not waiting:
        raise ValueError("an SQS event has records")
    for message_id, ticket in list(waiting.items()):
        left = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
        if _handle(ticket, services, tools, heartbeats, left):
            del waiting[message_id]
    heartbeats.beat()
    tracing.flush()
    left = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    webhook_sender = WebhookSender(services.ledger, services.directus, tools.fetcher, services.settings.webhook_secrets)
    tries = webhook_sender.deliver_due(min(left, WEBHOOK_SECONDS))
    left = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    CredentialTester(services.credential_tests, services.directus, tools).run_safely(min(left - TEST_SECONDS, WEBHOOK_SECONDS))
    logger.info("handled", extra={"left": len(waiting), "callbacks": tries})
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in waiting]}


def _handle(ticket: Ticket, services: Services, tools: Tools, heartbeats: Heartbeats, seconds: float) -> bool:
    """Run one ticket within the time limit; True if the ticket is no longer needed."""
    try:
        services.tickets.hold(ticket, TAKEN_MS)
    except TicketsUnavailable as error:
        logger.warning("ticket not taken", extra={"error": str(error)})
    helper = make_teams(services).helper(tools)
    if helper is not None:
        helper.until = time.monotonic() + seconds
    runner = Runner(services.ledger, services.tickets, services.directus, tools, helper)
    heartbeats.follow(runner)
    heartbeats.beat()  # it may have been frozen for long
    alarm = threading.Timer(max(0.0, seconds), runner.stop, [LambdaExceeded("This Lambda has no time left")])
    alarm.daemon = True
    alarm.start()
    try:
        return runner.handle(ticket)
    finally:
        alarm.cancel()


@cache
def _parts() -> tuple[Services, Tools, Heartbeats]:
    """Create what all invocations of this process share."""
    current = settings.current()
    logger.setLevel(current.log_level)
    logger.append_keys(part="lambda-worker")
    sandbox.use_namespace(current.network_namespace)
    sandbox.sweep(current.work_dir)
    tracing.start("mediaq-worker")
    services = Services(current)
    tools = make_tools(services)
    build_struct_types()
    heartbeats = Heartbeats(services.workers_ledger, tools.programs, kind="lambda", pools=[POOL], slots=1)
    heartbeats.start(lambda: True)
    return services, tools, heartbeats
