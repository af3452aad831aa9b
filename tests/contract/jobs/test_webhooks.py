"""Completion webhooks: signed, retried, under the address rules, visible in the job."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from chalicelib.domain import webhooks
from infra.local.directus import accounts
from tests.contract.api.test_job_status import claim, queued, shown
from tests.contract.conftest import serve
from workers.network.fetch import Fetcher
from workers.runtime import webhook_sender as webhook_sender_module
from workers.runtime.webhook_sender import AGAIN_MS, WebhookSender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.ledger.scripts import Scripts
    from tests.contract.conftest import Api, Backends


class Receiver(BaseHTTPRequestHandler):
    """A creator's server. `answers` is what it says, one after another, then 200."""

    seen: ClassVar[list[tuple[dict[str, str], bytes]]] = []
    answers: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.seen.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
        status = self.answers.pop(0) if self.answers else 200
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[str]:
    """Its host and port."""
    Receiver.seen.clear()
    Receiver.answers.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def webhook_sender(api: Api, receiver: str) -> WebhookSender:
    return WebhookSender(
        api.services.ledger, api.services.directus, Fetcher(frozenset([receiver])), api.services.settings.webhook_secrets
    )


def ended(api: Api, url: str, outcome: str = "completed") -> str:
    """Run a job to its end, as a worker would."""
    job_id = queued(api, api.backends.tokens["enterprise"], callback_url=url)
    held = claim(api, job_id)
    outputs = [{"name": "output.mp4", "file_id": "5c909102", "type": "video/mp4", "bytes": 5}]
    values = {"status": "completed", "result": {"outputs": outputs}}
    if outcome != "completed":
        values = {"status": "failed", "error": "no luck"}
    api.directus("PATCH", f"/items/media_jobs/{job_id}", json=values)
    assert api.services.ledger.finish(held.job, held.token, outcome, {}) == "ok"
    return job_id


def callback(api: Api, job_id: str) -> Any:
    return shown(api, api.backends.tokens["enterprise"], job_id)["callback"]


def terminate_soon(api: Api) -> None:
    """Let the pause between two tries be over."""
    api.services.scripts.redis.delete("{test}:webhook_backoff")
    for job_id, _ in api.services.scripts.redis.zscan_iter("{test}:webhooks"):
        api.services.scripts.redis.zadd("{test}:webhooks", {job_id: 0})


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_what_is_told(api: Api, webhook_sender: WebhookSender, receiver: str, outcome: str) -> None:
    job_id = ended(api, f"http://{receiver}/done?x=1", outcome)
    assert webhook_sender.deliver_due(10) == 1
    [(headers, body)] = Receiver.seen
    told = json.loads(body)
    assert (told["type"], told["job"]["jobId"], told["job"]["state"]) == (f"job.{outcome}", job_id, outcome)
    assert told["job"]["error"] == (None if outcome == "completed" else "no luck")
    assert told["job"]["warnings"] == []
    assert [one["type"] for one in told["job"]["outputs"]] == (["video/mp4"] if outcome == "completed" else [])
    assert headers["Mediaq-Delivery"] == told["id"] == told["job"]["bullJobId"]
    found = callback(api, job_id)
    assert (found["url"], found["state"]) == (f"http://{receiver}/done?x=1", "delivered")
    assert [(one["status"], one["error"]) for one in found["deliveries"]] == [(200, "")]


def test_the_signature_is_the_users_own(api: Api, webhook_sender: WebhookSender, receiver: str) -> None:
    ended(api, f"http://{receiver}/")
    webhook_sender.deliver_due(10)
    [(headers, body)] = Receiver.seen
    answer = api.call("GET", "/callbacks/secret", api.backends.tokens["enterprise"])
    secret = answer.json["secret"]
    assert secret != api.call("GET", "/callbacks/secret", api.backends.tokens["pro"]).json["secret"]
    at, signed = (part.partition("=")[2] for part in headers["Mediaq-Signature"].split(","))
    assert signed == hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert api.call("GET", "/callbacks/secret").status_code == 401


def test_while_the_secret_is_changed_both_sign() -> None:
    signed = webhooks.signature(b"{}", 1_800_000_000, ["new", "old"])
    assert signed.startswith("t=1800000000,v1=")
    assert signed.count("v1=") == 2


