"""The packaged application. The stores are those of the contract tier."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from infra.cloud import package
from infra.local import accounts
from tests.contract.conftest import api, backends  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from infra.cloud.template import Json


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> package.Package:
    """What `make package` writes."""
    return package.make(tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="session")
def built(made: package.Package) -> Json:
    """Its template."""
    template: Json = json.loads(made.template.read_text())
    return template


def event(
    method: str,
    path: str,
    token: str = "",
    body: Any = None,
    *,
    parameters: dict[str, str] | None = None,
    internal: bool = False,
) -> dict[str, Any]:
    """Make the event that API Gateway hands to the function."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    if internal:
        headers["x-internal-token"] = accounts.INTERNAL_TOKEN
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
