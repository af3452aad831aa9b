"""Named sets of transcoding parameters, such as web-720p: ours, and those in the operator's own file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import msgspec

from chalicelib.domain.params.transcoding import Preset, TranscodingParams
from chalicelib.domain.validation import validate
from chalicelib.errors import BadRequest, SettingsError

Presets = dict[str, dict[str, Any]]
SHIPPED = Path(__file__).with_name("presets.json")
SPEEDS = get_args(Preset)
QUALITIES = {"crf", "bitrate", "target_vmaf"}
"""Parameters that exclude each other."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def load_presets(own: Path | None = None) -> Presets:
    """Read our presets and those of the file `own`, which may replace ours.

    Raises:
        SettingsError: the file is missing or wrong; the message names the preset and the error.
    """
    return _read(SHIPPED) | (_read(own) if own else {})


def expand(params: dict[str, Any], presets: Presets) -> dict[str, Any]:
    """Merge a named preset with the caller's parameters. The caller's win; preset values that conflict with them are dropped.

    Raises:
        BadRequest: there is no such preset.
    """
    name = params.get("preset")
    if not isinstance(name, str) or name in SPEEDS:
        return params
    if name not in presets:
        names = ", ".join([*SPEEDS, *presets])
        raise BadRequest(f"params.preset must be one of {names}")
    own: dict[str, Any] = {key: value for key, value in params.items() if key != "preset"}
    base = {key: value for key, value in presets[name].items() if key not in QUALITIES or not QUALITIES & own.keys()}
    while base:
        try:
            validate(base | own, TranscodingParams)
        except BadRequest as error:
            field = str(error).partition(" ")[0]
            if field in own or field not in base:  # the caller's own mistake, not a conflict with the preset
                break
            del base[field]
        else:
            break
    return base | own


def _read(file: Path) -> Presets:
    try:
        presets = msgspec.json.decode(file.read_bytes(), type=Presets)
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(f"PRESETS_FILE {file} must be JSON such as {{name: {{format: mp4, ...}}}}: {error}") from error
    for name, params in presets.items():
        if not NAME.fullmatch(name) or name in SPEEDS:
            raise SettingsError(f"PRESETS_FILE: {name!r} must be a name of a-z, 0-9 and -, and none of {', '.join(SPEEDS)}")
        try:
            validate(params, TranscodingParams)
        except BadRequest as error:
            raise SettingsError(f"PRESETS_FILE: {name}.{error}") from error
    return presets
