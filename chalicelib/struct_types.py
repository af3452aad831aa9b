"""Builds the type information of structs before a process starts threads.

msgspec builds it at the first conversion to a struct. Another thread that converts to the same struct at that moment reads a
null pointer, and the process ends with SIGSEGV (msgspec 0.22.0). Once built, the information does not change.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator


def build_struct_types(*packages: str) -> None:
    """Build the type information of every loaded struct; import all modules of `packages` first.

    A process calls it once, before it starts threads. Pass the packages whose modules it imports later, on demand.
    """
    for name in packages:
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            importlib.import_module(module.name)
    for model in loaded_structs():
        msgspec.json.Decoder(model)


def loaded_structs(base: type[msgspec.Struct] = msgspec.Struct) -> Iterator[type[msgspec.Struct]]:
    """Yield the loaded subclasses of `base`, also indirect ones."""
    for model in base.__subclasses__():
        yield model
        yield from loaded_structs(model)
