"""Ctrl-C and SIGTERM end a command in order: both are a KeyboardInterrupt, and neither is lost."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
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


@contextlib.contextmanager
def put_off() -> Iterator[None]:
    """Within the block a Ctrl-C and a SIGTERM wait; one that came is heard at its end.

    For steps that must not stop halfway, and are short. In another thread than the main one no signal is heard anyway.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    usual = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    came: list[int] = []
    try:
        for number in usual:
            signal.signal(number, lambda number, _frame: came.append(number))
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, _heard)
    raise KeyboardInterrupt


def _heard(_number: int, _frame: FrameType | None) -> None:
    """Once is enough: a group gets SIGTERM twice, as `make` passes it on, and it must not cut the cleaning up."""
