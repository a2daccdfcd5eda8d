"""Server-sent events on their way from node to client: whole events only, without our own extension.

https://html.spec.whatwg.org/multipage/server-sent-events.html. This runs for every token: it searches bytes, it parses
nothing. What a client must not see unless the stream ends well (an error, the finish without its [DONE]) stays here.
"""

from inference_service.contract import CHUNK_EXTENSION, CHUNK_HANDOVER, CHUNK_TOKEN_IDS

END = b"\n\n"
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error"'
HANDOVER = f'data: {{"{CHUNK_EXTENSION}":{{"{CHUNK_HANDOVER}":true}}}}\n\n'.encode()
# Inside a JSON string the quotes would have a backslash before them: these bytes can only begin a member.
EXTENSION = f',"{CHUNK_EXTENSION}":{{'.encode()
FINISH = b'"finish_reason":"'
IDS_AT = len(EXTENSION) + len(f'"{CHUNK_TOKEN_IDS}":')  # from the extension's begin to the "[" of its list
MOST_EVENT_BYTES = 8 << 20  # what is held back comes as one event: 4,000 tokens with 20 likelihoods beside each


class BadAnswerError(Exception):
    """A node sends what no answer can be."""


class EventCutter:
    """Takes bytes as they were read, gives whole events as a client of OpenAI knows them.

    `ids` collects the token ids of what it gave, each event's behind a "[". From the event that names the finish reason
    on all is kept until [DONE]: until then the answer may yet go on elsewhere.
    """

    def __init__(self, ids: bytearray | None = None) -> None:
        self.ids = bytearray() if ids is None else ids
        self.error = b""  # the event with which the node itself ended the stream
        self.handed_over = False
        self._done = False
        self._rest = b""
        self._ending = b""
        self._ending_ids = b""

    @property
    def finished(self) -> bool:
        """Whether the stream ended as it should: with [DONE]."""
        return self._done and not self._rest

    @property
    def tokens(self) -> int:
        return self.ids.count(b"[") + self.ids.count(b",")

    def feed(self, data: bytes) -> bytes:
        """The whole events so far, or b"" while there is none to show.

        Raises:
            BadAnswerError: more than 8 MiB without an event's end.
        """
        if self._rest:
            data, self._rest = self._rest + data, b""
        if data[-2:] != END:
            data = self._whole(data)
            if not data:
                return data
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
        """The event without its last member, the extension."""
        at = event.rfind(EXTENSION)
        if at < 0:
            return self._without_extension(event)
        if self._ending or FINISH in event:
            self._ending += event[:at] + b"}\n\n"
            self._ending_ids += _ids(event, at)
            return b""
        if event[-6:] != b"[]}}\n\n":
            self.ids += event[at + IDS_AT : -5]
        return event[:at] + b"}\n\n"

    def _without_extension(self, event: bytes) -> bytes:
        """[DONE], comments, and what is between gateway and node alone. An error is none the less one for a [DONE]."""
        if event == HANDOVER:
            self.handed_over = True
        elif event.startswith(ERROR):
            self.error = event
        elif event != DONE:
            return event
        elif not self.error:
            self._done = True
            self.ids += self._ending_ids
            return self._ending + event
        return b""


def _ids(event: bytes, at: int) -> bytes:
    return b"" if event[-6:] == b"[]}}\n\n" else event[at + IDS_AT : -5]


def without_extension(document: bytes) -> tuple[bytes, int]:
    """A whole answer (one JSON object) without its last member, if that is the extension; and its number of tokens."""
    at = document.rfind(EXTENSION)
    if at < 0:
        return document, 0
    ids = document[at + IDS_AT : -len(b"]}}")]
    return document[:at] + b"}", ids.count(b",") + 1 if ids != b"[" else 0
