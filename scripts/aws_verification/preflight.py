"""What has to be so before anything is made on a real account; all that is wrong is said at once."""

import shutil
from collections.abc import Iterator, Mapping

from scripts.aws_session import explained
from scripts.aws_verification.questions import Clients
from scripts.exit_codes import CommandError
from scripts.pulumi_cli import INSTALL_LINE, LEAST_PULUMI, Found, usable
from scripts.stack_checks import SERVICE_ROLES

# https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html
SESSION_PLUGIN = "session-manager-plugin"
LANGUAGE_HOST = "pulumi-language-python"


def refuse_unready(environ: Mapping[str, str], pulumi: Found | None, aws: Clients, account: str) -> None:
    """Return if the day-one path can be walked in `account`.

    Raises:
        CommandError: naming everything that is in the way, each with its remedy.
    """
    problems = [*of_machine(environ, pulumi)]
    if not any("ENDPOINT" in each for each in problems):  # else the answers would not be AWS's
        try:
            with explained():
                problems += of_account(aws, account)
        except CommandError as error:
            problems.append(str(error))
    if problems:
        raise CommandError("not ready, and nothing was made:\n" + "\n".join(f"  - {each}" for each in problems))


def of_machine(environ: Mapping[str, str], pulumi: Found | None) -> Iterator[str]:
    """Real tools, and a real way to AWS: nothing of the local cloud."""
    for name in sorted(environ):
        if name.startswith("AWS_ENDPOINT_URL") or name == "PULUMI_DEBUG_PROVIDERS":
            yield f"{name} is set: this is about AWS itself; unset it (`warmfleet env --unset`)"
    if pulumi is None or not usable(pulumi, LEAST_PULUMI):
        least = ".".join(map(str, LEAST_PULUMI[:2]))
        yield f"the official Pulumi CLI is needed, {least} or newer, and found is {pulumi or 'none'}; {INSTALL_LINE}"
    for name, remedy in ((LANGUAGE_HOST, "it comes with the official CLI"), (SESSION_PLUGIN, "AWS has packages of it")):
        if shutil.which(name, path=environ.get("PATH", "")) is None:
            yield f"{name} is not on PATH; {remedy}"


def of_account(aws: Clients, account: str) -> Iterator[str]:
    """The account that was named, with what docs/deploy.md asks for."""
    found = aws.client("sts").get_caller_identity()["Account"]
    if found != account:
        yield f"your credentials are of account {found}, and --account is {account}; choose others with AWS_PROFILE"
        return
    iam = aws.client("iam")
    for role, service in SERVICE_ROLES.items():
        try:
            iam.get_role(RoleName=role)
        except iam.exceptions.NoSuchEntityException:
            yield f"role {role} is missing; `aws iam create-service-linked-role --aws-service-name {service}`"
