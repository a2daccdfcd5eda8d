"""A secret that others keep behind Pulumi's back: hashes of API keys, the token between gateways and nodes."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class SecretParameterArgs:
    """`empty` is the value that it is made with; `key_arn` None leaves the encryption to AWS's own key of SSM."""

    description: str
    empty: str
    key_arn: pulumi.Output[str] | None


class SecretParameter(pulumi.ComponentResource):
    """An SSM SecureString that is made empty; what it holds is put in, changed and taken out by others.

    The value is write-only: neither `up` nor `refresh` reads it, so that no secret ever stands in the state.
    https://www.pulumi.com/docs/iac/concepts/secrets/write-only-fields
    """

    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: SecretParameterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:secret_parameter:SecretParameter", name, None, opts)
        parameter = aws.ssm.Parameter(
            name,
            type="SecureString",
            description=args.description,
            key_id=args.key_arn,
            value_wo=args.empty,
            value_wo_version=1,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name, self.arn = parameter.name, parameter.arn
        self.register_outputs({"name": self.name})
