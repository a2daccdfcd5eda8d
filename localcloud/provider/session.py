"""What the stand-in knows about each connection: one provider resource of one CLI run."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from localcloud.provider.clients import Clients
from localcloud.provider.configuration import Configuration
from localcloud.provider.errors import ProviderError
from localcloud.provider.resource import Aws
from localcloud.provider.waiting import Waiting

REMEMBERED = 256  # connections; one CLI run has two or three


@dataclass
class Session:
    """One admitted connection. `cancelled` is set when the user interrupts the CLI."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    configuration: Configuration | None = None

    def configured(self) -> Configuration:
        """What Configure gave; raises ProviderError when that was not called."""
        if self.configuration is None:
            raise ProviderError("the aws provider was used before it was configured; run the same command again")
        return self.configuration

    def aws(self, clients: Clients, alive: Callable[[], bool], longest_seconds: float = 0) -> Aws:
        """The AWS of this connection, for one request; `alive` says whether the CLI still waits for its answer."""
        region = self.configured().region

        def pause(seconds: float) -> bool:
            return self.cancelled.wait(seconds) or not alive()

        waiting = Waiting(pause=pause, longest_seconds=longest_seconds)
        return Aws(lambda service: clients.client(service, region), region, waiting)


class Sessions:
    """All connections by gRPC's name for the peer. Whoever is not admitted has no session."""

    def __init__(self, admit: Callable[[str], None]) -> None:
        self._admit = admit
        self._known: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, peer: str) -> Session:
        """Admit a peer anew: its port may have been another's before. Raises RefusedError."""
        self._admit(peer)
        with self._lock:
            self._known[peer] = session = Session()
            self._known.move_to_end(peer)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return session

    def of(self, peer: str) -> Session:
        """The session of a peer; a new one, if admitted, for a peer that is not known. Raises RefusedError."""
        return self._known.get(peer) or self.begin(peer)
