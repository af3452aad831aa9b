"""The tests of the container worker, with its workers in containers of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.image.conftest import WORK
from tests.integration.test_worker import *  # noqa: F403 - the same tests
from tests.integration.test_worker import UNLUCKY

if TYPE_CHECKING:
    from tests.image.conftest import Image
    from tests.integration.conftest import System


@pytest.fixture
def broken_ffmpeg(system: System, built: Image) -> str:
    """As there, where the container sees it."""
    [real] = (built.root / "libraries" / "imageio_ffmpeg" / "binaries").glob("ffmpeg-*")
    file = system.stack.home / "work" / "ffmpeg"
    file.write_text(UNLUCKY.format(ffmpeg=f"/{real.relative_to(built.root)}"))
    file.chmod(0o755)
    return f"{WORK}/{file.name}"
