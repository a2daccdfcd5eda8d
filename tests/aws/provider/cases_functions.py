"""Cases of Lambda functions, of who may invoke them and of what becomes of invocations that fail."""

import base64
import hashlib
import json
import zipfile
from io import BytesIO
from typing import Any

from localcloud.provider.values import Properties
from tests.aws.provider.case import Case, fixed
from tests.aws.provider.world import World

RULE = "arn:aws:events:us-east-1:123456789012:rule/minute"


def role(world: World) -> str:
    name = world.name("role")
    principal = {"Service": "lambda.amazonaws.com"}
    trust = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}]}
    reply = world.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    return str(reply["Role"]["Arn"])


def code(world: World) -> dict[str, Any]:
    """A package in a bucket, and what it is."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", "def handle(event, context): ...\n")
    bucket, content = world.bucket(), packed.getvalue()
    world.client("s3").put_object(Bucket=bucket, Key="package.zip", Body=content)
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {"s3Bucket": bucket, "s3Key": "package.zip", "sourceCodeHash": digest}


def function(world: World) -> Properties:
    return {
        **code(world),
        "description": "one",
        "role": role(world),
        "runtime": "python3.12",
        "architectures": ["arm64"],
        "handler": "main.handle",
        "timeout": 50,
        "memorySize": 512,
        "loggingConfig": {"logFormat": "Text", "logGroup": "planner"},
        "environment": {"variables": {"A": "1"}},
        "tags": {"kept": "yes"},
    }


def other_function(world: World, inputs: Properties) -> Properties:
    return {
        "description": "two",
        "timeout": 20,
        "memorySize": 256,
        "environment": {"variables": {"B": "2"}},
        "tags": {"added": "yes"},
    }


def made(world: World) -> str:
    """A function that is there, by its name."""
    name, given = world.name("function"), code(world)
    world.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role(world),
        Handler="main.handle",
        Code={"S3Bucket": given["s3Bucket"], "S3Key": given["s3Key"]},
    )
    return name


def retries(world: World) -> Properties:
    return {"functionName": made(world), "maximumRetryAttempts": 0, "maximumEventAgeInSeconds": 60}


def permission(world: World) -> Properties:
    return {
        "action": "lambda:InvokeFunction",
        "function": made(world),
        "principal": "events.amazonaws.com",
        "sourceArn": RULE,
    }


CASES = {
    "aws:lambda/function:Function": Case(function, other_function, {"name": "other"}),
    "aws:lambda/permission:Permission": Case(permission, replaces={"principal": "s3.amazonaws.com"}),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": Case(
        retries, fixed(maximumRetryAttempts=2, maximumEventAgeInSeconds=3600), {"functionName": "other"}
    ),
}
