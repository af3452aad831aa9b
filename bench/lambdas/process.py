"""One cold Lambda process: a bare interpreter, an unpacked package, one or more requests.

`python -S -I bench/lambdas/process.py FOLDER [--eager MODULE,...]` reads API Gateway events, or {"maintenance": true}, from
standard input, one per line, and writes the responses, one per line; at the end, the imported modules of the package. It uses
only the standard library, as in Lambda.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

SCHEDULED = {
    "version": "0",
    "id": "1",
    "account": "000000000000",
    "region": "us-east-1",
    "time": "2026-01-01T00:00:00Z",
    "source": "aws.events",
    "detail-type": "Scheduled Event",
    "detail": {},
    "resources": [],
}
"""The event of an EventBridge schedule."""


class Context:
    """The context of an invocation, as far as it is used."""

    function_name = "api"
    function_version = "1"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:api"
    aws_request_id = "request"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Return the remaining time."""
        return 20_000


def event(
    method: str, path: str, token: str = "", body: Any = None, *, parameters: dict[str, str] | None = None, internal: str = ""
) -> dict[str, Any]:
    """Return the API Gateway event of a request; `internal` is the internal token, if sent."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    if internal:
        headers["x-internal-token"] = internal
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "multiValueQueryStringParameters": None,
        "pathParameters": parameters,
        "requestContext": {"resourcePath": path, "httpMethod": method, "identity": {"sourceIp": "203.0.113.9"}},
        "stageVariables": None,
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def main() -> None:
    """Serve the requests, and exit at once: no caller waits for the end of the process."""
    folder = sys.argv[1]
    sys.path.insert(0, folder)
    for name in sys.argv[3].split(",") if "--eager" in sys.argv else ():
        importlib.import_module(name)
    app = importlib.import_module("app")
    for line in sys.stdin:
        event: dict[str, Any] = json.loads(line)
        answer = app.maintenance(SCHEDULED, Context()) if "maintenance" in event else app.app(event, Context())
        print(json.dumps({"answer": answer}), flush=True)
    files = [Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))]
    print(json.dumps({"imported": sorted(str(file.relative_to(folder)) for file in files if file.is_relative_to(folder))}))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
