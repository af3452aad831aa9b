"""`python -m infra.cloud`: mediaq in an AWS account (`make package`, `make deploy`)."""

from __future__ import annotations

import argparse
import json
import sys
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.cloud import package, runbook
from infra.cloud.deploy import Account, DeploymentFailed
from infra.cloud.template import HERE, RESOURCES
from infra.local.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

OUT = ROOT / ".local" / "package"
STAGES = HERE / "stages"
FOUNDATION = "mediaq-foundation"


def main(argv: list[str] | None = None) -> int:
    """Run a command. Exit codes: 0 success, 1 an error with a message, 2 wrong arguments."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.command(options)
    except (RuntimeError, CalledProcessError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"mediaq: {error}\n")
        return 1
    return code


def make(options: argparse.Namespace) -> int:
    """Write the template and the zip."""
    del options
    made = package.make(OUT)
    _say(f"{made.template}\n{made.archive}  {made.archive.stat().st_size:,} bytes  sha256 {made.sha256}")
    return 0


def foundation(options: argparse.Namespace) -> int:
    """Create the foundation of a deployment: network, bucket, image repository."""
    template = json.loads((RESOURCES / "foundation.json").read_text())
    _say("a NAT gateway takes some minutes")
    chosen = {"Egress": options.egress, "ApiGatewayLogs": options.api_gateway_logs}
    parameters = {name: value for name, value in chosen.items() if value}
    if (role := _other_logs_role()) and not options.api_gateway_logs:
        _say(f"API Gateway keeps its role for CloudWatch, {role}")
        parameters["ApiGatewayLogs"] = "off"
    _tell(Account(boto3.Session(), _say).apply(FOUNDATION, template, parameters))
    return 0


def _other_logs_role() -> str:
    """Return the role for CloudWatch that API Gateway has in this region, if it is not that of the foundation."""
    role = str(boto3.Session().client("apigateway").get_account().get("cloudwatchRoleArn", ""))
    return "" if f":role/{FOUNDATION}-" in role else role


def deploy(options: argparse.Namespace) -> int:
    """Package, and update the stack of a stage."""
    account = Account(boto3.Session(), _say)
    parameters, first = dict(options.set), read_stage(options.stage)
    bucket = options.bucket
    if not bucket:
        try:
            known = account.outputs(FOUNDATION)
        except DeploymentFailed as error:
            raise DeploymentFailed(f"{error}: make it with `python -m infra.cloud foundation`, or name a --bucket") from error
        bucket = known["Bucket"]
        if "VpcId" not in parameters:
            first |= {"VpcId": known["VpcId"], "SubnetIds": known["SubnetIds"]}
    outputs = account.deploy(f"mediaq-{options.stage}", package.make(OUT), bucket, parameters, first)
    _tell(outputs)
    return 0


def destroy(options: argparse.Namespace) -> int:
    """Delete the stack of a stage: the queues with their tickets, Redis, everything except the foundation."""
    Account(boto3.Session(), _say).delete(f"mediaq-{options.stage}")
    return 0


def alarms(options: argparse.Namespace) -> int:
    """Print the table of alarms for docs/operations.md."""
    del options
    _say(runbook.table())
    return 0


def read_stage(stage: str) -> dict[str, str]:
    """Return the parameters of a stage, from its file if there is one."""
    file = STAGES / f"{stage}.json"
    values = json.loads(file.read_text()) if file.exists() else {}
    return {"Stage": stage} | {name: str(value) for name, value in values.items()}


def _tell(outputs: Mapping[str, str]) -> None:
    for name, value in sorted(outputs.items()):
        _say(f"{name} = {value}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("must be Parameter=value; infra/cloud/parameters.json has them all")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra.cloud",
        description="mediaq in an AWS account. Credentials, region and AWS_ENDPOINT_URL are read as by the AWS CLI.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    sub = commands.add_parser("package", help=make.__doc__, description=make.__doc__)
    sub.set_defaults(command=make)
    sub = commands.add_parser("foundation", help=foundation.__doc__, description=foundation.__doc__)
    sub.add_argument("--egress", choices=("nat", "endpoints", "both"), help="how it reaches AWS (nat, or what it is)")
    sub.add_argument(
        "--api-gateway-logs",
        choices=("on", "off"),
        help="on: give API Gateway a role for CloudWatch, in the whole region (on, unless it has one, or what it is)",
    )
    sub.set_defaults(command=foundation)
    sub = commands.add_parser("deploy", help=deploy.__doc__, description=deploy.__doc__)
    sub.add_argument("stage", help="dev, prod, or a name of your own")
    sub.add_argument("--bucket", default="", help="where packages go (that of the foundation, and then its network too)")
    sub.add_argument("--set", action="append", type=_pair, default=[], metavar="PARAMETER=VALUE", help="change a parameter")
    sub.set_defaults(command=deploy)
    sub = commands.add_parser("destroy", help=destroy.__doc__, description=destroy.__doc__)
    sub.add_argument("stage", help="the stage to delete")
    sub.set_defaults(command=destroy)
    sub = commands.add_parser("alarms", help=alarms.__doc__, description=alarms.__doc__)
    sub.set_defaults(command=alarms)
    return parser


if __name__ == "__main__":
    sys.exit(main())
