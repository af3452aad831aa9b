"""The changes by hand of `make mutants` still find what they change."""

from __future__ import annotations

import pytest

from infra.local.processes import ROOT
from tests.mutants.__main__ import TARGETS
from tests.mutants.changes import CHANGES, Change


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.breaks)
def test_its_text_is_there_once(change: Change) -> None:
    assert (ROOT / change.file).read_text().count(change.old) == 1


def test_every_target_and_its_tests_exist() -> None:
    for target in TARGETS.values():
        for file in (target.module, *target.tests.split()):
            assert (ROOT / file).exists(), file
