"""moto's server on a loopback address, with our routes in front of it."""

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug import Request
from werkzeug.serving import make_server

from localcloud.aws import memory
from localcloud.aws.cloud import current
from localcloud.aws.routes import PREFIX, Routes

# mypy: disallow-subclassing-any=False
# moto and werkzeug are not checked (pyproject.toml).


POLL_SECONDS = 0.1  # how soon `stop` is noticed


class QuietRequestHandler(MotoRequestHandler):
    """Logs no requests, only what goes wrong; answers small replies at once; keeps no memory of large requests."""

    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        super().run_wsgi()
        self.environ: dict[str, Any] = {}  # it holds the body, and this thread waits for its client's next request
        if memory.is_large(self.path, self.headers.get("Content-Length")):
            memory.give_back()

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        pass

    def log(self, type: str, message: str, *args: Any) -> None:
        print(f"{type}: {message % args}", file=sys.stderr, flush=True)


class Application:
    """WSGI: our routes, and moto for everything else."""

    def __init__(self) -> None:
        self._routes = Routes()
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith(PREFIX):
            answer: Iterable[bytes] = self._routes.answer(Request(environ))(environ, start_response)
        elif failing := current().faults.meet(Request(environ)):
            answer = failing(environ, start_response)
        else:
            answer = self._moto(environ, start_response)
        return answer


class Server:
    """Listens from construction on, serves between `start` and `stop`, one thread per connection."""

    def __init__(self, host: str, port: int = 0, poll_seconds: float = POLL_SECONDS) -> None:
        self._server = make_server(host, port, Application(), threaded=True, request_handler=QuietRequestHandler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(poll_seconds,), name="server", daemon=True
        )
        self.url = f"http://{host}:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections; requests that are being answered are cut off when the process ends."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
