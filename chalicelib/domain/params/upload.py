"""Parameters of `upload`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chalicelib.domain.params.common import Strict, meta
from chalicelib.domain.validation import FieldError, is_web_address

URL_MAX = 4096  # presigned URLs are long
HTTPS = "an https URL, such as a presigned PUT address"


class UploadParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `upload`."""

    strip_metadata: Annotated[bool, meta("true or false: whether places, devices, people and dates are removed")] = True
    sha256: (
        Annotated[str, meta("64 hexadecimal digits: what the file must have", pattern=r"^[0-9a-fA-F]{64}$(?!\n)")] | None
    ) = None
    deliver_url: Annotated[str, meta(HTTPS, max_length=URL_MAX)] | None = None
    strict: Strict = False

    def __post_init__(self) -> None:
        """Check the address; a pattern cannot."""
        if self.deliver_url is not None and not is_web_address(self.deliver_url, ("https",)):
            raise FieldError("deliver_url", HTTPS)
