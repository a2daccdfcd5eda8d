"""Where Pulumi keeps the state of stacks on AWS: one bucket and one key for each account and region. Pure.

Every person and every machine that works on an account finds the same place by its name alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from scripts.exit_codes import USAGE, CommandError
from scripts.stack_files import REGION, StackFile

KEY_ALIAS = "alias/warmfleet-state"
BACKEND_VARIABLE = "PULUMI_BACKEND_URL"


@dataclass(frozen=True)
class StateBackend:
    """The place of one account and region. `partition` is the first part of its ARNs, such as aws-us-gov."""

    account: str
    region: str
    partition: str = "aws"

    @property
    def bucket(self) -> str:
        """Bucket names are global, so account and region are in it; 37 characters at most of the 63 that S3 allows."""
        return f"warmfleet-state-{self.account}-{self.region}"

    @property
    def secrets_provider(self) -> str:
        """https://www.pulumi.com/docs/iac/concepts/secrets/#aws-key-management-service-kms"""
        return f"awskms://{KEY_ALIAS}?region={self.region}&awssdk=v2"

    def url(self, endpoint: str | None = None) -> str:
        """What PULUMI_BACKEND_URL has to be.

        https://www.pulumi.com/docs/iac/concepts/state-and-backends/#aws-s3

        Args:
            endpoint: of an S3 that is not AWS's. Written into the URL, so that a shell that has lost its endpoint
                variables never turns to AWS. The parameters for it are those of the CLI's first AWS SDK: CLI 3.230
                does not know them beside awssdk=v2.
        """
        parameters = {"region": self.region}
        if endpoint is None:
            parameters["awssdk"] = "v2"
        else:
            parts = urlsplit(endpoint)
            parameters |= {"endpoint": parts.netloc, "disableSSL": str(parts.scheme == "http").lower()}
            parameters["s3ForcePathStyle"] = "true"
        return f"s3://{self.bucket}?{urlencode(parameters, safe=':')}"


@dataclass(frozen=True)
class NextSteps:
    """What to type after `backend init`, and what to know before; `note` may be empty."""

    commands: tuple[str, ...]
    note: str


def s3_endpoint(environ: Mapping[str, str]) -> str | None:
    """The S3 that the environment leads to; None for AWS's own.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or None


def choose_region(given: str | None, files: Sequence[StackFile], environ: Mapping[str, str]) -> str:
    """The region of the state: where the stacks are, for there `warmfleet env STACK` looks for it.

    Raises:
        CommandError: nothing says which, or the stack files disagree.
    """
    regions = {file.region for file in files}
    if given:
        return given
    if len(regions) > 1:
        places = ", ".join(f"{file.stack} in {file.region}" for file in files)
        raise CommandError(f"the stacks are in several regions ({places}); name one with --region", USAGE)
    found = next(iter(regions), None) or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if not found:
        raise CommandError(f"no stack file says {REGION} and AWS_REGION is not set; name one with --region", USAGE)
    return found


def next_steps(backend: StateBackend, files: Sequence[StackFile]) -> NextSteps:
    """The commands that lead into the first stack of the backend's region."""
    file = next((file for file in files if file.region == backend.region), None)
    if file is None:
        return NextSteps((), f"no stack file has {REGION}: {backend.region}, so that no stack would use this bucket")
    commands = (
        f'eval "$(warmfleet env {file.stack})"',
        f"pulumi stack select --create {file.stack} --secrets-provider '{backend.secrets_provider}'",
    )
    if backend.account in file.accounts:
        return NextSteps(commands, "")
    return NextSteps(commands, f"before: put account '{backend.account}' into aws:allowedAccountIds of {file.name}")
