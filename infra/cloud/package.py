"""`make package`: the template and the zip for CloudFormation."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from infra.cloud import archive, template, template_rules

if TYPE_CHECKING:
    from infra.cloud.template import Json

FUNCTIONS = template.FUNCTIONS


class RuleBroken(RuntimeError):
    """The template breaks a security rule."""


class Package(NamedTuple):
    """The written files and their identity."""

    template: Path
    archive: Path
    sha256: str


def make(folder: Path) -> Package:
    """Write `template.json` and `api.zip`. Only the location of the zip is missing, which a deployment adds.

    Raises:
        RuleBroken: the template breaks a rule.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        built = template.build(Path(work))
    if broken := template_rules.violations(built):
        raise RuleBroken("\n".join(broken))
    with tempfile.TemporaryDirectory() as work:
        sha256 = archive.build(folder / "api.zip", Path(work))
    for name in FUNCTIONS:
        built["Resources"][name]["Properties"]["CodeUri"] = "api.zip"
    target = folder / "template.json"
    target.write_text(json.dumps(built, indent=1, sort_keys=True) + "\n")
    return Package(target, folder / "api.zip", sha256)


def placed(built: Json, bucket: str, key: str) -> Json:
    """Return the template with the location of the zip in S3."""
    resources = {**built["Resources"]}
    for name in FUNCTIONS:
        properties = {**resources[name]["Properties"], "CodeUri": {"Bucket": bucket, "Key": key}}
        resources[name] = {**resources[name], "Properties": properties}
    return {**built, "Resources": resources}
