"""Security rules for templates. `make package` and the tests reject a template that breaks one, and name the resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.cloud.protection import KEY, MANAGED_BY_SQS
from infra.cloud.roles import IN_VPC

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
VISIBILITY_TIMES = 6
"""https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
ANY_RESOURCE = {f"ec2:{call}" for call in IN_VPC} | {
    "ecr:GetAuthorizationToken",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
}
"""Actions that AWS allows on all resources only."""
SECRET = ("TOKEN", "SECRET", "PASSWORD", "KEYS", "BEFORE")
PLAIN_HTTP = {"Bool": {"aws:SecureTransport": "false"}}
EVERYWHERE = ("0.0.0.0/0", "::/0")


ACCOUNT = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
"""The principal of a key policy that leaves access to the policies of roles."""
OTHER_KEYS = ([{"Ref": "DataKeyArn"}], [{"Fn::GetAtt": ["SettingsKey", "Arn"]}])
"""The operator's key for queues, logs and secrets, and that of the functions' settings. No credential is sealed with them."""
OPENERS = ("LambdaWorkerRole", "ContainerRole")
"""The roles of workers: no other may open the credentials of users."""


def violations(template: Json) -> list[str]:
    """Return the violations in a template, one sentence each."""
    resources: Json = template["Resources"]
    checks = (_statements, _queues, _redis, _mappings, _open_ports, _open_doors, _buckets, _secrets, _containers, _logs, _keys)
    return [f"{name}: {text}" for check in checks for name, text in check(resources)]


def _of(resources: Json, *types: str) -> Iterator[tuple[str, Json]]:
    for name, resource in resources.items():
        if resource["Type"] in types:
            yield name, resource.get("Properties", {})


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _walk(node: Any) -> Iterator[Json]:
    """Yield every policy statement below `node`, also inside conditions."""
    if isinstance(node, dict):
        if "Effect" in node:
            yield node
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def _statements(resources: Json) -> Iterator[tuple[str, str]]:
    for name, resource in resources.items():
        for managed in _listed(resource.get("Properties", {}).get("ManagedPolicyArns", [])):
            yield name, f"has the policy {managed}, whose actions cannot be checked"
        properties = {key: value for key, value in resource.get("Properties", {}).items() if key != "KeyPolicy"}  # `_keys`
        for statement in _walk(properties):
            if statement["Effect"] != "Allow":
                continue
            actions = _listed(statement.get("Action", []))
            yield from ((name, f"allows {action}") for action in actions if "*" in action)
            if "NotAction" in statement or "NotResource" in statement or "NotPrincipal" in statement:
                yield name, "allows all but something"
            if "*" in _listed(statement.get("Resource", [])) and not ANY_RESOURCE.issuperset(actions):
                yield name, f"allows {', '.join(actions)} on everything"
            if statement.get("Principal") in ("*", {"AWS": "*"}):
                yield name, "lets everybody in"


def _keys(resources: Json) -> Iterator[tuple[str, str]]:
    """Only roles of the account may use a key, only workers may open with it, and it is rotated and kept."""
    for name, key in _of(resources, "AWS::KMS::Key"):
        for statement in _walk(key.get("KeyPolicy", {})):
            if statement.get("Principal") != ACCOUNT:
                yield name, "may be used by others than roles of the account"
        if key.get("EnableKeyRotation") is not True:
            yield name, "is not rotated"
        kept = [resources[name].get(policy) for policy in ("DeletionPolicy", "UpdateReplacePolicy")]
        if name != "SettingsKey" and kept != ["Retain", "Retain"]:  # that one opens nothing that outlives the functions
            yield name, "is lost with the stack, and what it sealed with it"
    for name, role in _of(resources, "AWS::IAM::Role"):
        opening = [
            one for one in _walk(role) if "kms:Decrypt" in _listed(one.get("Action", [])) and one["Resource"] not in OTHER_KEYS
        ]
        if opening and name not in OPENERS:
            yield name, "may open the credentials of users"


def _queues(resources: Json) -> Iterator[tuple[str, str]]:
    dead, guarded = set(), set()
    for name, queue in _of(resources, "AWS::SQS::Queue"):
        managed, key = queue.get("SqsManagedSseEnabled"), queue.get("KmsMasterKeyId")
        if managed is not True and (managed, key) != (MANAGED_BY_SQS, KEY):
            yield name, "is not encrypted"
        target = queue.get("RedrivePolicy", {}).get("deadLetterTargetArn", {}).get("Fn::GetAtt", [None])[0]
        dead.add(target)
    for name, policy in _of(resources, "AWS::SQS::QueuePolicy"):
        for statement in _walk(policy):
            resource = statement.get("Resource")
            if isinstance(resource, list):
                yield name, "names several queues in a statement, which SQS refuses"
            elif statement["Effect"] == "Deny" and statement.get("Condition") == PLAIN_HTTP:
                guarded |= {queue["Ref"] for queue in policy["Queues"] if resource == {"Fn::GetAtt": [queue["Ref"], "Arn"]}}
    for name, queue in _of(resources, "AWS::SQS::Queue"):
        if name not in dead and "RedrivePolicy" not in queue:
            yield name, "has no dead-letter queue"
        if name not in guarded:
            yield name, "takes calls without TLS"


