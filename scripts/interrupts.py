"""Ctrl-C and SIGTERM end a command in order: both are a KeyboardInterrupt, and neither is lost."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

AGAIN_SECONDS = 0.05  # by then the finaliser has ended


def listen() -> None:
    """For the main thread of a command."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.unraisablehook = told_again(sys.unraisablehook)


def told_again(usual: Callable[[Any], object]) -> Callable[[Any], None]:
    """A hook for what is raised where nobody can catch it.

    A signal that arrives in a finaliser is raised there, and Python drops it with a message
    (https://docs.python.org/3/library/sys.html#sys.unraisablehook): a Ctrl-C that did nothing. It is sent once more.
    """

    def hook(dropped: Any) -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            usual(dropped)
            return
        again = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()

    return hook


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, _heard)
    raise KeyboardInterrupt


def _heard(_number: int, _frame: FrameType | None) -> None:
    """Once is enough: a group gets SIGTERM twice, as `make` passes it on, and it must not cut the cleaning up."""
