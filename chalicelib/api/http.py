"""The Chalice application. Every error, also of the framework, has the published JSON shape."""

from __future__ import annotations

import functools
import json
import threading
from typing import TYPE_CHECKING, Any, ParamSpec

import msgspec
from aws_lambda_powertools import Logger
from chalice import Chalice, CORSConfig, Response

from chalicelib import tracing
from chalicelib.errors import ApiError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from chalice.app import Request

logger = Logger(service="mediaq", child=True)
P = ParamSpec("P")
BULK_MAX_BYTES = 1 << 20
HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
FRAMEWORK_ERRORS = {
    404: "There is no such endpoint",
    413: "The request body must be at most 10 MB",
    405: "This endpoint does not take that method",
    415: "Content-Type must be application/json",
}
CORS = CORSConfig(allow_origin="*", allow_headers=["Authorization", "Content-Type", "If-Match"], max_age=600)


class _Thread(threading.local):
    request: Request | None = None


_THREAD = _Thread()


class QueueApi(Chalice):
    """Chalice with our error shape, and a current request for each thread, since the local server has threads."""

    def __init__(self, name: str) -> None:
        super().__init__(app_name=name)
        self.api.cors = CORS

    @property
    def current_request(self) -> Request | None:
        """The request that this thread handles."""
        return _THREAD.request

    @current_request.setter
    def current_request(self, request: Request | None) -> None:
        _THREAD.request = request

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Handle one API Gateway event."""
        if "multiValueHeaders" in event:  # two Authorization headers are an error; never use the last one silently
            several = event["multiValueHeaders"] or {}
            event = {**event, "headers": {name: ", ".join(values) for name, values in several.items()}}
        answer: dict[str, Any] = super().__call__(event, context)
        tracing.flush()
        body = answer.get("body")
        if answer["statusCode"] >= 400 and isinstance(body, str) and body.startswith('{"Code":'):  # noqa: PLR2004
            answer["body"] = json.dumps({"error": framework_error(answer["statusCode"])})
        answer["headers"] = HEADERS | (answer.get("headers") or {})
        return answer


def framework_error(status: int) -> str:
    """Return our message for an error of Chalice or API Gateway."""
    return FRAMEWORK_ERRORS.get(status, "An internal error occurred; it has been logged")


def as_bytes(body: bytes | str) -> bytes:
    """Return a request body as bytes, however Chalice hands it over."""
    return body if isinstance(body, bytes) else body.encode()


def reusable(body: Any, seconds: int) -> Response:
    """Return a public response that a browser or a cache may use again for `seconds`."""
    return Response(body=body, headers={"Cache-Control": f"public, max-age={seconds}"})


def published(answer: msgspec.Struct) -> Any:
    """Return a response as Chalice expects it."""
    return msgspec.to_builtins(answer)


def endpoint(view: Callable[P, Any]) -> Callable[P, Any]:
    """Turn the errors of a view into responses."""

    @functools.wraps(view)
    def answered(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            with _traced():
                return view(*args, **kwargs)
        except ApiError as error:
            if isinstance(error, Unavailable):
                logger.warning("answered 503", extra={"error": str(error), "cause": repr(error.__cause__)})
            return Response(body=error.body(), status_code=error.status, headers={**error.headers()})

    return answered


def _traced() -> AbstractContextManager[None]:
    """Trace the current request. The jobs that it admits continue its trace, or that of the caller if traces are off."""
    request = _THREAD.request
    if request is None:
        return tracing.span("request", kind="server")
    name = f"{request.method} {request.context['resourcePath']}"
    return tracing.span(name, parent=tracing.valid(request.headers.get("traceparent")), kind="server")
