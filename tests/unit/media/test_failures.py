"""What ffmpeg says when it has too little memory: a fault of the input, or of a Lambda that is too small."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from chalicelib.errors import LambdaExceeded, MediaRejected
from workers.media import ffmpeg
from workers.sandbox.sandbox import Finished

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("variables", "kind"), [({}, MediaRejected), ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024"}, LambdaExceeded)]
)
@pytest.mark.parametrize("said", ["Cannot allocate memory", "malloc of size 123456 failed"])
def test_without_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, variables: dict[str, str], kind: type[Exception]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    work = SimpleNamespace(folder=tmp_path / "out")
    error = ffmpeg._failure(Finished(1, f"[error] {said}\n"), work)  # type: ignore[arg-type]
    assert type(error) is kind
    assert "needs more memory" in str(error)
