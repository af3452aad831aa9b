"""The packaged application. The stores are those of the contract tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from infra.cloud import package
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
