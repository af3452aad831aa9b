"""Starts a threaded process up to its first thread; then four threads convert to every loaded struct at the same moment.

`python -m tests.unit.runtime.first_conversions container|lambda|api`
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from unittest import mock

import msgspec

from chalicelib.struct_types import loaded_structs

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = 4


def start_container() -> None:
    from workers import __main__ as program

    with mock.patch.object(program.ContainerWorker, "run"):
        assert program.main([]) == 0
    _load("chalicelib.domain", "workers")


def start_lambda() -> None:
    from workers.runtime import lambda_handler

    with mock.patch.object(lambda_handler.Heartbeats, "start"):
        lambda_handler._parts()


def start_api() -> None:
    from infra.local import gateway

    with mock.patch.object(gateway.waitress, "create_server"), mock.patch.object(sys, "argv", ["gateway"]):
        gateway.main()
    _load("chalicelib")


STARTS: dict[str, Callable[[], None]] = {"container": start_container, "lambda": start_lambda, "api": start_api}


def _load(*packages: str) -> None:
    """Import what the process may import later, while its threads run."""
    for package in packages:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            importlib.import_module(module.name)


def convert_all() -> int:
    """Convert to every loaded struct in all threads at once; return the number of structs."""
    models = list(loaded_structs())
    sys.setswitchinterval(1e-6)
    together = threading.Barrier(THREADS)

    def convert() -> None:
        for model in models:
            together.wait()
            with suppress(msgspec.ValidationError):
                msgspec.convert(dict.fromkeys(model.__struct_encode_fields__), model)

    threads = [threading.Thread(target=convert) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(models)


if __name__ == "__main__":
    STARTS[sys.argv[1]]()
    sys.stdout.write(f"\n{convert_all()}\n")
