"""Where the hashes of API keys are kept: the value itself never passes through Pulumi."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

NO_KEYS = '{"keys": []}'


@dataclass(frozen=True)
class ApiKeysArgs:
    """`key_arn` is the customer managed key; None leaves the encryption to AWS's own key of SSM."""

    key_arn: pulumi.Output[str] | None


class ApiKeys(pulumi.ComponentResource):
    """An SSM SecureString that is made empty. Keys are put in, rotated and taken out behind Pulumi's back.

    The value is write-only: neither `up` nor `refresh` reads it, so that no key ever stands in the state.
    https://www.pulumi.com/docs/iac/concepts/secrets/write-only-fields
    """

    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: ApiKeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:api_keys:ApiKeys", name, None, opts)
        parameter = aws.ssm.Parameter(
            name,
            type="SecureString",
            description="Hashes of the API keys that the gateways accept",
            key_id=args.key_arn,
            value_wo=NO_KEYS,
            value_wo_version=1,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name, self.arn = parameter.name, parameter.arn
        self.register_outputs({"name": self.name})
