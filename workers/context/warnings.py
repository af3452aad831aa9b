"""Collects problems of the input that do not stop the job, for `result.warnings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.warning_codes import LOSSES, InputWarning
from chalicelib.errors import MediaRejected

if TYPE_CHECKING:
    from chalicelib.domain.warning_codes import Code

SHORTER_SECONDS = 0.25
"""Containers round and codecs pad: a smaller difference is not reported."""
WARNINGS_MAX = 50


class WarningCollector:
    """Collects warnings without duplicates."""

    def __init__(self) -> None:
        self._warnings: list[InputWarning] = []
        self._decode_errors = 0
        self._partial = False

    def warn(self, code: Code, message: str) -> None:
        """Add a warning."""
        warning = InputWarning(code, message)
        if warning not in self._warnings and len(self._warnings) < WARNINGS_MAX:
            self._warnings.append(warning)

    def note_decode_errors(self, count: int) -> None:
        """Record the number of decode errors of one pass over the input. The pass with the most errors counts."""
        self._decode_errors = max(self._decode_errors, count)

    @property
    def decode_errors(self) -> int:
        """The number of decode errors."""
        return self._decode_errors

    def note_partial_file(self) -> None:
        """Record that the input ends before its index says."""
        self._partial = True

    def check_length(self, promised: float, got: float) -> None:
        """Compare the duration that the input promises with the duration of the output, both in s; 0: unknown."""
        if promised and got < promised - SHORTER_SECONDS:
            self.warn("input_truncated", f"The input says that it is {promised:g} s long, but only {got:g} s could be read")

    @property
    def items(self) -> list[InputWarning]:
        """All warnings."""
        found = list(self._warnings)
        if self._partial and not any(one.code == "input_truncated" for one in found):
            found.append(InputWarning("input_truncated", "The input ends before its index says so: its last part is missing"))
        if self._decode_errors:
            errors = "1 error" if self._decode_errors == 1 else f"{self._decode_errors} errors"
            found.append(InputWarning("decode_errors", f"The input is damaged: {errors} while decoding it"))
        return found

    def check_strict(self) -> None:
        """Reject an input with missing content, for `"strict": true`.

        Raises:
            MediaRejected: the message is the first such warning.
        """
        for warning in self.items:
            if warning.code in LOSSES:
                raise MediaRejected(f"{warning.message}, and params.strict is true")
