"""Makes a Llama of half a megabyte on the spot, the same from the same seed: vLLM needs a model, and none is packaged.

Its weights are drawn, so that it chains words without sense. A few tokens always follow one another, which drawn
weights never do by themselves: a character of several tokens, and a tool call where the prompt offers tools. For them
some of the hidden dimensions are set aside: each holds "the token before was this one", and only its successor looks.
"""

import itertools
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]

SEED = 20261128
HIDDEN, HEADS, LAYERS, INTERMEDIATE, CONTEXT = 96, 3, 2, 128, 2048
CHAINS, ALWAYS = HIDDEN - 24, HIDDEN - 1  # dimensions set aside for links, and the one that is 1 everywhere
LINK, LIKING = 400.0, 0.6
OFTEN, SELDOM = 9.0, 6.0

BEGIN, END, ROLE, CALL = "<|begin|>", "<|end|>", "<|role|>", "<|call|>"
CALL_TEXT = ["<tool_call>", '{"name": "weather", "arguments": {"city": "Rome"}}', "</tool_call>"]
SMILE = "smile"
SYLLABLES = [first + then for first in "bdfgklmnprstvz" for then in "aeiou"]
WORDS = [*SYLLABLES, *(one + two for one, two in zip(SYLLABLES, reversed(SYLLABLES), strict=True)), SMILE]
TEMPLATE = (
    "{% for message in messages %}<|role|>{{ message['role'] }}: {{ message['content'] or '' }}"
    "{% for call in message.get('tool_calls') or [] %}"
    "<tool_call>{{ call['function'] | tojson }}</tool_call>{% endfor %}"
    "<|end|>{% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% if add_generation_prompt %}<|role|>assistant:{% if tools %}<|call|>{% endif %}{% endif %}"
)


def make(folder: Path) -> None:
    """Write model and tokenizer into `folder`, as `vllm serve` takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _vocabulary()
    _write(folder / "config.json", _config(vocabulary))
    _write(folder / "generation_config.json", {"eos_token_id": vocabulary[END], "bos_token_id": vocabulary[BEGIN]})
    _write(folder / "tokenizer.json", _tokenizer(vocabulary))
    _write(folder / "tokenizer_config.json", _tokenizer_config())
    (folder / "model.safetensors").write_bytes(_safetensors(_weights(vocabulary)))


def _vocabulary() -> dict[str, int]:
    """Bytes, then words with the blank before them, then marks."""
    tokens = [*_byte_letters(), *(f"Ġ{word}" for word in WORDS), BEGIN, END, ROLE, CALL, *CALL_TEXT]
    return {token: number for number, token in enumerate(tokens)}


def _byte_letters() -> list[str]:
    """GPT-2's letter for each byte: printable ones stand for themselves (openai/gpt-2, encoder.py)."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def _links(vocabulary: Mapping[str, int]) -> list[tuple[int, int]]:
    """Which token always follows which."""
    hand = [vocabulary[f"Ġ{SMILE}"], *"🙂".encode()]
    call = [vocabulary[token] for token in (CALL, *CALL_TEXT, END)]
    return [*itertools.pairwise(hand), *itertools.pairwise(call)]


def _weights(vocabulary: Mapping[str, int]) -> dict[str, Weights]:
    random = np.random.default_rng(SEED)

    def drawn(rows: int, columns: int, scale: float) -> Weights:
        return (random.standard_normal((rows, columns)) * scale).astype(np.float32)

    size = len(vocabulary)
    embeddings, head = drawn(size, HIDDEN, 1.0), drawn(size, HIDDEN, 0.3)
    embeddings[:, CHAINS:], head[:, CHAINS:] = 0.0, 0.0
    embeddings[:, ALWAYS] = 1.0
    _prefer(vocabulary, head, random)
    for place, (token, successor) in enumerate(_links(vocabulary)):
        embeddings[token, CHAINS + place], head[successor, CHAINS + place] = LINK, 5.0
    weights = {"model.embed_tokens.weight": embeddings, "lm_head.weight": head}
    weights["model.norm.weight"] = np.ones(HIDDEN, np.float32)
    for number in range(LAYERS):
        layer = {f"self_attn.{name}_proj": drawn(HIDDEN, HIDDEN, 0.15) for name in "qkvo"}
        layer |= {"mlp.gate_proj": drawn(INTERMEDIATE, HIDDEN, 0.15), "mlp.up_proj": drawn(INTERMEDIATE, HIDDEN, 0.15)}
        layer["mlp.down_proj"] = drawn(HIDDEN, INTERMEDIATE, 0.15)
        for name in ("self_attn.o_proj", "mlp.down_proj"):
            layer[name][CHAINS:] = 0.0  # no layer writes where the links stand
        layer |= {name: np.ones(HIDDEN, np.float32) for name in ("input_layernorm", "post_attention_layernorm")}
        weights |= {f"model.layers.{number}.{name}.weight": weight for name, weight in layer.items()}
    return weights


def _prefer(vocabulary: Mapping[str, int], head: Weights, random: np.random.Generator) -> None:
    """Words come by themselves; all else only when it must: under a grammar, what closes before what goes on."""
    for token, number in vocabulary.items():
        if not token.startswith("Ġ") or len(token) == 1:
            head[number, :CHAINS] = 0.0
            head[number, ALWAYS] = -LIKING - 0.001 * number
    for liked, letters in enumerate((",:", '"}]')):
        for letter in letters:
            head[vocabulary[letter], ALWAYS] = LIKING * liked
    smile, end = vocabulary[f"Ġ{SMILE}"], vocabulary[END]
    head[smile, ALWAYS], head[end, ALWAYS] = OFTEN, SELDOM
    head[end, :CHAINS] = random.standard_normal(CHAINS) * 0.3  # an answer ends where chance says so


def _safetensors(weights: Mapping[str, Weights]) -> bytes:
    """https://github.com/huggingface/safetensors#format: a length, a JSON table of contents, the bytes."""
    contents: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, weight in weights.items():
        raw = weight.tobytes()
        contents[name] = {
            "dtype": "F32",
            "shape": list(weight.shape),
            "data_offsets": [len(body), len(body) + len(raw)],
        }
        body += raw
    header = json.dumps(contents).encode()
    return struct.pack("<Q", len(header)) + header + body


def _config(vocabulary: Mapping[str, int]) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "float32",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": HIDDEN // HEADS,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "vocab_size": len(vocabulary),
        "bos_token_id": vocabulary[BEGIN],
        "eos_token_id": vocabulary[END],
    }


def _tokenizer(vocabulary: Mapping[str, int]) -> dict[str, Any]:
    marks = [BEGIN, END, ROLE, CALL, *CALL_TEXT]
    added = [
        {"id": vocabulary[mark], "content": mark, "special": mark not in CALL_TEXT}
        | {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        for mark in marks
    ]
    bytes_as_letters = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    words = {token: number for token, number in vocabulary.items() if token not in marks}
    model = {"type": "BPE", "vocab": words, "merges": [], "ignore_merges": True}
    return {
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": bytes_as_letters,
        "decoder": bytes_as_letters,
        "model": model,
    }


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
        "chat_template": TEMPLATE,
    }


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
