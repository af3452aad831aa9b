"""What protects the stack beyond its roles: a key of the operator, limits of public routes, and decisions about findings.

`make scan` runs the scanner checkov on the template. A finding that is not acted on has its reason here, and in the metadata of
its resource.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
NONE = {"Ref": "AWS::NoValue"}
KEY = {"Fn::If": ["HasDataKey", {"Ref": "DataKeyArn"}, NONE]}
SETTINGS_KEY = {"Fn::If": ["HasDataKey", {"Ref": "DataKeyArn"}, {"Fn::GetAtt": ["SettingsKey", "Arn"]}]}
"""Who may call `lambda:GetFunctionConfiguration` but may not use this key sees no secret: see ADR 11."""
MANAGED_BY_SQS = {"Fn::If": ["HasDataKey", NONE, True]}
PUBLIC = ("stats", "pools", "trend", "health", "metrics", "dashboard", "openapi.json")
"""Routes that need no token: a poller of one of them must not starve the others."""
FUNCTIONS = ("APIHandler", "Maintenance", "LambdaWorker")
LOGS = ("ApiLogs", "MaintenanceLogs", "LambdaWorkerLogs", "ContainerLogs", "OperatorLogs")
QUEUES = ("LambdaQueue", "LambdaDeadLetters", "ContainerQueue", "ContainerDeadLetters")
DECIDED: dict[str, tuple[tuple[str, ...], str]] = {
    "CKV_AWS_18": (
        ("PartsBucket",),
        "It holds parts of films for a day, for the roles of workers only; access logs cost more",
    ),
    "CKV_AWS_21": (("PartsBucket",), "A version would keep the parts of films that are deleted when their job ends"),
    "CKV_AWS_27": (QUEUES, "Encrypted by SQS, or by DataKeyArn; the check knows only the latter"),
    "CKV_AWS_65": (("Cluster",), "ContainerInsights turns it on; our own gauges and alarms cover the workers"),
    "CKV_AWS_73": (("RestAPI",), "Tracing turns it on"),
    "CKV_AWS_76": (("RestAPI",), "On in prod; ApiAccessLogs turns it on elsewhere"),
    "CKV_AWS_115": (
        FUNCTIONS,
        "ApiRate and LambdaWorkerConcurrency are the limits; a reserve takes from the account",
    ),
    "CKV_AWS_116": (
        FUNCTIONS,
        "No asynchronous events: calls are answered, tickets return to SQS, the schedule repeats",
    ),
    "CKV_AWS_120": (("RestAPI",), "Answers differ by caller"),
    "CKV_AWS_149": (("RedisAuth",), "DataKeyArn encrypts it"),
    "CKV_AWS_158": ((*LOGS, "ApiAccessLog"), "DataKeyArn encrypts them"),
}
"""Check of checkov -> resources, and why the template is as it is."""


def apply(resources: Json) -> None:
    """Add the key, the limits and the decisions to the resources of the template."""
    for name in QUEUES:
        resources[name]["Properties"] |= {
            "KmsMasterKeyId": KEY,
            "SqsManagedSseEnabled": MANAGED_BY_SQS,
        }
    for name in (*LOGS, "ApiAccessLog"):
        resources[name]["Properties"]["KmsKeyId"] = KEY
    resources["RedisAuth"]["Properties"]["KmsKeyId"] = KEY
    for name in FUNCTIONS:
        resources[name]["Properties"]["KmsKeyArn"] = SETTINGS_KEY
    resources["RestAPI"]["Properties"]["MethodSettings"] += [
        {
            "ResourcePath": f"/~1queue~1{route}",
            "HttpMethod": "GET",
            "ThrottlingRateLimit": {"Ref": "PublicRate"},
            "ThrottlingBurstLimit": {"Ref": "PublicRate"},
        }
        for route in PUBLIC
    ]
    for check, (names, reason) in DECIDED.items():
        for name in names:
            skipped = resources[name].setdefault("Metadata", {}).setdefault("checkov", {"skip": []})["skip"]
            skipped.append({"id": check, "comment": reason})
