"""Which node has seen the beginning of a prompt before: its engine need not read that part again.

Engines keep the attention state of recent prompts block by block (vLLM's automatic prefix caching:
https://docs.vllm.ai/en/stable/features/automatic_prefix_caching.html; llama.cpp's prompt cache). The gateway does not
see those caches; it remembers what it sent to whom, in blocks of text, and forgets the oldest.
"""

from collections import OrderedDict
from collections.abc import Sequence

BLOCK_BYTES = 256  # some 64 tokens: a node's answer to "seen before" need not be finer
MOST_BLOCKS_OF_A_PROMPT = 1024
MOST_BLOCKS_OF_A_NODE = 16_384  # 4 MiB of text, about a million tokens


def blocks_of(prompt: bytes) -> tuple[int, ...]:
    """One number for each whole block; equal numbers mean that all text up to there is equal."""
    whole = min(len(prompt) // BLOCK_BYTES, MOST_BLOCKS_OF_A_PROMPT)
    numbers, before = list[int](), 0
    for place in range(whole):
        before = hash((before, prompt[place * BLOCK_BYTES : (place + 1) * BLOCK_BYTES]))
        numbers.append(before)
    return tuple(numbers)


class PrefixMemory:
    """Blocks by node, the most recently sent last."""

    def __init__(self, most_blocks: int = MOST_BLOCKS_OF_A_NODE) -> None:
        self._most_blocks = most_blocks
        self._nodes: dict[str, OrderedDict[int, None]] = {}

    def known_bytes(self, instance_id: str, blocks: Sequence[int]) -> int:
        """How many bytes of a prompt's beginning were sent to this node before."""
        seen = self._nodes.get(instance_id)
        if not seen:
            return 0
        known = next((place for place, block in enumerate(blocks) if block not in seen), len(blocks))
        return known * BLOCK_BYTES

    def remember(self, instance_id: str, blocks: Sequence[int]) -> None:
        """A prompt goes to a node."""
        seen = self._nodes.setdefault(instance_id, OrderedDict())
        for block in reversed(blocks):  # a prompt's end is forgotten before its beginning
            seen[block] = None
            seen.move_to_end(block)
        while len(seen) > self._most_blocks:
            seen.popitem(last=False)

    def forget(self, instance_id: str) -> None:
        """The node is gone, or its engine was loaded anew."""
        self._nodes.pop(instance_id, None)
