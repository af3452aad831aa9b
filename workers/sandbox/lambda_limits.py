"""What a Lambda has less of than a container."""

from __future__ import annotations

import os

MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
"""The variable with the memory of the function, in MB."""
OWN_BYTES = 400 << 20
"""The memory that the worker needs itself."""
LEAST_BYTES = 256 << 20


def on_lambda() -> bool:
    """Return whether this process runs in a Lambda: containers have more memory and disk."""
    return MEMORY in os.environ


def data_bytes() -> int:
    """Return the memory limit of a process on Lambda, so that it fails before the Lambda does; no limit elsewhere."""
    megabytes = os.environ.get(MEMORY, "")
    return max(LEAST_BYTES, (int(megabytes) << 20) - OWN_BYTES) if megabytes.isdigit() else 1 << 62
