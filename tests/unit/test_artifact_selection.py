"""Which files may become a version."""

import struct
from pathlib import Path

import pytest

from inference_service.artifacts.errors import UnpublishableError
from inference_service.artifacts.selection import select

GGUF = b"GGUF\x03\x00\x00\x00"
SAFETENSORS = struct.pack("<Q", 2) + b"{}"


def hugging_face(root: Path) -> Path:
    """A directory as the hub gives it."""
    (root / "nested").mkdir(parents=True)
    (root / ".cache").mkdir()
    (root / ".cache" / "lock.bin").write_bytes(b"x")
    (root / "model.safetensors").write_bytes(SAFETENSORS)
    (root / "nested" / "config.json").write_text("{}")
    (root / "tokenizer.model").write_bytes(b"x")
    (root / "LICENSE").write_text("Apache-2.0")
    return root


def test_a_directory_keeps_its_tree_and_leaves_hidden_files_behind(tmp_path: Path):
    files = select([hugging_face(tmp_path / "model")], allow_code=False)
    assert [file.path for file in files] == ["LICENSE", "model.safetensors", "nested/config.json", "tokenizer.model"]


def test_a_file_keeps_its_name(tmp_path: Path):
    (tmp_path / "m.gguf").write_bytes(GGUF)
    assert [file.path for file in select([tmp_path / "m.gguf"], allow_code=False)] == ["m.gguf"]


@pytest.mark.parametrize(
    "name", ["w.bin", "w.pt", "w.pth", "w.pkl", "w.ckpt", "modeling.py", "lib.so", "run", "w.onnx"]
)
def test_formats_that_may_carry_code_need_a_flag(tmp_path: Path, name: str):
    root = hugging_face(tmp_path / "model")
    (root / name).write_bytes(b"x")
    with pytest.raises(UnpublishableError, match=name):
        select([root], allow_code=False)
    assert name in [file.path for file in select([root], allow_code=True)]


@pytest.mark.parametrize("name", ["w.gguf", "w.safetensors"])
def test_a_pickle_by_another_name_is_found_out(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"\x80\x04\x95" + b"\xff" * 20)
    with pytest.raises(UnpublishableError, match=f"{name}: not a"):
        select([tmp_path / name], allow_code=False)


def test_every_problem_is_named_at_once(tmp_path: Path):
    (tmp_path / "w.bin").write_bytes(b"x")
    (tmp_path / "m.gguf").write_bytes(GGUF)
    paths = [tmp_path / "gone.gguf", tmp_path / "w.bin", tmp_path / "m.gguf", tmp_path / "m.gguf", tmp_path / "lost"]
    with pytest.raises(UnpublishableError) as refused:
        select(paths, allow_code=False)
    text = str(refused.value)
    assert all(
        part in text for part in ("gone.gguf: no such", "lost: no such", "w.bin: format .bin", "m.gguf: given twice")
    )


def test_a_version_without_weights_is_none(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UnpublishableError, match="no weights"):
        select([tmp_path / "config.json"], allow_code=False)


def test_the_manifests_name_is_taken(tmp_path: Path):
    (tmp_path / "m.gguf").write_bytes(GGUF)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(UnpublishableError, match="taken by the manifest"):
        select([tmp_path / "m.gguf", tmp_path / "manifest.json"], allow_code=False)
