"""ECS task protection, and a deployment that waits."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from workers.runtime.task_protection import EXPIRES_MINUTES, RENEW_SECONDS, TaskProtection

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCKED = {"failure": {"Arn": "arn:aws:ecs:...:task/1", "Reason": "DEPLOYMENT_BLOCKED", "Detail": "a deployment waits"}}


class Agent:
    """An ECS agent: what it was asked, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answer: Any = {"protection": {"ProtectionEnabled": True}}
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                assert self.path == "/api/task-protection/v1/state"
                agent.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                body = json.dumps(agent.answer).encode()
                self.send_response(200 if "protection" in agent.answer else 400)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


class Seconds:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def agent() -> Iterator[Agent]:
    running = Agent()
    yield running
    running.server.shutdown()
    running.server.server_close()


def test_protected_while_busy_and_free_soon_afterwards(agent: Agent) -> None:
    seconds = Seconds()
    protection = TaskProtection(agent.url, seconds)
    protection.follow(busy=False)
    assert agent.asked == []
    for _ in range(20):
        protection.follow(busy=True)
        seconds.now += 0.2
    assert agent.asked == [{"ProtectionEnabled": True, "ExpiresInMinutes": EXPIRES_MINUTES}]
    for _ in range(10):  # between two jobs
        protection.follow(busy=False)
        seconds.now += 0.2
    assert len(agent.asked) == 1
    seconds.now += 5
    protection.follow(busy=False)
    assert agent.asked[1:] == [{"ProtectionEnabled": False}]
    seconds.now += 5000
    protection.follow(busy=False)
    assert len(agent.asked) == 2


def test_a_long_job_renews_it(agent: Agent) -> None:
    seconds = Seconds()
    protection = TaskProtection(agent.url, seconds)
    for _ in range(61):
        protection.follow(busy=True)
        seconds.now += 60
    assert len(agent.asked) == 7
    assert EXPIRES_MINUTES * 60 > 3 * RENEW_SECONDS  # some renewals may be missed


def test_a_deployment_that_waits_is_noticed_by_a_task_that_was_protected(agent: Agent) -> None:
    seconds = Seconds()
    old = TaskProtection(agent.url, seconds)
    old.follow(busy=True)
    agent.answer = BLOCKED
    seconds.now += RENEW_SECONDS
    old.follow(busy=True)
    assert old.waited_for
    new = TaskProtection(agent.url, seconds)
    new.follow(busy=True)
    assert not new.waited_for  # it is the others that are too many


def test_protection_that_may_have_been_given_is_given_up_again(agent: Agent) -> None:
    """The answer was lost: nobody knows whether the task is protected."""
    seconds = Seconds()
    protection = TaskProtection("http://127.0.0.1:1/api", seconds)
    protection.follow(busy=True)
    protection._url = f"{agent.url}/task-protection/v1/state"
    seconds.now += 60
    protection.follow(busy=False)
    assert agent.asked == [{"ProtectionEnabled": False}]


@pytest.mark.parametrize("answer", [{"error": {"Code": "ThrottlingException"}}, {"failure": {"Reason": "TASK_NOT_VALID"}}])
def test_a_refusal_is_asked_again_and_stops_nothing(agent: Agent, answer: Any) -> None:
    seconds = Seconds()
    protection = TaskProtection(agent.url, seconds)
    agent.answer = answer
    for _ in range(100):
        protection.follow(busy=True)
        seconds.now += 1
    assert len(agent.asked) == 4
    assert not protection.waited_for


def test_without_an_agent_nothing_is_asked() -> None:
    protection = TaskProtection(None)
    protection.follow(busy=True)
    assert not protection.waited_for


def test_an_agent_that_is_away_stops_nothing() -> None:
    protection = TaskProtection("http://127.0.0.1:1/api", Seconds())
    protection.follow(busy=True)
    assert not protection.waited_for
