"""Serves the Chalice app under /api, like the stage of API Gateway: Chalice's local gateway behind a production server.

`python -m infra.local.gateway --port 3001`
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import waitress
from aws_lambda_powertools import Logger
from chalice.config import Config
from chalice.local import LambdaEventConverter, LocalGateway, LocalGatewayException, RouteMatcher

from chalicelib.api.http import HEADERS, framework_error
from chalicelib.errors import SettingsError
from chalicelib.services import services
from chalicelib.struct_types import build_struct_types
from infra.local.process import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

logger = Logger(service="mediaq", child=True)
STAGE = "/api"
PEER = ":peer"  # no HTTP header starts with a colon, so a client cannot forge this one
BODY_MAX_BYTES = 10 << 20  # the limit of API Gateway
READ_MAX_BYTES = (
    1 << 30
)  # how much of a larger body is read before it is rejected: a client that is still sending reads no answer
THREADS = 32


class _Converter(LambdaEventConverter):
    """Builds API Gateway events with the caller's address; Chalice's own always has 127.0.0.1."""

    def create_lambda_event(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> dict[str, Any]:
        peer = headers.pop(PEER)
        event: dict[str, Any] = super().create_lambda_event(method, path, headers, body)
        event["requestContext"]["identity"]["sourceIp"] = peer
        return event


class Gateway:
    """A WSGI application in front of a Chalice app."""

    def __init__(self, app: Any) -> None:
        self._gateway = LocalGateway(app, Config())
        self._gateway.event_converter = _Converter(RouteMatcher(list(app.routes)), app.api.binary_types)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Handle one request."""
        path = environ["PATH_INFO"]
        if path == "/ping":
            return _send(start_response, HTTPStatus.OK, {"Content-Type": "text/plain"}, b"pong")
        if not path.startswith(f"{STAGE}/"):
            return _refuse(start_response, HTTPStatus.NOT_FOUND)
        query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
        headers = {name[5:].replace("_", "-").lower(): text for name, text in environ.items() if name.startswith("HTTP_")}
        if environ.get("CONTENT_TYPE"):
            headers["content-type"] = environ["CONTENT_TYPE"]
        headers[PEER] = environ.get("REMOTE_ADDR", "")
        body = environ["wsgi.input"].read(BODY_MAX_BYTES + 1)
        if len(body) > BODY_MAX_BYTES:
            return _refuse(start_response, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        route = quote(path.removeprefix(STAGE), encoding="latin-1")  # a decoded # or ? would end the path
        try:
            answer = self._gateway.handle_request(
                method=environ["REQUEST_METHOD"], path=route + query, headers=headers, body=body
            )
        except (LocalGatewayException, UnicodeEncodeError):  # no such route, whatever the token is
            return _refuse(start_response, HTTPStatus.NOT_FOUND)
        text = answer["body"]
        data = text if isinstance(text, bytes) else (text or "").encode()
        return _send(start_response, HTTPStatus(answer["statusCode"]), answer["headers"], data)


def _refuse(start_response: Callable[..., Any], status: HTTPStatus) -> Iterable[bytes]:
    body = json.dumps({"error": framework_error(status)}).encode()
    return _send(start_response, status, HEADERS, body)


def _send(start_response: Callable[..., Any], status: HTTPStatus, headers: dict[str, str], body: bytes) -> Iterable[bytes]:
    sent = {**headers, "Content-Length": str(len(body))}
    start_response(f"{status.value} {status.phrase}", list(sent.items()))
    return [body]


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.gateway", description=__doc__)
    parser.add_argument("--port", type=int, default=3001, help="the port on loopback (3001)")
    options = parser.parse_args()
    from app import app  # noqa: PLC0415 - reads the environment

    Logger(service="mediaq").append_keys(part="api")
    try:
        assert services().enqueuer  # read plans and presets now, so that an error shows at start
    except SettingsError as error:
        sys.exit(f"mediaq API: {error}")
    build_struct_types("chalicelib")
    signal.signal(signal.SIGTERM, _stop)
    logger.info("serving", extra={"port": options.port})
    server = waitress.create_server(  # waitress.serve would add a log handler
        Gateway(app),
        host=LOOPBACK,
        port=options.port,
        threads=THREADS,
        ident="mediaq",
        max_request_body_size=READ_MAX_BYTES,
        clear_untrusted_proxy_headers=True,
    )
    server.run()


def _stop(number: int, frame: FrameType | None) -> None:
    del number, frame
    sys.exit(0)


if __name__ == "__main__":
    main()
