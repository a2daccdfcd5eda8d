"""Reads JSON of strangers: what Python's reader takes, and its writer or an engine cannot say again, is refused."""

import json
import re
from typing import Any

HALVES = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")  # of surrogate pairs: few texts hold any


class JsonError(ValueError):
    """Why it cannot be read, with nothing of what it says."""


def read(raw: bytes) -> Any:
    """Raises JsonError."""
    try:
        document = json.loads(raw)
        if HALVES.search(raw):
            json.dumps(document, ensure_ascii=False).encode()
    except RecursionError as error:
        raise JsonError("nested too deeply") from error
    except UnicodeEncodeError as error:
        raise JsonError("text with half a surrogate pair, which is no character") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"no JSON: {error}") from error
    except ValueError as error:  # no UTF-8, or a number of thousands of digits
        raise JsonError("no JSON") from error
    return document
