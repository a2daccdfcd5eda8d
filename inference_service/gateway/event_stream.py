"""Server-sent events on their way from node to client: whole events only, without our own extension.

https://html.spec.whatwg.org/multipage/server-sent-events.html. This runs for every token: it searches bytes, it parses
nothing.
"""

from inference_service.contract import CHUNK_EXTENSION, CHUNK_HANDOVER

END = b"\n\n"
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error"'
# Inside a JSON string the quotes would have a backslash before them: these bytes can only begin a member.
EXTENSION = f',"{CHUNK_EXTENSION}":{{'.encode()
HANDOVER = f'data: {{"{CHUNK_EXTENSION}":{{"{CHUNK_HANDOVER}":true}}}}\n\n'.encode()  # never a client's to see
MOST_EVENT_BYTES = 1 << 20


class BadAnswerError(Exception):
    """A node sends what no answer can be."""


class EventCutter:
    """Takes bytes as they were read, gives whole events as a client of OpenAI knows them."""

    def __init__(self) -> None:
        self.tokens = 0
        self._rest = b""
        self._last = b""

    @property
    def finished(self) -> bool:
        """Whether the stream ended as it should: with [DONE]."""
        return self._last.endswith(DONE) and not self._rest

    @property
    def failed(self) -> bool:
        """Whether the node itself ended the stream with an error event."""
        return self._last[self._last.rfind(END, 0, -len(END)) + 1 :].lstrip().startswith(ERROR)

    def feed(self, data: bytes) -> bytes:
        """The whole events so far, or b"" while the first one is incomplete.

        Raises:
            BadAnswerError: more than 1 MiB without an event's end.
        """
        if self._rest:
            data, self._rest = self._rest + data, b""
        if data[-2:] != END:
            data = self._whole(data)
            if not data:
                return data
        self._last = data
        if data.find(END) == len(data) - 2:
            return self._cut(data)
        return b"".join([self._cut(event + END) for event in data[:-2].split(END)])

    def _whole(self, data: bytes) -> bytes:
        end = data.rfind(END) + len(END) if END in data else 0
        self._rest = data[end:]
        if len(self._rest) > MOST_EVENT_BYTES:
            raise BadAnswerError(f"an event of more than {MOST_EVENT_BYTES} bytes")
        return data[:end]

    def _cut(self, event: bytes) -> bytes:
        """The event without its last member, the extension; counts the token ids in it by their commas."""
        at = event.rfind(EXTENSION)
        if at < 0:
            return b"" if event == HANDOVER else event
        if event[-6:] != b"[]}}\n\n":
            self.tokens += event.count(b",", at)
        return event[:at] + b"}\n\n"


def without_extension(document: bytes) -> bytes:
    """A whole answer (one JSON object) without its last member, if that is the extension."""
    at = document.rfind(EXTENSION)
    return document if at < 0 else document[:at] + b"}"
