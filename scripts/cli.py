"""The `warmfleet` command: which subcommands there are, and what every one of them does with errors and signals."""

import errno
import os
import sys
from typing import NoReturn

import typer
from typer._click.exceptions import ClickException, UsageError  # Typer carries its own Click, and exports few names

from scripts import interrupts
from scripts.commands import backend, image, jobs, keys, models, scaling, service
from scripts.commands.ask import ask
from scripts.commands.chaos import chaos
from scripts.commands.check import check
from scripts.commands.cost import cost
from scripts.commands.doctor import doctor
from scripts.commands.down import down
from scripts.commands.drift import drift
from scripts.commands.env import env
from scripts.commands.load import load
from scripts.commands.logs import logs
from scripts.commands.preview import preview
from scripts.commands.simulate import expand, simulate
from scripts.commands.status import status
from scripts.commands.up import up
from scripts.exit_codes import FAILED, INTERRUPTED, OK, USAGE, CommandError

HELP = """Spot GPU inference fleets on AWS, as code; `up` tries everything out on this machine.

Exit codes: 0 ok, 1 failed, 2 a finding, 64 wrong usage or unreadable input."""


def build_app() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    for command in (up, down, env, status, ask, logs, doctor, preview, check, cost, drift, chaos, load, simulate):
        app.command()(command)
    app.add_typer(models.app, name="models")
    app.add_typer(jobs.app, name="jobs")
    app.add_typer(keys.app, name="keys")
    app.add_typer(scaling.app, name="scaling")
    app.add_typer(backend.app, name="backend")
    app.add_typer(service.app, name="service")
    app.add_typer(image.app, name="image")
    return app


def main() -> NoReturn:
    """Run the command line of this process and leave it."""
    interrupts.listen()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; its exit code. Foreseen failures are one message on standard error, never a traceback."""
    from scripts.terminal import say_error

    try:
        code = build_app()(
            expand(arguments) if arguments[:1] == ["simulate"] else arguments,
            prog_name="warmfleet",
            standalone_mode=False,
        )
    except UsageError as error:
        _show_usage(error)
        return USAGE
    except ClickException as error:
        say_error(error.format_message())
        return USAGE
    except Exception as error:
        code = INTERRUPTED if _interrupted(error) else _failed(error)
    if code == INTERRUPTED:
        say_error("interrupted; the same command goes on from here")
    return code if isinstance(code, int) else OK


def _interrupted(error: BaseException | None) -> bool:
    """Whether the error came up while something was cleaned up after an interrupt: that is then not the news."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _failed(error: Exception) -> int:
    """Say what failed, in one message; the exit code. What nobody foresaw is raised again, with its traceback."""
    from inference_service.artifacts import ArtifactError
    from inference_service.artifacts.errors import UnpublishableError
    from scripts.terminal import say_error

    if isinstance(error, OSError):
        return _system_error(error)
    if not isinstance(error, CommandError | ArtifactError):
        raise error
    say_error(str(error))
    if isinstance(error, CommandError):
        return error.exit_code
    return USAGE if isinstance(error, UnpublishableError) else FAILED


def _system_error(error: OSError) -> int:
    """A full disk, or a reader of our output that has gone; anything else with the path that it is about."""
    from scripts.terminal import say_error

    if error.errno == errno.EPIPE:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to flush at exit
        return FAILED
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        say_error(f"no disk space: {error}; free some, then run the same command again")
    else:
        say_error(f"{error}; run the same command again when that is repaired")
    return FAILED


def _show_usage(error: UsageError) -> None:
    from typer.rich_utils import rich_format_error

    rich_format_error(error)


if __name__ == "__main__":
    main()
