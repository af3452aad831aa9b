"""Deploys a package: uploads it, creates a change set, executes it, and reports events."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from infra.cloud import package

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.cloud.package import Package

Say = Callable[[str], None]
CAPABILITIES: Any = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
ENDED = ("_COMPLETE", "_FAILED")
"""Suffixes of the final statuses of a stack. CLEANUP_IN_PROGRESS follows a success."""
NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")


class DeploymentFailed(RuntimeError):
    """The deployment failed; the message names the resource and the reason."""


class Account:
    """An AWS account and region, or an emulator: whatever the session's clients connect to."""

    def __init__(self, session: Any, say: Say = lambda text: None, poll_seconds: float = 1) -> None:
        self._cloudformation = session.client("cloudformation")
        self._s3 = session.client("s3")
        self._say = say
        self._poll_seconds = poll_seconds

    def deploy(
        self, stack: str, made: Package, bucket: str, parameters: Mapping[str, str], first: Mapping[str, str]
    ) -> dict[str, str]:
        """Update the stack to the package and the parameters; return its outputs.

        Other parameters keep their values; a new stack starts with those of `first`.

        Raises:
            DeploymentFailed: the update failed and was rolled back.
        """
        key = self._upload(bucket, made.archive)
        template = package.placed(json.loads(made.template.read_text()), bucket, key)
        return self.apply(stack, template, parameters, bucket, first)

    def apply(
        self,
        stack: str,
        template: dict[str, Any],
        parameters: Mapping[str, str],
        bucket: str | None = None,
        first: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, str]:
        """Update the stack to a template, through a bucket if it is larger than 51 200 bytes."""
        if unknown := (parameters.keys() | first.keys()) - template["Parameters"].keys():
            raise DeploymentFailed(f"the template has no parameter {', '.join(sorted(unknown))}")
        body = json.dumps(template, sort_keys=True, separators=(",", ":"))
        source = {"TemplateURL": self._upload_template(bucket, body)} if bucket else {"TemplateBody": body}
        there = self._status(stack)
        if there is not None and there.startswith(("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE")):
            self.delete(stack)  # a failed first deployment leaves a stack that cannot be updated
            there = None
        if there == "UPDATE_ROLLBACK_FAILED":
            self._continue_rollback(stack)
        if there is None:
            parameters = {**first, **parameters}
        kept = self._parameters(stack) & template["Parameters"].keys() - parameters.keys() if there else set()
        below = {name for name, parameter in template["Parameters"].items() if "Default" not in parameter}
        if missing := below - kept - parameters.keys():
            raise DeploymentFailed(f"{stack} needs {', '.join(sorted(missing))}")
        given: list[Any] = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
        given += [{"ParameterKey": name, "UsePreviousValue": True} for name in kept]
        before = {event["EventId"] for event in self._events(stack)} if there else set()
        if self._change(stack, source, given, "UPDATE" if there else "CREATE"):
            self._follow(stack, before)
        return self.outputs(stack)

    def _continue_rollback(self, stack: str) -> None:
        """Finish the rollback of a failed deployment, without which the stack cannot be updated."""
        names = self._failed_resources(stack)
        self._say(f"continuing the rollback of {stack}, which stopped at {', '.join(names) or 'no resource'}")
        before = {event["EventId"] for event in self._events(stack)}
        self._cloudformation.continue_update_rollback(StackName=stack)
        with contextlib.suppress(DeploymentFailed):  # it ends as a rollback, also when it succeeds
            self._follow(stack, before)
        if self._status(stack) == "UPDATE_ROLLBACK_FAILED":
            names = self._failed_resources(stack) or names
            skip = f"aws cloudformation continue-update-rollback --stack-name {stack} --resources-to-skip {' '.join(names)}"
            why = f"{stack} cannot be rolled back because of {', '.join(names)}: the events above say why"
            raise DeploymentFailed(f"{why}. Repair them, or skip them with {skip}; then deploy again")

    def _failed_resources(self, stack: str) -> list[str]:
        found = self._cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
        return [one["LogicalResourceId"] for one in found if one["ResourceStatus"].endswith("_FAILED")]

    def delete(self, stack: str) -> None:
        """Delete the stack and wait for the end."""
        self._cloudformation.delete_stack(StackName=stack)
        while (status := self._status(stack)) is not None:
            if status == "DELETE_FAILED":
                raise DeploymentFailed(f"{stack} could not be deleted: its events say why")
            time.sleep(self._poll_seconds)

    def outputs(self, stack: str) -> dict[str, str]:
        """Return the outputs of a stack.

        Raises:
            DeploymentFailed: there is no such stack.
        """
        if self._status(stack) is None:
            raise DeploymentFailed(f"there is no stack {stack} in this account and region")
        [found] = self._cloudformation.describe_stacks(StackName=stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    def _upload(self, bucket: str, file: Path) -> str:
        """Upload under a name with the hash, so that the same zip changes nothing."""
        key = f"mediaq/{hashlib.sha256(file.read_bytes()).hexdigest()}.zip"
        self._say(f"uploading {file.name} to s3://{bucket}/{key}")
        self._s3.upload_file(str(file), bucket, key)
        return key

    def _upload_template(self, bucket: str, body: str) -> str:
        key = f"mediaq/{hashlib.sha256(body.encode()).hexdigest()}.json"
        self._s3.put_object(Bucket=bucket, Key=key, Body=body.encode(), ContentType="application/json")
        return f"{self._s3.meta.endpoint_url}/{bucket}/{key}"

    def _change(self, stack: str, source: dict[str, str], parameters: list[Any], kind: str) -> bool:
        """Create and execute a change set; False if there are no changes."""
        name = f"mediaq-{time.time_ns()}"
        names = {"StackName": stack, "ChangeSetName": name}
        self._cloudformation.create_change_set(
            **names, **source, ChangeSetType=kind, Parameters=parameters, Capabilities=CAPABILITIES
        )
        waiting = {"Delay": max(1, round(self._poll_seconds)), "MaxAttempts": 200}
        try:
            self._cloudformation.get_waiter("change_set_create_complete").wait(**names, WaiterConfig=waiting)
        except WaiterError as error:
            reason = self._cloudformation.describe_change_set(**names).get("StatusReason", "")
            if any(text in reason for text in NOTHING_TO_DO):
                self._cloudformation.delete_change_set(**names)
                self._say("nothing has changed")
                return False
            raise DeploymentFailed(reason or str(error)) from error
        changes = self._cloudformation.describe_change_set(**names).get("Changes", [])
        for change in changes:
            found = change.get("ResourceChange", {})
            again = " (replaced)" if found.get("Replacement") == "True" else ""
            self._say(f"{found.get('Action', ''):8} {found.get('LogicalResourceId')}{again}")
        self._cloudformation.execute_change_set(**names)
        return True

    def _follow(self, stack: str, before: set[str]) -> None:
        """Print events until the stack reaches a final status; `before`: events of earlier deployments."""
        told = set(before)
        failed = ""
        while True:
            for event in reversed(self._events(stack)):
                if event["EventId"] in told:
                    continue
                told.add(event["EventId"])
                status, name, reason = (
                    event["ResourceStatus"],
                    event["LogicalResourceId"],
                    event.get("ResourceStatusReason", ""),
                )
                self._say(f"{status:24} {name}{f': {reason}' if reason else ''}")
                if status.endswith("_FAILED") and not failed:  # the others follow from it
                    failed = f"{name}: {reason or 'no reason given'}"
                if event.get("PhysicalResourceId") == event["StackId"] and status.endswith(ENDED):
                    if "ROLLBACK" in status or "FAILED" in status:
                        raise DeploymentFailed(failed or f"{stack} is {status}, and no event says why")
                    return
            time.sleep(self._poll_seconds)

    def _events(self, stack: str) -> list[Any]:
        """Return the events of a stack, newest first."""
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
        return [event for page in pages for event in page["StackEvents"]]

    def _status(self, stack: str) -> str | None:
        try:
            [found] = self._cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        status = str(found["StackStatus"])
        return None if status == "DELETE_COMPLETE" else status

    def _parameters(self, stack: str) -> set[str]:
        [found] = self._cloudformation.describe_stacks(StackName=stack)["Stacks"]
        return {parameter["ParameterKey"] for parameter in found.get("Parameters", [])}
