"""Clients that ask all the time, in the background; every answer is counted."""

import threading
from collections import Counter
from types import TracebackType

from scripts.gateway_client import Question, ask

PAUSE_SECONDS = 0.15
MOST_REQUESTS = 2000  # a journey that hangs must not ask for ever


class SteadyLoad:
    """`answers` counts complete answers by version, `failed` holds what went wrong with the others."""

    def __init__(self, url: str, model: str, key: str, clients: int = 2) -> None:
        self.answers: Counter[str] = Counter()
        self.failed: list[str] = []
        self._url, self._key, self._question = url, key, Question(model, "Say hello.", wait_seconds=30, most_tokens=4)
        self._end, self._lock = threading.Event(), threading.Lock()
        self._clients = [threading.Thread(target=self._ask_on, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "SteadyLoad":
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._end.set()
        for client in self._clients:
            client.join(60)

    def _ask_on(self) -> None:
        while not self._end.wait(PAUSE_SECONDS) and self.answers.total() < MOST_REQUESTS:
            try:
                answer = ask(self._url, self._question, lambda _: None, key=self._key)
                with self._lock:
                    self.answers[answer.version] += 1
            except Exception as error:  # whatever a client may see
                self.failed.append(f"{type(error).__name__}: {error}")
