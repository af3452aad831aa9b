"""The Lambda pool: the real handler, packaged, behind an event source mapping of the emulator."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from infra.local import processes
from tests.integration.conftest import System, make_clip, run_system, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FUNCTION = "mediaq-worker"
HELD_SECONDS = 180
"""A ticket that is met while its job runs stays away for 150 s, and is dropped then."""


def package() -> bytes:
    """What the worker is made of; its dependencies are those of the emulator's own environment."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        for folder in ("chalicelib", "workers"):
            for file in sorted((processes.ROOT / folder).rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    target.write(file, file.relative_to(processes.ROOT))
    return archive.getvalue()


class Functions:
    """The Lambda service of the emulator."""

    def __init__(self, system: System) -> None:
        self._client = boto3.client("lambda", endpoint_url=system.stack.url("sqs"), region_name=processes.REGION)
        self._environment = system.stack.environment

    def deploy(self, seconds: int) -> None:
        """Make the function, with a timeout, and map the queue to it as `infra` does."""
        self._client.create_function(
            FunctionName=FUNCTION,
            Runtime="python3.11",
            Role="arn:aws:iam::000000000000:role/worker",
            Handler="workers.runtime.lambda_handler.handler",
            Code={"ZipFile": package()},
            Timeout=seconds,
            MemorySize=3008,
            Environment={"Variables": self._environment},
        )
        self._client.create_event_source_mapping(
            FunctionName=FUNCTION,
            EventSourceArn=f"arn:aws:sqs:{processes.REGION}:000000000000:mediaq-local-lambda",
            BatchSize=1,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ScalingConfig={"MaximumConcurrency": 2},
        )

    def set_timeout(self, seconds: int) -> None:
        """Give the function more time, or less."""
        self._client.update_function_configuration(FunctionName=FUNCTION, Timeout=seconds)


@pytest.fixture(scope="module")
def lambdas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[System, Functions]]:
    for system in run_system(tmp_path_factory.mktemp("lambda")):
        system.stack.processes["worker"].stop()
        container = processes.worker_process(
            system.stack.environment, system.stack.logs, "container", 1, pools="container"
        ).start()
        system.extra.append(container)
        functions = Functions(system)
        functions.deploy(seconds=300)
        yield system, functions


def tickets(system: System, queue: str) -> int:
    """How many tickets a queue has, seen or not."""
    sqs = boto3.client("sqs", endpoint_url=system.stack.url("sqs"), region_name=processes.REGION)
    url = sqs.get_queue_url(QueueName=f"mediaq-local-{queue}")["QueueUrl"]
    attributes: Any = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])


def test_thumbnails_through_the_mapping(lambdas: tuple[System, Functions], clip: Path) -> None:
    system, _ = lambdas
    file_id = system.app.upload(clip)
    jobs = [system.submit(file_id, {"width": 160}, "thumbnail", priority=1 + number % 3) for number in range(6)]
    records = [system.app.wait(job_id, 90) for job_id in jobs]
    assert [(record["status"], record["error"]) for record in records] == [("completed", None)] * 6
    assert "claimed" not in system.log("container")
    counts = until(system.quiet, 20, "everything closed")
    assert counts["completed"] == 6


def test_bad_media_fails_once_and_its_ticket_goes(lambdas: tuple[System, Functions], tmp_path: Path) -> None:
    system, _ = lambdas
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no film at all")
    record = system.app.wait(system.submit(bad, {}, "thumbnail"), 60)
    assert (record["status"], record["attempts"]) == ("failed", 1)
    assert record["result"]["request"]["operation"] == "thumbnail"


def test_a_job_that_takes_too_long_hops_to_the_container_pool(lambdas: tuple[System, Functions], tmp_path: Path) -> None:
    system, functions = lambdas
    functions.set_timeout(31)  # a second for the job
    film = make_clip(tmp_path / "film.mp4", 40, "960x540")
    job_id = system.submit(film, {}, "analysis")
    record = system.app.wait(job_id, 120)
    assert (record["status"], record["attempts"]) == ("completed", 1)  # no attempt spent
    assert any("claimed" in line and job_id in line for line in system.log("container").splitlines())
    functions.set_timeout(300)


def test_rubbish_in_the_queue_ends_in_the_dead_letter_queue(lambdas: tuple[System, Functions]) -> None:
    system, _ = lambdas
    sqs = boto3.client("sqs", endpoint_url=system.stack.url("sqs"), region_name=processes.REGION)
    url = sqs.get_queue_url(QueueName="mediaq-local-lambda")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"not": "ours"}))
    until(lambda: tickets(system, "lambda-dead") == 1, 30, "buried")


@pytest.mark.slow
def test_no_ticket_is_left(lambdas: tuple[System, Functions]) -> None:
    system, _ = lambdas
    for queue in ("lambda", "container"):
        until(lambda queue=queue: tickets(system, queue) == 0, HELD_SECONDS, f"no ticket left in {queue}")
