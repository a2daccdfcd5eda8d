"""The settings of the stack that Pulumi runs. Apart, so that who only checks a stack file need not load Pulumi."""

import pulumi

from infra.settings import SettingsError, StackSettings, parse


def read() -> StackSettings:
    """Raises pulumi.RunError, which Pulumi prints without a traceback: every mistake at once."""
    try:
        return parse(pulumi.runtime.config.CONFIG.get(), pulumi.get_stack())
    except SettingsError as mistakes:
        raise pulumi.RunError(str(mistakes)) from None
