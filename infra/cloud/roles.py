"""One IAM role per function or service, with the calls that it makes and no others."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
QUEUES = ("LambdaQueue", "ContainerQueue")
DEAD_LETTERS = ("LambdaDeadLetters", "ContainerDeadLetters")
RECEIVING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes")
IN_VPC = (
    *("CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface", "DescribeSubnets"),
    *("AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"),
)
ANYWHERE = "*"  # where AWS supports no narrower resource


def resources() -> Json:
    """Return the roles as resources."""
    return {
        "ApiRole": _role(
            "lambda",
            _in_vpc(),
            _traced(),
            _logs("ApiLogs"),
            *_enqueueing(),
            _credentials("Encrypt"),
            _data_key(),
            _settings_key(),
        ),
        "OperatorRole": _role("ecs-tasks", *_enqueueing(), _data_key(), condition="HasContainers"),
        "MaintenanceRole": _role(
            "lambda",
            _in_vpc(),
            _traced(),
            _logs("MaintenanceLogs"),
            _queues("sqs:SendMessage", of=QUEUES),
            _queues(*RECEIVING, of=DEAD_LETTERS),
            _data_key(),
            _settings_key(),
        ),
        "LambdaWorkerRole": _role(
            "lambda",
            _in_vpc(),
            _traced(),
            _logs("LambdaWorkerLogs"),
            _queues(*RECEIVING, of=QUEUES[:1]),
            _queues("sqs:SendMessage", of=QUEUES + DEAD_LETTERS[:1]),
            _credentials("Decrypt"),
            _data_key(),
            _settings_key(),
            *_parts(),
            condition="HasWorker",
        ),
        "ContainerRole": _role(
            "ecs-tasks",
            _queues(*RECEIVING, of=QUEUES),
            _queues("sqs:SendMessage", of=QUEUES + DEAD_LETTERS),
            _credentials("Decrypt"),
            _data_key(),
            *_parts(),
            _if(
                "HasTranscribe",
                _allow(
                    "s3:PutObject",
                    "s3:GetObject",
                    "s3:DeleteObject",
                    on=[{"Fn::Sub": "arn:${AWS::Partition}:s3:::${TranscribeBucket}/mediaq-*"}],
                ),
            ),
            _if(
                "HasTranscribe",
                _allow(
                    "transcribe:StartTranscriptionJob",
                    "transcribe:GetTranscriptionJob",
                    "transcribe:DeleteTranscriptionJob",
                    on=[
                        {
                            "Fn::Sub": "arn:${AWS::Partition}:transcribe:${AWS::Region}:${AWS::AccountId}"
                            ":transcription-job/mediaq-*"
                        }
                    ],
                ),
            ),
            _allow(
                "ecs:UpdateTaskProtection",
                "ecs:GetTaskProtection",
                on=[{"Fn::Sub": "arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:task/${Cluster}/*"}],
            ),
            condition="HasContainers",
        ),
        "ContainerStartRole": _role(
            "ecs-tasks",
            _logs("ContainerLogs"),
            _logs("OperatorLogs"),
            _allow("ecr:GetAuthorizationToken", on=[ANYWHERE]),
            _allow(
                "ecr:BatchCheckLayerAvailability",
                "ecr:GetDownloadUrlForLayer",
                "ecr:BatchGetImage",
                on=[{"Fn::Sub": "arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/*"}],
            ),
            _allow("secretsmanager:GetSecretValue", on=[{"Ref": "SecretArn"}]),
            _if("MakeRedis", _allow("secretsmanager:GetSecretValue", on=[{"Ref": "RedisAuth"}])),
            _if("OwnRedisSecret", _allow("secretsmanager:GetSecretValue", on=[{"Ref": "RedisSecretArn"}])),
            _data_key(),
            condition="HasContainers",
        ),
        "CredentialsKey": _key("Credentials of the users", kept=True),
        "SettingsKey": _key("Settings of the functions", kept=False) | {"Condition": "NoDataKey"},
        "ScheduleRole": _role("scheduler", _queues("sqs:SendMessage", of=QUEUES), _data_key()),
        "Schedules": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": {"Fn::Sub": "mediaq-${Stage}"}}},
    }


def _enqueueing() -> list[Json]:
    """The rights to admit and cancel jobs: for the API and for operator commands."""
    return [
        _queues("sqs:SendMessage", "sqs:GetQueueAttributes", of=QUEUES),
        _allow(
            "scheduler:CreateSchedule",
            "scheduler:DeleteSchedule",
            on=[{"Fn::Sub": "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/${Schedules}/*"}],
        ),
        _allow("iam:PassRole", on=[{"Fn::GetAtt": ["ScheduleRole", "Arn"]}]),
    ]


def _key(purpose: str, *, kept: bool) -> Json:
    """A key for the roles that may use it. `kept`: it outlives the stack, because what it sealed would be lost."""
    account = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    by_roles = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "kms:*", "Resource": ANYWHERE}
    return {
        "Type": "AWS::KMS::Key",
        **({"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"} if kept else {}),
        "Properties": {
            "Description": {"Fn::Sub": f"{purpose} of mediaq ${{Stage}}"},
            "EnableKeyRotation": True,
            "KeyPolicy": {"Version": "2012-10-17", "Statement": [by_roles]},
        },
    }


def _credentials(action: str) -> Json:
    """The API may seal the credentials of users; only workers may open them."""
    return _allow(f"kms:{action}", on=[{"Fn::GetAtt": ["CredentialsKey", "Arn"]}])


def _data_key() -> Json:
    """The rights that SQS, Lambda and Secrets Manager need of the caller, where the operator's key encrypts."""
    return _if("HasDataKey", _allow("kms:Decrypt", "kms:GenerateDataKey", on=[{"Ref": "DataKeyArn"}]))


