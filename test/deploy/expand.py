"""Reads templates and writes them as the CloudFormation that AWS makes of them, as JSON, for each file a line:
{"file": …, "template": …}, or {"file": …, "error": …} where AWS refuses what SAM is to make of it."""

import json
import sys

from cfnlint.decode import cfn_yaml
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform

# What `aws cloudformation package` puts in the place of the bundle's folder.
BUNDLE = "../../dist/lambda/"
UPLOADED = "s3://uploaded/lambda.zip"


class NoManagedPolicies:
    """Names of managed policies are looked up with AWS; these templates use none."""

    def load(self):
        return {}


def expand(path):
    template = json.loads(json.dumps(cfn_yaml.load(path)))
    if template.get("Transform") != "AWS::Serverless-2016-10-31":
        return template
    for resource in template["Resources"].values():
        if resource["Properties"].get("CodeUri") == BUNDLE:
            resource["Properties"]["CodeUri"] = UPLOADED
    return transform(template, {}, NoManagedPolicies())


for path in sys.argv[1:]:
    try:
        line = {"file": path, "template": expand(path)}
    except InvalidDocumentException as error:
        line = {"file": path, "error": "; ".join(cause.message for cause in error.causes)}
    print(json.dumps(line))
