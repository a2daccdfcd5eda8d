"""Where the token is kept by which nodes know their gateways. Gateways make it: it never passes through Pulumi."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

EMPTY = '{"tokens": []}'


@dataclass(frozen=True)
class NodeTokenArgs:
    """`key_arn` is the customer managed key; None leaves the encryption to AWS's own key of SSM."""

    key_arn: pulumi.Output[str] | None


class NodeToken(pulumi.ComponentResource):
    """An SSM SecureString that is made empty; its value is write-only, as that of the API keys."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: NodeTokenArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:node_token:NodeToken", name, None, opts)
        parameter = aws.ssm.Parameter(
            name,
            type="SecureString",
            description="The token by which nodes know their gateways",
            key_id=args.key_arn,
            value_wo=EMPTY,
            value_wo_version=1,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name, self.arn = parameter.name, parameter.arn
        self.register_outputs({"name": self.name})
