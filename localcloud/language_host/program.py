"""Runs one Pulumi program: `python program.py ENGINE_ADDRESS`, with the RunRequest on standard input.

Started by path, under the program's own interpreter, where this project need not be installed: it imports Pulumi only.
Exit codes: 0, 32 when the program's error has been shown, else Python's own.
"""

import asyncio
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import pulumi
from pulumi.runtime import Settings, configure, run_in_stack, set_all_config
from pulumi.runtime.proto import language_pb2

ERROR_SHOWN = 32
THREADS_PER_RESOURCE = 4  # registrations wait in threads of the loop's pool


def main(engine: str, request: Any) -> int:
    """Run the program that a RunRequest names; `engine` is the address for its log lines."""
    program = os.path.normpath(os.path.join(request.info.program_directory, request.info.entry_point or "."))
    set_all_config(dict(request.config), list(request.configSecretKeys))
    configure(_settings(engine, request))
    sys.argv = [program, *request.args]
    sys.path[0] = request.info.program_directory  # not the folder of this file
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # its complaints after an error hide the error
    try:
        _run(program, request.parallel)
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
    except KeyboardInterrupt:
        return ERROR_SHOWN  # the CLI is ending and has said why
    except Exception as error:
        shown = _shown(error, request.info.program_directory)
        pulumi.log.error(f"Program failed with an unhandled exception:\n{shown}")
    else:
        return 0
    return ERROR_SHOWN


def _settings(engine: str, request: Any) -> Settings:
    return Settings(
        monitor=request.monitor_address,
        engine=engine,
        project=request.project,
        stack=request.stack,
        parallel=request.parallel,
        dry_run=request.dryRun,
        organization=request.organization or "organization",
        root_directory=request.info.root_directory,
    )


def _run(program: str, parallel: int) -> None:
    def run() -> None:
        runpy.run_path(program, run_name="__main__")

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with ThreadPoolExecutor(max(parallel, 1) * THREADS_PER_RESOURCE) as threads:
        loop.set_default_executor(threads)
        try:
            loop.run_until_complete(run_in_stack(run))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    loop.close()


def _shown(error: Exception, folder: str) -> str:
    """The error with the frames from the user's code on, or with all of them when none is the user's."""
    frames: TracebackType | None = error.__traceback__
    while frames and not frames.tb_frame.f_code.co_filename.startswith(folder):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], language_pb2.RunRequest.FromString(sys.stdin.buffer.read())))
