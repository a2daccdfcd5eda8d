"""Lambda functions whose code lies in S3, who may invoke them, and what becomes of invocations that fail."""

import json
from typing import Any

from localcloud.provider.errors import GoneError
from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, tag_outputs
from localcloud.provider.resource import AutoName, Aws, Handler, camel, chosen, names, pascal
from localcloud.provider.values import Properties

_SETTINGS = ("description", "role", "runtime", "handler", "timeout", "memorySize", "kmsKeyArn", "loggingConfig")
_NAMES = {"kmsKeyArn": "KMSKeyArn"}  # the one that AWS does not spell as Pulumi does
_NESTED = names("environment.variables loggingConfig.logFormat loggingConfig.logGroup")


class Function(Handler):
    token = "aws:lambda/function:Function"
    inputs = (
        names("name architectures s3Bucket s3Key sourceCodeHash")
        | (frozenset(_SETTINGS) - names("loggingConfig"))
        | _NESTED
        | TAG_INPUTS
    )
    outputs = (
        names("arn name architectures sourceCodeHash environment region")
        | (frozenset(_SETTINGS) - names("loggingConfig"))
        | TAG_OUTPUTS
    )
    # Lambda keeps no address of the code, only what it is; and moto no logging configuration.
    write_only = names("s3Bucket s3Key loggingConfig")
    replaced_by = names("name")
    auto_name = AutoName(longest=64)

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("lambda").create_function(
            FunctionName=inputs["name"],
            Code={"S3Bucket": inputs["s3Bucket"], "S3Key": inputs["s3Key"]},
            Architectures=inputs.get("architectures", ["x86_64"]),
            Tags=inputs.get("tags", {}),
            **_settings(inputs),
        )
        return str(inputs["name"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        answer = aws.client("lambda").get_function(FunctionName=id_)
        found = answer["Configuration"]
        capital = {name: name[:1].upper() + name[1:] for name in _SETTINGS if name != "loggingConfig"} | _NAMES
        settings = {name: found[key] for name, key in capital.items() if found.get(key)}
        return {
            "arn": found["FunctionArn"],
            "name": found["FunctionName"],
            "architectures": found.get("Architectures", ["x86_64"]),
            "sourceCodeHash": found["CodeSha256"],
            "environment": {"variables": found.get("Environment", {}).get("Variables", {})},
            "region": aws.region,
            **camel(settings),
            **tag_outputs(answer.get("Tags", {}), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        functions = aws.client("lambda")
        if inputs.get("sourceCodeHash") != known.get("sourceCodeHash"):
            functions.update_function_code(FunctionName=id_, S3Bucket=inputs["s3Bucket"], S3Key=inputs["s3Key"])
        functions.update_function_configuration(FunctionName=id_, **_settings(inputs))
        arn, wanted = known["arn"], inputs.get("tags", {})
        present = functions.list_tags(Resource=arn).get("Tags", {})
        if gone := [key for key in present if key not in wanted]:
            functions.untag_resource(Resource=arn, TagKeys=gone)
        if wanted:
            functions.tag_resource(Resource=arn, Tags=wanted)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("lambda").delete_function(FunctionName=id_)


def _settings(inputs: Properties) -> dict[str, Any]:
    named = {name: _NAMES.get(name, name[:1].upper() + name[1:]) for name in _SETTINGS}
    given = {named[name]: pascal(inputs[name]) for name in _SETTINGS if name in inputs}
    return {**given, "Environment": {"Variables": inputs.get("environment", {}).get("variables", {})}}


class Permission(Handler):
    token = "aws:lambda/permission:Permission"
    inputs = names("action function principal sourceArn statementId")
    outputs = inputs | names("region")
    replaced_by = inputs
    auto_name = AutoName("statementId", longest=100)

    def create(self, aws: Aws, inputs: Properties) -> str:
        source = {"SourceArn": inputs["sourceArn"]} if "sourceArn" in inputs else {}
        aws.client("lambda").add_permission(
            FunctionName=inputs["function"],
            StatementId=inputs["statementId"],
            Action=inputs["action"],
            Principal=inputs["principal"],
            **source,
        )
        return str(inputs["statementId"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        # As the provider's import id: the function's name, then the statement's.
        function, statement = (known["function"], id_) if "function" in known else id_.partition("/")[::2]
        policy = json.loads(aws.client("lambda").get_policy(FunctionName=function)["Policy"])
        for each in policy["Statement"]:
            if each["Sid"] == statement:
                source = each.get("Condition", {}).get("ArnLike", {}).get("AWS:SourceArn")
                principal = each["Principal"]
                return {
                    "statementId": statement,
                    "function": function,
                    "action": each["Action"],
                    "principal": principal["Service"] if isinstance(principal, dict) else principal,
                    "region": aws.region,
                    **({"sourceArn": source} if source else {}),
                }
        raise GoneError(id_)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("lambda").remove_permission(FunctionName=known["function"], StatementId=id_)


class FunctionEventInvokeConfig(Handler):
    """Of a function's newest version alone, as the program asks for it."""

    token = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
    inputs = names("functionName maximumEventAgeInSeconds maximumRetryAttempts")
    outputs = inputs | names("region")
    replaced_by = names("functionName")

    def create(self, aws: Aws, inputs: Properties) -> str:
        settings = chosen(inputs, ("maximumEventAgeInSeconds", "maximumRetryAttempts"))
        aws.client("lambda").put_function_event_invoke_config(FunctionName=inputs["functionName"], **settings)
        return str(inputs["functionName"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        found = aws.client("lambda").get_function_event_invoke_config(FunctionName=id_)
        settings = {key: found[key] for key in ("MaximumEventAgeInSeconds", "MaximumRetryAttempts") if key in found}
        return {"functionName": id_, "region": aws.region, **camel(settings)}

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self.delete(aws, id_, known)  # moto would go on telling of the first one that was put
        self.create(aws, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("lambda").delete_function_event_invoke_config(FunctionName=id_)