def test_failures_are_tried_again_and_seen(api: Api, webhook_sender: WebhookSender, receiver: str) -> None:
    Receiver.answers[:] = [500, 302]
    job_id = ended(api, f"http://{receiver}/")
    for _ in range(4):
        webhook_sender.deliver_due(10)
        terminate_soon(api)
    assert [headers["Mediaq-Delivery"] for headers, _ in Receiver.seen] == [callback_id(api, job_id)] * 3
    found = callback(api, job_id)
    assert [one["status"] for one in found["deliveries"]] == [500, 302, 200]
    assert found["deliveries"][0]["error"] == "callback_url answered with status 500"
    assert found["state"] == "delivered"


def callback_id(api: Api, job_id: str) -> str:
    snapshot = api.services.ledger.get(job_id)
    assert snapshot is not None
    return snapshot.id


def test_pauses_grow_and_end(api: Api, webhook_sender: WebhookSender, receiver: str) -> None:
    Receiver.answers[:] = [500] * 20
    job_id = ended(api, f"http://{receiver}/")
    for _ in range(12):
        webhook_sender.deliver_due(10)
        terminate_soon(api)
    assert len(Receiver.seen) == len(AGAIN_MS) + 1
    assert callback(api, job_id)["state"] == "given up"
    assert list(AGAIN_MS) == sorted(AGAIN_MS)


def test_gone_is_gone(api: Api, webhook_sender: WebhookSender, receiver: str) -> None:
    Receiver.answers[:] = [410]
    job_id = ended(api, f"http://{receiver}/")
    webhook_sender.deliver_due(10)
    assert callback(api, job_id)["state"] == "given up"


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://127.0.0.1/x", "http://[::1]/", "http://10.0.0.1:8080/"]
)
def test_no_address_inside_is_called(api: Api, webhook_sender: WebhookSender, url: str) -> None:
    job_id = ended(api, url)
    assert webhook_sender.deliver_due(10) == 1
    [tried] = callback(api, job_id)["deliveries"]
    assert tried["status"] is None
    assert "callback_url" in tried["error"]
    assert callback(api, job_id)["state"] == "given up"


def test_a_refused_address_holds_back_no_other_callback(api: Api, webhook_sender: WebhookSender, receiver: str) -> None:
    refused, fine = ended(api, "http://10.0.0.1/"), ended(api, f"http://{receiver}/")
    assert webhook_sender.deliver_due(10) == 2
    assert [callback(api, job_id)["state"] for job_id in (refused, fine)] == ["given up", "delivered"]


