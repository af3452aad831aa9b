"""A deployment after one whose rollback failed: it is continued, or the resources are named."""

from __future__ import annotations

from typing import Any

import pytest

from infra.cloud.deploy import Account, DeploymentFailed

STACK = "mediaq-prod"


class CloudFormation:
    """A stack whose rollback failed at one resource. `mended`: it can be rolled back now."""

    def __init__(self, *, mended: bool) -> None:
        self.mended = mended
        self.status = "UPDATE_ROLLBACK_FAILED"
        self.calls: list[str] = []
        self.events = [self._event("0", "Redis", "UPDATE_FAILED", "no capacity")]

    def _event(self, number: str, name: str, status: str, reason: str = "") -> dict[str, str]:
        physical = "stack" if name == STACK else name
        return {
            "EventId": number, "LogicalResourceId": name, "ResourceStatus": status, "ResourceStatusReason": reason,
            "PhysicalResourceId": physical, "StackId": "stack",
        }  # fmt: skip

    def describe_stacks(self, **about: str) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": self.status, "Parameters": [], "Outputs": []}]}

    def describe_stack_resources(self, **about: str) -> dict[str, Any]:
        failed = "UPDATE_FAILED" if self.status == "UPDATE_ROLLBACK_FAILED" else "UPDATE_COMPLETE"
        return {
            "StackResources": [
                {"LogicalResourceId": "Redis", "ResourceStatus": failed},
                {"LogicalResourceId": "Api", "ResourceStatus": "UPDATE_COMPLETE"},
            ]
        }

    def continue_update_rollback(self, **about: str) -> None:
        self.calls.append("continue")
        self.status = "UPDATE_ROLLBACK_COMPLETE" if self.mended else "UPDATE_ROLLBACK_FAILED"
        self.events.insert(0, self._event("1", STACK, self.status))

    def get_paginator(self, name: str) -> Any:
        pages = [{"StackEvents": self.events}]
        return type("Pages", (), {"paginate": lambda self, **about: pages})()

    def create_change_set(self, **about: Any) -> None:
        self.calls.append(about["ChangeSetType"])
        raise StopIteration  # as far as this test goes


def deploy(cloudformation: CloudFormation, said: list[str]) -> None:
    session = type("Session", (), {"client": lambda self, name: cloudformation})()
    Account(session, said.append, 0).apply(STACK, {"Parameters": {}}, {})


def test_it_is_continued_before_the_update() -> None:
    cloudformation, said = CloudFormation(mended=True), list[str]()
    with pytest.raises(StopIteration):
        deploy(cloudformation, said)
    assert cloudformation.calls == ["continue", "UPDATE"]
    assert said[0] == "continuing the rollback of mediaq-prod, which stopped at Redis"


def test_a_resource_in_the_way_is_named_with_the_way_out() -> None:
    cloudformation, said = CloudFormation(mended=False), list[str]()
    with pytest.raises(DeploymentFailed, match=r"because of Redis.*--resources-to-skip Redis; then deploy again"):
        deploy(cloudformation, said)
    assert cloudformation.calls == ["continue"]
