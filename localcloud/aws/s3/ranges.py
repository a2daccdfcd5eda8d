"""Reading a part of an object. moto reads all of it for each range, under a lock: minutes for a parallel download."""

from typing import Any


class LazyContent:
    """Stands for an object's bytes and reads only the slice that is asked for."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def __len__(self) -> int:
        return int(self._key.contentsize)

    def __getitem__(self, wanted: slice) -> bytes:
        start, stop, _ = wanted.indices(len(self))
        with self._key.lock:
            self._key._value_buffer.seek(start)
            content: bytes = self._key._value_buffer.read(max(0, stop - start))
        return content


class LazyKey:
    """moto's object, except that its value is not read before it is needed."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)

    @property
    def value(self) -> LazyContent:
        return LazyContent(self._key)


def read(body: Any) -> Any:
    """`body` as bytes if it is still to be read."""
    return body[:] if isinstance(body, LazyContent) else body