def _redis(resources: Json) -> Iterator[tuple[str, str]]:
    for name, redis in _of(resources, "AWS::ElastiCache::ReplicationGroup"):
        for setting in ("AtRestEncryptionEnabled", "TransitEncryptionEnabled"):
            if redis.get(setting) is not True:
                yield name, f"needs {setting}"
        if not redis.get("AuthToken"):
            yield name, "needs an AuthToken"
        if redis.get("NumNodeGroups") != 1:
            yield name, "must be one shard: the keys of the ledger live in one slot"
        parameters = resources.get(redis.get("CacheParameterGroupName", {}).get("Ref", ""), {}).get("Properties", {})
        if parameters.get("Properties", {}).get("maxmemory-policy") != "noeviction":
            yield name, "must not evict: maxmemory-policy noeviction"


def _mappings(resources: Json) -> Iterator[tuple[str, str]]:
    for name, mapping in _of(resources, "AWS::Lambda::EventSourceMapping"):
        if mapping.get("BatchSize") != 1:
            yield name, "must have BatchSize 1: a ticket may run for minutes, and others would wait behind it"
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield name, "must have ReportBatchItemFailures, or a job that is not done loses its ticket"
        if not mapping.get("ScalingConfig", {}).get("MaximumConcurrency"):
            yield name, "needs a MaximumConcurrency"
        queue = resources[mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
        function = resources[mapping["FunctionName"]["Ref"]]["Properties"]
        if queue.get("VisibilityTimeout", 30) < VISIBILITY_TIMES * function["Timeout"]:
            yield name, f"needs a visibility timeout of {VISIBILITY_TIMES} times the function's {function['Timeout']} s"


def _open_ports(resources: Json) -> Iterator[tuple[str, str]]:
    rules = [(name, rule) for name, rule in _of(resources, "AWS::EC2::SecurityGroupIngress")]
    for name, group in _of(resources, "AWS::EC2::SecurityGroup"):
        rules += [(name, rule) for rule in group.get("SecurityGroupIngress", [])]
    for name, rule in rules:
        if rule.get("CidrIp") in EVERYWHERE or rule.get("CidrIpv6") in EVERYWHERE:
            yield name, "is open to everybody"


def _open_doors(resources: Json) -> Iterator[tuple[str, str]]:
    for name, service in _of(resources, "AWS::ECS::Service"):
        if service.get("NetworkConfiguration", {}).get("AwsvpcConfiguration", {}).get("AssignPublicIp") != "DISABLED":
            yield name, "has a public address"
    for name, url in _of(resources, "AWS::Lambda::Url"):
        if url.get("AuthType") != "AWS_IAM":
            yield name, "is a function that anybody may call"
    for name, permission in _of(resources, "AWS::Lambda::Permission"):
        if permission.get("Principal") == "*":
            yield name, "lets everybody call the function"


def _buckets(resources: Json) -> Iterator[tuple[str, str]]:
    for name, bucket in _of(resources, "AWS::S3::Bucket"):
        blocked = bucket.get("PublicAccessBlockConfiguration", {})
        if list(blocked.values()).count(True) != 4:  # noqa: PLR2004 - there are four ways to be public
            yield name, "may be made public"
        if not bucket.get("BucketEncryption"):
            yield name, "is not encrypted"
        if not bucket.get("LifecycleConfiguration"):
            yield name, "keeps its objects for ever"


def _secrets(resources: Json) -> Iterator[tuple[str, str]]:
    for name, function in _of(resources, "AWS::Lambda::Function", "AWS::Serverless::Function"):
        for variable, value in function.get("Environment", {}).get("Variables", {}).items():
            if variable.endswith(SECRET) and "resolve:secretsmanager" not in str(value):
                yield name, f"{variable} does not come from Secrets Manager"


def _containers(resources: Json) -> Iterator[tuple[str, str]]:
    for name, task in _of(resources, "AWS::ECS::TaskDefinition"):
        for container in task["ContainerDefinitions"]:
            for variable in container.get("Environment", []):
                if variable["Name"].endswith(SECRET):
                    yield name, f"{variable['Name']} does not come from Secrets Manager"
            if container.get("ReadonlyRootFilesystem") is not True:
                yield name, "needs a read-only root"
            if str(container.get("User", "0")).split(":")[0] in ("0", "root"):
                yield name, "runs as root"
            if container.get("Privileged"):
                yield name, "is privileged"


def _logs(resources: Json) -> Iterator[tuple[str, str]]:
    for name, group in _of(resources, "AWS::Logs::LogGroup"):
        if not group.get("RetentionInDays"):
            yield name, "keeps logs for ever"
    for name, function in _of(resources, "AWS::Lambda::Function", "AWS::Serverless::Function"):
        if "LogGroup" not in function.get("LoggingConfig", {}):
            yield name, "logs to a group without a retention period"
