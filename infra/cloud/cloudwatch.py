"""The CloudWatch alarms and dashboard, generated from `chalicelib/maintenance/alarms.py`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from chalicelib.maintenance.alarms import ALARMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.maintenance.alarms import Alarm

Json = dict[str, Any]
CONDITIONAL = {"LambdaWorker": "HasWorker"}
WORKERS_AT_STEPS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 70, 100)
"""The worker counts of the scaling policy; a count between two of them is rounded up."""


def parameter(alarm: Alarm) -> str:
    """Return the name of the parameter for the threshold."""
    return f"AlarmOver{_camel(alarm.name)}"


def parameters() -> Json:
    """Return a parameter for every threshold."""
    return {
        parameter(alarm): {
            "Type": "Number",
            "Default": alarm.threshold,
            "Description": f"{alarm.description}: {alarm.metric} over this",
        }
        for alarm in ALARMS
        if not alarm.below
    }


def alarm_thresholds() -> Json:
    """Return the setting ALARM_OVER, so that the maintenance task uses the same thresholds."""
    return {"Fn::Sub": ",".join(f"{alarm.name}=${{{parameter(alarm)}}}" for alarm in ALARMS if not alarm.below)}


def alarms() -> Json:
    """Return the alarms as resources, one for each resource of an AWS metric."""
    return {name: resource for alarm in ALARMS for name, resource in _resources(alarm)}


def _resources(alarm: Alarm) -> Iterator[tuple[str, Json]]:
    of = alarm.source.of if alarm.source else ("",)
    summed = alarm.statistic == "Sum" or alarm.below
    for target in of:
        properties: Json = {
            "AlarmName": {"Fn::Sub": f"mediaq-${{Stage}}-{alarm.name}{_dashed(target) if len(of) > 1 else ''}"},
            "AlarmDescription": {"Fn::Sub": f"{alarm.description}. What to do: ${{RunbookUrl}}#alarm-{alarm.name}"},
            "Namespace": alarm.source.namespace if alarm.source else "mediaq",
            "MetricName": alarm.metric,
            "Dimensions": _dimensions(alarm, target),
            "Statistic": "Sum" if alarm.below else alarm.statistic,
            "Period": 60 * (alarm.minutes if summed else 1),
            "EvaluationPeriods": 1 if summed else max(1, alarm.minutes),
            "DatapointsToAlarm": 1 if summed else max(1, alarm.minutes),
            "Threshold": 1 if alarm.below else {"Ref": parameter(alarm)},
            "ComparisonOperator": "LessThanThreshold" if alarm.below else "GreaterThanThreshold",
            "TreatMissingData": "breaching" if alarm.below else "notBreaching" if alarm.source else "ignore",
            "AlarmActions": _actions(),
            "OKActions": _actions(),
        }
        resource: Json = {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}
        if target in CONDITIONAL:
            resource["Condition"] = CONDITIONAL[target]
        yield f"Alarm{_camel(alarm.name)}{target if len(of) > 1 else ''}", resource


def _actions() -> Json:
    return {"Fn::If": ["HasAlarmAction", [{"Ref": "AlarmActionArn"}], {"Ref": "AWS::NoValue"}]}


def _dimensions(alarm: Alarm, target: str) -> list[Json]:
    if alarm.source is None:
        return [{"Name": "stage", "Value": {"Ref": "Stage"}}, {"Name": "service", "Value": "mediaq"}]
    value: Json = {"Ref": target}
    if alarm.source.dimension == "ApiName":
        value = {"Fn::Sub": "mediaq-${Stage}"}
    elif alarm.source.dimension == "QueueName":
        value = {"Fn::GetAtt": [target, "QueueName"]}
    return [{"Name": alarm.source.dimension, "Value": value}]


def scaling_steps() -> list[Json]:
    """Return the steps of the scaling policy: the wanted number of workers, up to the last step."""
    steps: list[Json] = []
    for below, workers in zip((None, *WORKERS_AT_STEPS), WORKERS_AT_STEPS, strict=False):
        step: Json = {"ScalingAdjustment": workers, "MetricIntervalLowerBound": 0 if below is None else below + 0.5}
        if workers != WORKERS_AT_STEPS[-1]:
            step["MetricIntervalUpperBound"] = workers + 0.5
        steps.append(step)
    return steps


def dashboard() -> Json:
    """Return the dashboard: queues, outcomes, API, Lambdas, tickets, Redis, alarms."""
    rows = [
        [
            _ours("Jobs", "waiting", "active", "delayed"),
            _ours("Container workers wanted, by pool", "container_workers_wanted", "waiting_container", "waiting_lambda"),
            _ours("Failures of what ended within 15 minutes", "failure_ratio"),
        ],
        [
            _ours("Minutes: oldest waiting, without progress", "oldest_waiting_minutes", "stalled_minutes"),
            _ours("Dead letters", "dead_letters"),
            _ours("Redis memory, part of its limit", "redis_memory_ratio"),
        ],
        [
            _widget("API: requests and errors", *_api("Count", "4XXError", "5XXError"), stat="Sum"),
            _widget("API: ms", *_api("Latency", "IntegrationLatency"), stat="p99"),
            _widget("Tickets in sight and in flight", *_queues(), stat="Maximum"),
        ],
        [
            _widget("Lambda: ms", *_functions("Duration"), stat="p99"),
            _widget("Lambda: errors and throttles", *_functions("Errors"), *_functions("Throttles"), stat="Sum"),
            {"type": "alarm", "properties": {"title": "Alarms", "alarms": [f"arn:ALARM:{name}" for name in _always_there()]}},
        ],
    ]
    widgets = [
        {**widget, "x": 8 * column, "y": 6 * row, "width": 8, "height": 6}
        for row, several in enumerate(rows)
        for column, widget in enumerate(several)
    ]
    body = json.dumps({"widgets": widgets})
    named = re.sub(r"arn:ALARM:(\w+)", r"${\1.Arn}", body)
    names = {"DashboardName": {"Fn::Sub": "mediaq-${Stage}"}, "DashboardBody": {"Fn::Sub": named}}
    return {"Dashboard": {"Type": "AWS::CloudWatch::Dashboard", "Properties": names}}


def _always_there() -> list[str]:
    return [name for name, alarm in alarms().items() if "Condition" not in alarm]


def _widget(title: str, *metrics: list[str], stat: str) -> Json:
    properties = {"title": title, "region": "${AWS::Region}", "period": 60, "stat": stat, "metrics": list(metrics)}
    return {"type": "metric", "properties": properties}


def _ours(title: str, *names: str) -> Json:
    return _widget(title, *(["mediaq", name, "stage", "${Stage}", "service", "mediaq"] for name in names), stat="Maximum")


def _api(*names: str) -> Iterator[list[str]]:
    return (["AWS/ApiGateway", name, "ApiName", "mediaq-${Stage}"] for name in names)


def _functions(name: str) -> Iterator[list[str]]:
    return (["AWS/Lambda", name, "FunctionName", f"${{{function}}}"] for function in ("APIHandler", "Maintenance"))


def _queues() -> Iterator[list[str]]:
    for queue in ("LambdaQueue", "ContainerQueue"):
        for name in ("ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"):
            yield ["AWS/SQS", name, "QueueName", f"${{{queue}.QueueName}}"]


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _dashed(name: str) -> str:
    return re.sub(r"([A-Z][a-z]+|[A-Z]+(?=[A-Z][a-z]))", r"-\1", name).lower().replace("--", "-")
