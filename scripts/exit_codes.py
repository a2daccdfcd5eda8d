"""What a command's exit code means, the same for every command, and the error that ends one."""

OK = 0
FAILED = 1
FINDING = 2  # drift, a dangerous change: reported, nothing is broken
USAGE = 64  # EX_USAGE of sysexits.h: wrong usage, or input that cannot be read
INTERRUPTED = 130  # 128 + SIGINT, as shells count


class CommandError(Exception):
    """A foreseen failure. Its text goes to standard error as it is: value, limit, remedy."""

    def __init__(self, text: str, exit_code: int = FAILED) -> None:
        super().__init__(text)
        self.exit_code = exit_code
