"""Parameters of `download`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chalicelib.domain.params.common import Strict, meta

SIZE_MAX = 32 << 30


class DownloadParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `download`. The address is `input_url` of the request."""

    max_bytes: Annotated[int, meta(f"an integer from 1 to {SIZE_MAX} bytes", ge=1, le=SIZE_MAX)] = 8 << 30
    max_seconds: Annotated[float, meta("a number of seconds from 1 to 21600", ge=1, le=21600)] = 3600
    sha256: Annotated[str, meta("64 hexadecimal digits", pattern=r"^[0-9a-fA-F]{64}$(?!\n)")] | None = None
    strict: Strict = False
