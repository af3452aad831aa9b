"""The query language of Directus, as far as mediaq uses it: filter, fields, sort, limit, offset, aggregated counts."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Row = dict[str, Any]


class UnknownColumn(Exception):
    """A filter, sort or field names a column that does not exist."""


class UnknownOperator(Exception):
    """A filter operator that does not exist."""


def parse(arguments: Mapping[str, str]) -> Row:
    """Parse a query from URL arguments, with the filter as JSON or as filter[a][_eq]=b."""
    query: Row = {"filter": json.loads(arguments["filter"]) if "filter" in arguments else {}}
    for name, value in arguments.items():
        if name.startswith("filter["):
            _nest(query["filter"], re.findall(r"\[([^\]]+)\]", name), value)
    if "fields" in arguments:
        query["fields"] = arguments["fields"].split(",")
    for name in ("sort", "limit", "offset"):
        if name in arguments:
            query[name] = arguments[name]
    if "aggregate[count]" in arguments:
        query["aggregate"] = arguments["aggregate[count]"]
    if "groupBy[]" in arguments:
        query["group"] = arguments["groupBy[]"]
    return query


def matches(row: Row, condition: Row, columns: set[str]) -> bool:
    """Return whether a row matches a filter."""
    return all(_one(row, name, wanted, columns) for name, wanted in condition.items())


def select(rows: list[Row], query: Row, columns: set[str]) -> list[Row]:
    """Filter, sort and limit."""
    found = [row for row in rows if matches(row, query.get("filter") or {}, columns)]
    for name in reversed((query.get("sort") or "").split(",") if query.get("sort") else []):
        column = name.lstrip("-")
        if column not in columns:
            raise UnknownColumn
        found.sort(key=lambda row: (row.get(column) is not None, row.get(column)), reverse=name.startswith("-"))
    limit, offset = int(query.get("limit", 100)), int(query.get("offset", 0))
    return found[offset:] if limit < 0 else found[offset : offset + limit]


def count(rows: list[Row], query: Row, columns: set[str]) -> list[Row]:
    """Count the matching rows, in total or by a column."""
    found, by = select(rows, {**query, "limit": -1}, columns), query.get("group")
    if by is None:
        return [{"count": len(found)}]
    if by not in columns:
        raise UnknownColumn
    return [{by: value, "count": number} for value, number in Counter(row.get(by) for row in found).items()]


def shape(row: Row, fields: list[str] | None, columns: set[str], expand: Callable[[str, Row], Row | None]) -> Row:
    """Keep the requested columns; `user_created.id` and `input_file_id.*` follow a relation."""
    out: Row = {}
    for field in fields or ["*"]:
        name, _, inner = field.partition(".")
        if name == "*":
            out = {**row, **out}
        elif name not in columns:
            raise UnknownColumn
        elif not inner:
            out[name] = row.get(name)
        elif (related := expand(name, row)) is None:
            out[name] = None
        else:
            kept = out[name] if isinstance(out.get(name), dict) else {}
            out[name] = {**kept, **(related if inner == "*" else {inner: related.get(inner)})}
    return out


def _one(row: Row, name: str, wanted: Any, columns: set[str]) -> bool:
    if name == "_and":
        return all(matches(row, one, columns) for one in wanted)
    if name == "_or":
        return any(matches(row, one, columns) for one in wanted)
    if name not in columns:
        raise UnknownColumn
    for operator, operand in wanted.items():
        if operator not in OPERATORS:
            raise UnknownOperator
        if not OPERATORS[operator](row.get(name), operand):
            return False
    return True


def _nest(into: Row, path: list[str], value: str) -> None:
    for step in path[:-1]:
        into = into.setdefault(step, {})
    into[path[-1]] = value


def _same(value: Any, wanted: Any) -> bool:
    return value == wanted or (value is not None and str(value) == str(wanted))


def listed(wanted: Any) -> list[Any]:
    """Parse the operand of `_in`: a list, or values separated by commas."""
    return wanted.split(",") if isinstance(wanted, str) else list(wanted)


def _truth(wanted: Any) -> bool:
    return wanted in (True, "true", "1", "")


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "_eq": _same,
    "_neq": lambda value, wanted: value is not None and not _same(value, wanted),  # SQL: comparisons with null are false
    "_in": lambda value, wanted: any(_same(value, one) for one in listed(wanted)),
    "_nin": lambda value, wanted: value is not None and not any(_same(value, one) for one in listed(wanted)),
    "_null": lambda value, wanted: (value is None) == _truth(wanted),
    "_nnull": lambda value, wanted: (value is not None) == _truth(wanted),
    "_gte": lambda value, wanted: value is not None and value >= wanted,
    "_gt": lambda value, wanted: value is not None and value > wanted,
    "_lte": lambda value, wanted: value is not None and value <= wanted,
    "_lt": lambda value, wanted: value is not None and value < wanted,
    "_contains": lambda value, wanted: value is not None and str(wanted) in str(value),
    "_starts_with": lambda value, wanted: value is not None and str(value).startswith(str(wanted)),
}
