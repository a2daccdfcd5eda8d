"""What a gateway says about an answer that another node has begun: its tokens so far, and the name it goes by."""

from dataclasses import dataclass
from typing import Any

from inference_service import contract

MOST_TOKENS = 1 << 20  # more than any context has
MOST_TOKEN_ID = 2**31 - 1


class ResumeError(ValueError):
    """The extension is not what a gateway sends."""


@dataclass(frozen=True)
class Resume:
    """`answer_id` and `created` None: the client has seen no event of the answer that would name them."""

    token_ids: tuple[int, ...]
    answer_id: str | None
    created: int | None


def read(extension: Any) -> Resume | None:
    """None where there is no extension.

    Raises:
        ResumeError: it has other members, or other values, than a gateway sends.
    """
    if extension is None:
        return None
    known = {contract.RESUME_TOKEN_IDS, contract.RESUME_ID, contract.RESUME_CREATED}
    if not isinstance(extension, dict) or not set(extension) <= known:
        raise ResumeError(f"{contract.CHUNK_EXTENSION} must be an object with some of {', '.join(sorted(known))}")
    answer_id, created = extension.get(contract.RESUME_ID), extension.get(contract.RESUME_CREATED)
    if not (answer_id is None or isinstance(answer_id, str)) or not (created is None or isinstance(created, int)):
        raise ResumeError(f"{contract.RESUME_ID} must be a string, {contract.RESUME_CREATED} a number")
    return Resume(_token_ids(extension.get(contract.RESUME_TOKEN_IDS)), answer_id, created)


def _token_ids(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > MOST_TOKENS:
        raise ResumeError(f"{contract.RESUME_TOKEN_IDS} must be a list of at most {MOST_TOKENS} token ids")
    for token in value:
        if not isinstance(token, int) or isinstance(token, bool) or not 0 <= token <= MOST_TOKEN_ID:
            text = f"{contract.RESUME_TOKEN_IDS} holds {token!r}; whole numbers from 0 to {MOST_TOKEN_ID} are needed"
            raise ResumeError(text)
    return tuple(value)
