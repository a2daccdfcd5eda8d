"""Compiled code of an engine: its key, and what may come out of its archive."""

import io
import tarfile
from dataclasses import fields, replace
from pathlib import Path

import pytest

from inference_service.artifacts import compile_cache
from inference_service.artifacts.compile_cache import CacheFacts, pack, read_facts, unpack
from inference_service.artifacts.errors import IntegrityError, InvalidDocumentError

FACTS = CacheFacts("m", "v1", "1" * 64, "vllm 0.32.0, torch 2.13.0", "NVIDIA L4, 8.9", "x86_64", ("--dtype", "auto"))


def archive_of(path: Path, *members: tuple[str, bytes | None]) -> Path:
    """An archive of FACTS with these members; None makes a symbolic link to /etc/passwd."""
    with tarfile.open(path, "w") as archive:
        for name, content in ((compile_cache.FACTS_NAME, FACTS.to_json()), *members):
            member = tarfile.TarInfo(name)
            member.size = len(content or b"")
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member, io.BytesIO(content or b""))
    return path


def test_the_key_depends_on_every_fact_and_on_nothing_else():
    others = {replace(FACTS, **{field.name: "other"}).key() for field in fields(CacheFacts) if field.name != "flags"}
    others.add(replace(FACTS, flags=("--dtype", "float16")).key())
    assert len(others) == len(fields(CacheFacts))
    assert FACTS.key() not in others
    assert compile_cache.parse(FACTS.to_json()).key() == FACTS.key()
    assert (
        FACTS.key() == "26757526fa49a7b727f1aac8a3d7c17c"
    )  # of stored caches: a change of it makes all of them useless


def test_what_was_packed_comes_out_and_links_do_not(tmp_path: Path):
    source, archive, target = tmp_path / "source", tmp_path / "cache.tar", tmp_path / "target"
    (source / "torch_compile_cache").mkdir(parents=True)
    (source / "torch_compile_cache" / "kernel.so").write_bytes(b"code")
    (source / ".lock").write_bytes(b"")
    (source / "link").symlink_to("/etc/passwd")
    assert pack(source, FACTS, archive) == 2
    unpack(archive, FACTS.key(), target)
    found = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert found == {"torch_compile_cache/kernel.so": b"code", ".lock": b""}


def test_facts_are_read_from_the_beginning_of_a_long_archive(tmp_path: Path):
    path = archive_of(tmp_path / "a.tar", ("cache/big", bytes(1 << 20)))
    assert read_facts(io.BytesIO(path.read_bytes()[: 64 << 10])) == FACTS


@pytest.mark.parametrize(
    ("name", "content"),
    [("cache/../../escaped", b"x"), ("/cache/absolute", b"x"), ("elsewhere", b"x"), ("cache/link", None)],
)
def test_nothing_but_plain_files_below_the_folder_comes_out(tmp_path: Path, name: str, content: bytes | None):
    path = archive_of(tmp_path / "a.tar", ("cache/right", b"x"), (name, content))
    with pytest.raises(IntegrityError, match="plain files below cache/ are needed"):
        unpack(path, FACTS.key(), tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_an_archive_of_another_key_is_refused(tmp_path: Path):
    with pytest.raises(IntegrityError, match=f"says of itself that its key is {FACTS.key()}"):
        unpack(archive_of(tmp_path / "a.tar"), replace(FACTS, gpu="NVIDIA H100").key(), tmp_path / "target")


@pytest.mark.parametrize("raw", [b"", b"no archive at all", bytes(2048)])
def test_what_is_no_archive_is_refused_as_such(tmp_path: Path, raw: bytes):
    (tmp_path / "a.tar").write_bytes(raw)
    with pytest.raises(InvalidDocumentError):
        unpack(tmp_path / "a.tar", FACTS.key(), tmp_path / "target")


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b"{}",
        FACTS.to_json().replace(b'"m"', b"1"),
        FACTS.to_json().replace(b'"m"', b'"../m"'),
        FACTS.to_json().replace(b'"gpu"', b'"graphics"'),
    ],
)
def test_facts_that_are_none_are_refused(raw: bytes):
    with pytest.raises(InvalidDocumentError):
        compile_cache.parse(raw)
