"""Turns request data into typed values, or into a 400 that names the field and what it must be.

The text after "must be" is the `description` of the field, which also documents it.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from chalicelib.errors import BadRequest

Model = TypeVar("Model", bound=msgspec.Struct)
ASCII = "".join(map(chr, range(0x21, 0x7F)))
_PATH = re.compile(r" - at (?:`key` in )?`(?:key in )?\$\.?([^`]*)`$")


class FieldError(ValueError):
    """Raised by a model whose fields conflict: `field` and what it must be."""

    def __init__(self, field: str, wants: str) -> None:
        super().__init__(f"\0{field} must be {wants}")


def without_empty(data: dict[str, Any], model: type[msgspec.Struct]) -> dict[str, Any]:
    """Drop values that clients send for "missing", null and the empty string, from the model's fields in `data`."""
    return {name: value for name, value in data.items() if name not in model.__struct_fields__ or value not in (None, "")}


def encoded_address(url: str) -> str:
    """Encode spaces and non-ASCII letters like a browser: IDNA for the host, percent-encoded UTF-8 for the rest.

    ASCII stays as it is, signatures included. What cannot be encoded is returned unchanged.
    """
    url = url.strip(" ")
    if (url.isascii() and " " not in url) or not url.isprintable():
        return url
    try:
        parts = urlsplit(url)
        host = parts.netloc
        if not host.isascii():
            import idna  # noqa: PLC0415 - only such a host pays for it

            name, colon, port = host.partition(":")
            host = idna.encode(name, uts46=True).decode() + colon + port
            if host[0].isdigit():  # reject letters that only look like an IP address
                return url
        rest = [quote(part, safe=ASCII) for part in (parts.path, parts.query, parts.fragment)]
    except (ValueError, UnicodeError):
        return url
    return urlunsplit((parts.scheme, host, *rest))


def is_web_address(url: str, schemes: tuple[str, ...] = ("http", "https")) -> bool:
    """Return whether `url` has the form of a fetchable address: no user name, no unusual characters."""
    url = encoded_address(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    printable = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    return printable and parts.scheme in schemes and bool(host) and port != 0 and "@" not in parts.netloc


def parse_object(sent: bytes | str, limit: int) -> dict[str, Any]:
    """Parse a JSON object of at most `limit` bytes."""
    body = sent if isinstance(sent, bytes) else sent.encode()
    if len(body) > limit:
        raise BadRequest(f"body must be at most {limit} bytes")
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("body must be a JSON object; it is not valid JSON") from error
    if not isinstance(data, dict):
        raise BadRequest("body must be a JSON object")
    return data


def validate(data: dict[str, Any], model: type[Model], inside: str = "") -> Model:
    """Convert `data` to `model`; `inside` is the path of `data` in the request, such as "params".

    Raises:
        BadRequest: "<field> must be <description of the field>".
    """
    try:
        return msgspec.convert(data, model)
    except msgspec.ValidationError as error:
        raise BadRequest(_explain(str(error), model, inside)) from error


def _explain(message: str, model: type[msgspec.Struct], inside: str) -> str:
    dotted = f"{inside}." if inside else ""
    if message.startswith("\0"):
        return dotted + _PATH.sub("", message[1:])
    path = match[1] if (match := _PATH.search(message)) else ""
    if not path and (match := re.match(r"Object contains unknown field `(.*?)`", message, re.DOTALL)):
        names = ", ".join(model.__struct_fields__)
        return f"{dotted}{match[1][:100]} is not a parameter; it must be one of {names}"
    name = re.split(r"[.\[]", path, maxsplit=1)[0]
    return f"{dotted}{name} must be {_description(model, name) or 'of another type'}"


def _description(model: type[msgspec.Struct], name: str) -> str:
    from msgspec import inspect  # noqa: PLC0415 - only an error pays for it

    for field in inspect.type_info(model).fields:  # type: ignore[attr-defined]
        if field.encode_name == name:
            return _described(field.type)
    return ""


def _described(kind: Any) -> str:
    """Return the description of a type, also inside an optional type."""
    extra = getattr(kind, "extra_json_schema", None) or {}
    if "description" in extra:
        return str(extra["description"])
    inner = [kind.type] if hasattr(kind, "type") else list(getattr(kind, "types", ()))
    return next((found for one in inner if (found := _described(one))), "")