def _settings_key() -> Json:
    """The right of a function to read its own environment, where our key encrypts it."""
    return _if("NoDataKey", _allow("kms:Decrypt", on=[{"Fn::GetAtt": ["SettingsKey", "Arn"]}]))


def _parts() -> list[Json]:
    """The rights of a worker to the bucket of parts."""
    objects = {"Fn::Sub": "${PartsBucket.Arn}/*"}
    return [
        _if("HasParts", _allow("s3:PutObject", "s3:GetObject", "s3:DeleteObject", on=[objects])),
        _if("HasParts", _allow("s3:ListBucket", on=[{"Fn::GetAtt": ["PartsBucket", "Arn"]}])),
    ]


def _role(service: str, *statements: Json, condition: str = "") -> Json:
    trusted: Json = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    if service == "scheduler":  # against use by another account's schedules; the others have no source to name
        trusted["Condition"] = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    policy = {"PolicyName": "calls", "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}
    role: Json = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trusted]},
            "Policies": [policy],
        },
    }
    return role | ({"Condition": condition} if condition else {})


def _allow(*actions: str, on: list[Any]) -> Json:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


def _queues(*actions: str, of: tuple[str, ...]) -> Json:
    return _allow(*actions, on=[{"Fn::GetAtt": [queue, "Arn"]} for queue in of])


def _logs(group: str) -> Json:
    return _allow("logs:CreateLogStream", "logs:PutLogEvents", on=[{"Fn::GetAtt": [group, "Arn"]}])


def _in_vpc() -> Json:
    """The rights that Lambda needs to attach the function to a network."""
    return _if(
        "InVpc",
        _allow(*(f"ec2:{call}" for call in IN_VPC), on=[ANYWHERE]),
    )


def _traced() -> Json:
    return _if("Traced", _allow("xray:PutTraceSegments", "xray:PutTelemetryRecords", on=[ANYWHERE]))


def _if(condition: str, statement: Json) -> Json:
    return {"Fn::If": [condition, statement, {"Ref": "AWS::NoValue"}]}
