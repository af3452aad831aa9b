"""One Lambda process, as cold as it gets: a bare interpreter, an unpacked package, one request or more.

`python -S -I bench/lambda_process.py FOLDER [--eager MODULE,...]` reads API Gateway events, or {"maintenance": true}, from its
standard input, a line each, and writes what is answered, a line each; at the end the modules of the package that were imported.
Needs nothing but the standard library, as in Lambda.
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
"""What EventBridge hands to a function that it calls by a schedule."""


class Context:
    """What Lambda says of an invocation, as far as it is looked at."""

    function_name = "api"
    function_version = "1"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:api"
    aws_request_id = "request"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Return the time that is left."""
        return 20_000


def event(
    method: str, path: str, token: str = "", body: Any = None, *, parameters: dict[str, str] | None = None, internal: str = ""
) -> dict[str, Any]:
    """Return what API Gateway hands to the function; `internal` is the internal token, if it is sent."""
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
    """Serve what is asked, and leave at once: the end of a process is nobody's waiting time."""
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
