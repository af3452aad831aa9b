"""`GET /openapi.json`: the OpenAPI 3.1 description, generated from the types that validate requests and build responses."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal, NamedTuple

import msgspec

from chalicelib import VERSION
from chalicelib.domain import bulk as b
from chalicelib.domain import credentials as d
from chalicelib.domain import job_schemas as j
from chalicelib.domain import schemas as p
from chalicelib.domain.captions import schemas as c
from chalicelib.domain.captions.formats import MIME
from chalicelib.domain.estimates import quotes as q
from chalicelib.domain.jobs import OPERATIONS
from chalicelib.domain.queries import JobsQuery, TrendQuery
from chalicelib.domain.requests import BULK_AT_MOST, MediaRequest
from chalicelib.settings import POOLS
from chalicelib.usecases.usage import UsageQuery

Json = dict[str, Any]
Auth = Literal["none", "token", "internal"]
REF = "#/components/schemas/{name}"
PARAMS = {name: operation.params for name, operation in OPERATIONS.items()}
EMPTY: Json = {"enum": [None, ""]}
"""Values that clients send for a missing value."""
BULK = "BulkRequest"
EVENT = "CreatedEvent"
QUOTE = "QuoteRequest"
MAY_BE_EMPTY = ("MediaRequest", "CaptionsRequest", "DescribedInput", "JobSelection")
"""Bodies whose fields may be null or empty, which is as if they were left out."""
SAYS = {
    400: "The request is malformed; the error names the field and what it must be",
    401: "The Directus token is missing, invalid or expired",
    403: "The caller may not do this",
    404: "There is no such resource, or the caller may not see it",
    409: "The state of the job does not allow this",
    415: "The body is not application/json",
    429: "Too many delayed jobs, or too many calls; try again later",
    503: "A dependency is unreachable; nothing was accepted; try again after Retry-After",
}


class Route(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    summary: str
    answer: type | None
    auth: Auth = "token"
    body: type | str | None = None
    query: type[msgspec.Struct] | None = None
    refuses: tuple[int, ...] = ()
    """Status codes besides 200, 401 and 503."""
    content: str = "application/json"
    takes: tuple[str, ...] = ("application/json",)
    """Media types of the body."""
    away: type | None = p.Away
    """The body of a 503; None if the route has no dependency."""


ROUTES = (
    Route("get", "/queue/stats", "Counts of the queue", p.StatsAnswer, "none"),
    Route("post", "/queue/media", "Enqueue a record", p.Accepted, body=MediaRequest, refuses=(400, 403, 404, 409, 415, 429)),
    Route("post", "/queue/media/quote", "Quote a job", q.QuoteAnswer, body=QUOTE, refuses=(400, 415)),
    Route("post", "/queue/media/bulk", "Enqueue up to 100 records", p.BulkAnswer, body=BULK, refuses=(400, 415)),
    Route(
        "post", "/queue/media/created", "Enqueue a record that a Flow reports as created", p.Accepted, "internal",
        body=EVENT, refuses=(400, 403, 404, 409, 415, 429),
    ),
    Route("get", "/queue/jobs", "List jobs, the newest first", j.JobsAnswer, query=JobsQuery, refuses=(400, 403)),
    Route("post", "/queue/jobs/retry", "Retry many jobs", b.BulkActionAnswer, body=b.JobSelection, refuses=(400, 403, 415)),
    Route("post", "/queue/jobs/cancel", "Cancel many jobs", b.BulkActionAnswer, body=b.JobSelection, refuses=(400, 403, 415)),
    Route("get", "/queue/jobs/{jobId}", "Show a job", j.JobAnswer, refuses=(400, 404)),
    Route("get", "/queue/jobs/{jobId}/picture", "A preview image of a job's output", j.PreviewAnswer, refuses=(400, 404)),
    Route("delete", "/queue/jobs/{jobId}", "Cancel a job", p.CancelAnswer, refuses=(400, 404, 409)),
    Route("post", "/queue/jobs/{jobId}/retry", "Retry a failed job", p.Accepted, refuses=(400, 403, 404, 409, 429)),
    Route("post", "/captions", "Caption a film", p.Accepted, body=c.CaptionsRequest, refuses=(400, 403, 404, 415, 429)),
    Route("get", "/captions/{jobId}", "The captions of a job", c.CaptionsAnswer, refuses=(400, 404, 409)),
    Route("get", "/captions/{jobId}.{format}", "The captions as a file", None, refuses=(400, 404, 409), content="text/plain"),
    Route(
        "put", "/captions/{jobId}", "Replace the captions by corrected ones", c.ReplacedAnswer, body=c.CaptionsBody,
        refuses=(400, 404, 409, 415), takes=("application/json", "text/vtt", "application/x-subrip", "text/plain"),
    ),
    Route("delete", "/captions/{jobId}", "Delete the captions of a job", c.DeletedAnswer, refuses=(400, 404, 409)),
    Route("post", "/credentials", "Store a credential", d.CredentialAnswer, body=d.NewCredential, refuses=(400, 404, 409, 415)),
    Route("get", "/credentials", "List credentials", d.CredentialsAnswer),
    Route("get", "/credentials/{credentialId}", "Show a credential", d.CredentialAnswer, refuses=(400, 404)),
    Route(
        "patch", "/credentials/{credentialId}", "Change a credential", d.CredentialAnswer, body=d.CredentialChange,
        refuses=(400, 404, 415),
    ),
    Route(
        "delete", "/credentials/{credentialId}", "Delete a credential", d.DeletedCredential, query=d.DeleteQuery,
        refuses=(400, 404, 409),
    ),
    Route(
        "post", "/credentials/{credentialId}/test", "Try a credential", d.TrialAnswer, body=d.TrialRequest,
        refuses=(400, 404, 415, 429),
    ),
    Route("get", "/queue/usage", "The limits of a plan", p.UsageAnswer, query=UsageQuery, refuses=(400, 403, 404)),
    Route("get", "/queue/callbacks/secret", "The secret of a user's webhooks", p.SecretAnswer, refuses=(404,)),
    Route("get", "/queue/pools", "List the pools", p.PoolsAnswer, "none"),
    Route("post", "/queue/pools/{pool}/pause", "Pause a pool", p.PoolAnswer, refuses=(403, 404)),
    Route("post", "/queue/pools/{pool}/resume", "Resume a pool", p.PoolAnswer, refuses=(403, 404)),
    Route("get", "/queue/workers", "List the workers", p.WorkersAnswer, refuses=(403,)),
    Route("get", "/queue/health", "Dependencies and active alarms", p.HealthAnswer, "none", away=p.HealthAnswer),
    Route("get", "/queue/trend", "Samples of the counts", p.TrendAnswer, "none", query=TrendQuery, refuses=(400,)),
    Route("get", "/queue/metrics", "Metrics for Prometheus", None, "none", content="text/plain"),
    Route("get", "/queue/dashboard", "The dashboard page", None, "none", content="text/html", away=None),
    Route("get", "/queue/openapi.json", "This description", None, "none", away=None),
    Route("post", "/queue/taxonomy/invalidate", "Invalidate the taxonomy", p.InvalidateAnswer, "internal", refuses=(403,)),
)  # fmt: skip
PARAMETERS: dict[str, Json] = {
    "jobId": {"type": "string", "format": "uuid", "description": "the UUID of a media_jobs record"},
    "credentialId": {"type": "string", "format": "uuid", "description": "the UUID of a credential"},
    "pool": {"type": "string", "enum": list(POOLS)},
    "format": {"type": "string", "enum": list(MIME)},
}


@cache
def document() -> Json:
    """Return the OpenAPI document."""
    types = {one for route in ROUTES for one in (route.answer, route.body, route.away) if isinstance(one, type)}
    named = sorted({*types, *PARAMS.values(), p.Error, p.TierError, q.DescribedInput}, key=lambda one: one.__name__)
    _, schemas = msgspec.json.schema_components(named, ref_template=REF)
    paths: dict[str, Json] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "mediaq", "version": VERSION, "description": "A media job queue as a service."},
        "servers": [{"url": "/api"}],
        "paths": paths,
        "components": {"schemas": _finished(schemas), "securitySchemes": _security_schemes()},
    }


def _operation(route: Route) -> Json:
    found: Json = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [_words(route.path)[0]],
        "parameters": [*_path_parameters(route), *_query_parameters(route.query)],
        "responses": _responses(route),
    }
    if route.auth != "none":
        # loopback callers need no header if the deployment allows it
        found["security"] = [{route.auth: []}, *([{}] if route.auth == "internal" else [])]
    if route.body is not None:
        schemas = {kind: _ref(route.body) if kind == "application/json" else {"type": "string"} for kind in route.takes}
        found["requestBody"] = {"required": True, "content": {kind: {"schema": schema} for kind, schema in schemas.items()}}
    return found


def _operation_id(route: Route) -> str:
    return route.method + "".join(word[:1].upper() + word[1:] for word in _words(route.path))


def _words(path: str) -> list[str]:
    """Return the words of a path, without the one that all paths of the queue share."""
    words = [word.strip("{}") for word in path.replace(".", "/").split("/")[1:]]
    return words[1:] if words[0] == "queue" else words


def _path_parameters(route: Route) -> list[Json]:
    names = re.findall(r"{(\w+)}", route.path)
    return [{"name": name, "in": "path", "required": True, "schema": PARAMETERS[name]} for name in names]


def _query_parameters(query: type[msgspec.Struct] | None) -> list[Json]:
    if query is None:
        return []
    _, schemas = msgspec.json.schema_components([query], ref_template=REF)
    properties: dict[str, Json] = schemas[query.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _responses(route: Route) -> Json:
    schema = _ref(route.answer) if route.answer else {"type": "object" if route.content == "application/json" else "string"}
    found: Json = {"200": {"description": "Done", "content": {route.content: {"schema": schema}}}}
    statuses = {*route.refuses, *((401,) if route.auth == "token" else ())}
    for status in sorted(statuses):
        found[str(status)] = _refusal(status, p.Error)
    if route.body in (MediaRequest, c.CaptionsRequest) or route.path.endswith(("/retry", "/created")):
        either = {"anyOf": [_ref(p.TierError), _ref(p.Error)]}
        found["403"] = {"description": SAYS[403], "content": {"application/json": {"schema": either}}}
    if route.auth == "token":
        found["401"]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    if route.away is not None:
        found["503"] = _refusal(503, route.away)
    return found


def _refusal(status: int, model: type) -> Json:
    return {"description": SAYS[status], "content": {"application/json": {"schema": _ref(model)}}}


def _ref(model: type | str) -> Json:
    return {"$ref": REF.format(name=model if isinstance(model, str) else model.__name__)}


def _finished(schemas: Json) -> Json:
    """Add what the types cannot express."""
    for name in (
        *MAY_BE_EMPTY,
        *(params.__name__ for params in PARAMS.values()),
    ):
        _let_be_empty(schemas[name])
    media = schemas["MediaRequest"]
    media["allOf"] = [
        {
            "if": {"properties": {"operation": {"const": name}}, "required": ["operation"]},
            "then": {"properties": {"params": {"anyOf": [_ref(params), EMPTY]}}},
        }
        for name, params in PARAMS.items()
    ]
    preset = schemas["TranscodingParams"]["properties"]["preset"]
    preset["anyOf"][0] = {"type": "string", "description": preset["anyOf"][0]["description"]}  # may be a preset name
    described = {"input": {**_ref(q.DescribedInput), "description": "an input that is not uploaded yet"}}
    schemas[QUOTE] = {**media, "properties": {**media["properties"], **described}, "required": ["operation"]}
    wrong = {"description": "an error of one does not affect the others"}
    several = {"type": "array", "items": {"anyOf": [_ref(MediaRequest), wrong]}, "minItems": 1, "maxItems": BULK_AT_MOST}
    schemas[BULK] = {"type": "object", "properties": {"jobs": several}, "required": ["jobs"]}
    key = {**PARAMETERS["jobId"], "description": "the id of the record: the body of the Flow is its {{ $trigger }}"}
    schemas[EVENT] = {"type": "object", "properties": {"key": key}, "required": ["key"]}
    return schemas


def _let_be_empty(schema: Json) -> None:
    for name, field in schema["properties"].items():
        if name not in schema.get("required", ()):
            kinds = [one for one in field.get("anyOf", [field]) if one != {"type": "null"}]
            schema["properties"][name] = {"anyOf": [*kinds, EMPTY]}


def _security_schemes() -> Json:
    return {
        "token": {"type": "http", "scheme": "bearer", "description": "A Directus access token, or a static one"},
        "internal": {"type": "apiKey", "in": "header", "name": "X-Internal-Token", "description": "INTERNAL_TOKEN"},
    }
