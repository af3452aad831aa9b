"""Our templates follow every rule, and a template that breaks one is rejected."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.api import openapi
from infra.cloud import protection, template_rules
from infra.cloud.template import HERE, RESOURCES

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.cloud import package
    from infra.cloud.template import Json


def properties(template: Json, name: str) -> Any:
    return template["Resources"][name]["Properties"]


def statement(template: Json, role: str = "ApiRole") -> Any:
    return properties(template, role)["Policies"][0]["PolicyDocument"]["Statement"]


def allow(template: Json, action: str, resource: Any) -> None:
    statement(template).append({"Effect": "Allow", "Action": action, "Resource": resource})


def set_property(resource: str, name: str, value: Any) -> Callable[[Json], None]:
    def change(template: Json) -> None:
        properties(template, resource)[name] = value

    return change


def drop_property(resource: str, name: str) -> Callable[[Json], None]:
    return lambda template: properties(template, resource).pop(name)


def add(kind: str, **values: Any) -> Callable[[Json], None]:
    return lambda template: template["Resources"].update(Added={"Type": kind, "Properties": values})


def container(name: str, value: Any) -> Callable[[Json], None]:
    return lambda template: properties(template, "ContainerTask")["ContainerDefinitions"][0].update({name: value})


ANYWHERE = [{"IpProtocol": "tcp", "FromPort": 6379, "ToPort": 6379, "CidrIp": "0.0.0.0/0"}]
BREACHES: dict[str, tuple[Callable[[Json], Any], str]] = {
    "parts that stay": (drop_property("PartsBucket", "LifecycleConfiguration"), "PartsBucket: keeps its objects for ever"),
    "parts for everybody": (drop_property("PartsBucket", "PublicAccessBlockConfiguration"), "PartsBucket: may be made public"),
    "an API that opens credentials": (
        lambda t: allow(t, "kms:Decrypt", "arn:aws:kms:us-east-1:1:key/k"), "ApiRole: may open the credentials of users",
    ),
    "a key for others": (
        lambda t: properties(t, "CredentialsKey")["KeyPolicy"]["Statement"][0].update(Principal={"AWS": "*"}),
        "CredentialsKey: may be used by others",
    ),
    "a key that stays the same": (set_property("CredentialsKey", "EnableKeyRotation", False), "CredentialsKey: is not rotated"),
    "a key that goes with the stack": (
        lambda t: t["Resources"]["CredentialsKey"].pop("DeletionPolicy"), "CredentialsKey: is lost with the stack",
    ),
    "any action": (lambda t: allow(t, "sqs:*", "arn:aws:sqs:us-east-1:1:q"), "ApiRole: allows sqs:*"),
    "every action": (lambda t: allow(t, "*", "arn:aws:sqs:us-east-1:1:q"), "ApiRole: allows *"),
    "any queue": (lambda t: allow(t, "sqs:SendMessage", "*"), "ApiRole: allows sqs:SendMessage on everything"),
    "all but one": (lambda t: statement(t).append({"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "*"}), "all but something"),
    "a managed policy": (set_property("ApiRole", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"]), "AdministratorAccess"),
    "hidden in a condition": (
        lambda t: statement(t).append({"Fn::If": ["Traced", {"Effect": "Allow", "Action": "xray:*", "Resource": "*"}, 1]}),
        "ApiRole: allows xray:*",
    ),
    "a queue for everybody": (
        lambda t: properties(t, "LambdaQueueTlsOnly")["PolicyDocument"]["Statement"].append({"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-east-1:1:q"}),
        "LambdaQueueTlsOnly: lets everybody in",
    ),
    "a plain queue": (drop_property("LambdaQueue", "SqsManagedSseEnabled"), "LambdaQueue: is not encrypted"),
    "a plain dead-letter queue": (set_property("ContainerDeadLetters", "SqsManagedSseEnabled", False), "ContainerDeadLetters: is not encrypted"),
    "no dead letters": (drop_property("ContainerQueue", "RedrivePolicy"), "ContainerQueue: has no dead-letter queue"),
    "no TLS": (lambda t: t["Resources"].pop("ContainerQueueTlsOnly"), "ContainerQueue: takes calls without TLS"),
    "another queue's TLS": (
        set_property("ContainerQueueTlsOnly", "Queues", [{"Ref": "LambdaQueue"}]),
        "ContainerQueue: takes calls without TLS",
    ),
    "one policy for several": (
        lambda t: properties(t, "LambdaQueueTlsOnly")["PolicyDocument"]["Statement"][0].update(Resource=["a", "b"]),
        "LambdaQueueTlsOnly: names several queues in a statement, which SQS refuses",
    ),
    "visibility": (set_property("LambdaQueue", "VisibilityTimeout", 5399), "visibility timeout of 6 times the function's 900 s"),
    "a batch": (set_property("LambdaWorkerTickets", "BatchSize", 10), "must have BatchSize 1"),
    "no batch size": (drop_property("LambdaWorkerTickets", "BatchSize"), "must have BatchSize 1"),
    "all or nothing": (drop_property("LambdaWorkerTickets", "FunctionResponseTypes"), "ReportBatchItemFailures"),
    "no bound": (drop_property("LambdaWorkerTickets", "ScalingConfig"), "needs a MaximumConcurrency"),
    "plain Redis": (set_property("Redis", "TransitEncryptionEnabled", False), "Redis: needs TransitEncryptionEnabled"),
    "Redis on a plain disk": (drop_property("Redis", "AtRestEncryptionEnabled"), "Redis: needs AtRestEncryptionEnabled"),
    "Redis for all": (drop_property("Redis", "AuthToken"), "Redis: needs an AuthToken"),
    "shards": (set_property("Redis", "NumNodeGroups", 2), "Redis: must be one shard"),
    "eviction": (set_property("RedisParameters", "Properties", {"maxmemory-policy": "allkeys-lru"}), "Redis: must not evict"),
    "an open port": (set_property("RedisSecurityGroup", "SecurityGroupIngress", ANYWHERE), "RedisSecurityGroup: is open"),
    "an open port, apart": (add("AWS::EC2::SecurityGroupIngress", CidrIpv6="::/0"), "Added: is open"),
    "a public worker": (set_property("Containers", "NetworkConfiguration", {"AwsvpcConfiguration": {"AssignPublicIp": "ENABLED"}}), "Containers: has a public address"),
    "a public function": (add("AWS::Lambda::Url", AuthType="NONE"), "Added: is a function that anybody may call"),
    "a function for all": (add("AWS::Lambda::Permission", Principal="*"), "Added: lets everybody call"),
    "a public bucket": (add("AWS::S3::Bucket"), "Added: may be made public"),
    "a secret in the open": (
        lambda t: properties(t, "APIHandler")["Environment"]["Variables"].update(INTERNAL_TOKEN="abc"),
        "APIHandler: INTERNAL_TOKEN does not come from Secrets Manager",
    ),
    "a secret in a task": (container("Environment", [{"Name": "DIRECTUS_TOKEN", "Value": "abc"}]), "DIRECTUS_TOKEN does not come"),
    "a writable root": (container("ReadonlyRootFilesystem", False), "needs a read-only root"),
    "root": (container("User", "root"), "runs as root"),
    "privileged": (container("Privileged", True), "is privileged"),
    "logs for ever": (drop_property("ApiLogs", "RetentionInDays"), "ApiLogs: keeps logs for ever"),
    "logs elsewhere": (drop_property("Maintenance", "LoggingConfig"), "Maintenance: logs to a group"),
}  # fmt: skip


def test_ours_keeps_them_all(built: Json) -> None:
    assert template_rules.violations(built) == []


def test_so_does_the_foundation() -> None:
    assert template_rules.violations(json.loads((RESOURCES / "foundation.json").read_text())) == []


@pytest.mark.parametrize("breach", BREACHES)
def test_a_template_that_breaks_one_is_refused(built: Json, breach: str) -> None:
    change, says = BREACHES[breach]
    broken = copy.deepcopy(built)
    change(broken)
    assert any(says in found for found in template_rules.violations(broken)), template_rules.violations(broken)


@pytest.mark.slow
def test_cloudformation_s_own_linter_has_nothing_to_say(made: package.Package) -> None:
    linter = str(Path(sys.executable).with_name("cfn-lint"))
    templates = [str(made.template), *map(str, (RESOURCES / "foundation.json", HERE.parent / "queues.json"))]
    done = subprocess.run([linter, *templates], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


class TestProtection:
    def test_every_decision_is_in_the_template_with_its_reason(self, built: Json) -> None:
        for check, (names, reason) in protection.DECIDED.items():
            for name in names:
                skipped = built["Resources"][name]["Metadata"]["checkov"]["skip"]
                assert {"id": check, "comment": reason} in skipped, name

    def test_the_operator_s_key_encrypts_everything_that_is_stored(self, built: Json) -> None:
        key = {"Fn::If": ["HasDataKey", {"Ref": "DataKeyArn"}, {"Ref": "AWS::NoValue"}]}
        names = {
            "AWS::SQS::Queue": "KmsMasterKeyId",
            "AWS::Logs::LogGroup": "KmsKeyId",
            "AWS::SecretsManager::Secret": "KmsKeyId",
        }
        found = [
            (one["Type"], one["Properties"].get(names[one["Type"]]))
            for one in built["Resources"].values()
            if one["Type"] in names
        ]
        assert {kind for kind, _ in found} == set(names)
        assert all(value == key for _, value in found)
        may = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": [{"Ref": "DataKeyArn"}]}
        for name, role in built["Resources"].items():
            if role["Type"] == "AWS::IAM::Role":
                statements = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
                assert {"Fn::If": ["HasDataKey", may, {"Ref": "AWS::NoValue"}]} in statements, name

    def test_who_may_read_the_configuration_of_a_function_needs_a_key_to_see_its_secrets(self, built: Json) -> None:
        key = {"Fn::If": ["HasDataKey", {"Ref": "DataKeyArn"}, {"Fn::GetAtt": ["SettingsKey", "Arn"]}]}
        functions = [one for one in built["Resources"].values() if one["Type"].endswith("::Function")]
        assert len(functions) == 3
        assert [one["Properties"]["KmsKeyArn"] for one in functions] == [key] * 3
        may = {"Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": [{"Fn::GetAtt": ["SettingsKey", "Arn"]}]}
        allowed = {"Fn::If": ["NoDataKey", may, {"Ref": "AWS::NoValue"}]}
        for function in functions:
            role = function["Properties"]["Role"]["Fn::GetAtt"][0]
            assert allowed in properties(built, role)["Policies"][0]["PolicyDocument"]["Statement"], role

    def test_public_routes_have_a_limit_of_their_own(self, built: Json) -> None:
        settings = {one["ResourcePath"]: one for one in properties(built, "RestAPI")["MethodSettings"]}
        public = {f"/~1{route.path[1:].replace('/', '~1')}" for route in openapi.ROUTES if route.auth == "none"}
        assert public <= settings.keys()
        assert all(settings[path]["ThrottlingRateLimit"] == {"Ref": "PublicRate"} for path in public)
        assert settings["/*"]["ThrottlingRateLimit"] == {"Ref": "ApiRate"}