def test_an_absent_directus_postpones_it(
    api: Api, webhook_sender: WebhookSender, receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.directus.client import Directus

    job_id = ended(api, f"http://{receiver}/")
    monkeypatch.setattr(webhook_sender, "_directus", Directus("http://127.0.0.1:1", "x", 1))
    webhook_sender.deliver_due(10)
    assert Receiver.seen == []
    assert callback(api, job_id)["deliveries"] == []  # it was no try
    assert callback(api, job_id)["state"] == "trying"


def test_a_job_that_runs_waits_to_be_told(api: Api, receiver: str) -> None:
    job_id = queued(api, api.backends.tokens["enterprise"], callback_url=f"http://{receiver}/")
    assert callback(api, job_id) == {"url": f"http://{receiver}/", "state": "waiting", "deliveries": []}


def test_a_cancel_is_told(api: Api, webhook_sender: WebhookSender, receiver: str) -> None:
    job_id = queued(api, api.backends.tokens["enterprise"], callback_url=f"http://{receiver}/")
    assert api.call("DELETE", f"/jobs/{job_id}", api.backends.tokens["enterprise"]).status_code == 200
    webhook_sender.deliver_due(10)
    [(_, body)] = Receiver.seen
    assert json.loads(body)["type"] == "job.cancelled"


@pytest.mark.parametrize("url", ["ftp://example.com/", "http://user:pass@example.com/", "nonsense", "https://" + "x" * 2100])
def test_what_is_no_address_is_refused(api: Api, url: str) -> None:
    answer = api.enqueue({"jobId": api.record(), "operation": "transcoding", "callback_url": url})
    assert answer.status_code == 400
    assert answer.json["error"].startswith("callback_url must be an http or https URL")


def test_a_retry_where_the_deployment_cannot_sign_any_more(backends: Backends) -> None:
    for api in serve(backends, WEBHOOK_SECRET="-"):
        record = api.record()
        asked = {"operation": "transcoding", "callback_url": "https://example.com/", "input_url": "https://example.com/x"}
        api.directus("PATCH", f"/items/media_jobs/{record}", json={"status": "failed", "result": {"request": asked}})
        assert api.call("POST", f"/jobs/{record}/retry", api.backends.tokens["enterprise"]).status_code == 200


def test_the_keeper_wakes_a_lambda_for_what_nobody_tells(api: Api, receiver: str) -> None:
    """Also for a job of the other pool, whose workers may all be gone."""
    job_id = ended(api, f"http://{receiver}/")
    api.services.scripts.redis.zadd("{test}:webhooks", {job_id: 1})
    for url in api.services.settings.queue_urls.values():
        api.services.tickets._sqs.purge_queue(QueueUrl=url)
    api.services.maintenance.sweep()
    [ticket] = api.services.tickets.receive("lambda", 1)
    assert ticket.job is not None
    assert api.services.ledger.claim("lambda", ticket.job.id, ticket.job.job_id, "t").word == "drop"


def test_as_many_abreast_as_there_is_work_for(
    api: Api, webhook_sender: WebhookSender, receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of different users: a slow receiver keeps none but its own user's waiting."""
    open_now, most, gate = [0], [0], threading.Lock()

    def slow(self: Any) -> None:
        with gate:
            open_now[0] += 1
            most[0] = max(most[0], open_now[0])
        time.sleep(0.5)
        Receiver.answer(self)
        with gate:
            open_now[0] -= 1

    monkeypatch.setattr(Receiver, "do_POST", slow)
    for tier in ("free", "pro", "enterprise", "enterprise"):
        job_id = queued(api, api.backends.tokens[tier], callback_url=f"http://{receiver}/")
        assert api.call("DELETE", f"/jobs/{job_id}", api.backends.tokens[tier]).status_code == 200
    due = api.services.ledger.sweep().due
    assert due == 4
    webhook_sender.wake(due)
    webhook_sender.wake(due)  # a sweep later, while the first are under way
    until = time.monotonic() + 10
    while len(Receiver.seen) < 4 and time.monotonic() < until:
        api.services.ledger.sweep()
        webhook_sender.wake(api.services.ledger.sweep().due)
        time.sleep(0.1)
    assert len(Receiver.seen) == 4
    assert most[0] == 3


def test_a_deployment_that_cannot_sign_calls_nobody(backends: Backends, scripts: Scripts) -> None:
    for api in serve(backends, WEBHOOK_SECRET="-"):
        answer = api.enqueue({"jobId": api.record(), "operation": "transcoding", "callback_url": "https://example.com/"})
        assert (answer.status_code, answer.json["error"][:33]) == (400, "callback_url must be left out: thi"[:33])
        assert api.call("GET", "/callbacks/secret", accounts.ADMIN_TOKEN).status_code == 404
        unsigned = WebhookSender(api.services.ledger, api.services.directus, Fetcher(), ())
        assert unsigned.deliver_due(1) == 0


def test_a_slow_server_is_not_waited_for(
    api: Api, webhook_sender: WebhookSender, receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_sender_module, "ANSWER_SECONDS", 0.5)
    held = threading.Event()
    monkeypatch.setattr(Receiver, "do_POST", lambda self: held.wait(5))
    job_id = ended(api, f"http://{receiver}/")
    webhook_sender.deliver_due(10)
    held.set()
    [tried] = callback(api, job_id)["deliveries"]
    assert tried["status"] is None


def test_warnings_of_the_result_are_told(api: Api, webhook_sender: WebhookSender, receiver: str) -> None:
    warning = {"code": "input_truncated", "message": "The input says that it is 3 s long, but only 1.8 s could be read"}
    job_id = ended(api, f"http://{receiver}/done", "completed")
    api.directus("PATCH", f"/items/media_jobs/{job_id}", json={"result": {"warnings": [warning]}})
    assert webhook_sender.deliver_due(10) == 1
    assert json.loads(Receiver.seen[0][1])["job"]["warnings"] == [warning]
