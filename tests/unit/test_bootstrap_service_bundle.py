"""The service bundle: the same inputs give the same bytes, and they install without an index, checked by hash.

The sources are this repository's; the pinned packages are tiny wheels made here, and their folder is pip's only index.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.service_bundle import BundleError, build
from scripts.service_wheels import Pin, download_failure, file_hash, parse_pins, union

ROOT = Path(__file__).parents[2]
HASH = "0" * 64


def make_wheel(folder: Path, name: str, tag: str) -> Path:
    """A wheel with one module, `name`, that answers `answer`."""
    path = folder / f"{name}-1.0-{tag}.whl"
    information = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"answer = {tag!r}\n",
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{information}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(
        f"{file},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}\n"
        for file, text in files.items()
    )
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in [*files.items(), (f"{information}/RECORD", f"{record}{information}/RECORD,,\n")]:
            wheel.writestr(zipfile.ZipInfo(file), text)
    return path


@pytest.fixture
def project(tmp_path: Path) -> SimpleNamespace:
    """Our sources with two pins: one wheel for every Python, and one for each Python of the nodes. Nodes want both."""
    root, index, said = tmp_path / "root", tmp_path / "index", []
    index.mkdir()
    shutil.copytree(
        ROOT / "inference_service", root / "inference_service", ignore=shutil.ignore_patterns("__pycache__")
    )
    # Our wheel's own dependencies are not in this index.
    text = (root / "inference_service" / "pyproject.toml").read_text()
    (root / "inference_service" / "pyproject.toml").write_text(
        "".join(line for line in text.splitlines(keepends=True) if not line.startswith("dependencies"))
    )
    shared = make_wheel(index, "shared_part", "py3-none-any")
    engine = [
        make_wheel(index, "engine_part", f"{python}-{python}-manylinux_2_28_x86_64") for python in ("cp311", "cp312")
    ]

    def pin(name: str, *wheels: Path) -> str:
        return Pin(name, "1.0", "python_full_version < '3.13'", frozenset(map(file_hash, wheels)) | {HASH}).line()

    (root / "requirements").mkdir()
    (root / "requirements" / "gateway.txt").write_text(pin("shared-part", shared))
    (root / "requirements" / "converge.txt").write_text(pin("shared-part", shared))
    (root / "requirements" / "vllm.txt").write_text("vllm==1.0\n")
    (root / "ansible" / "roles").mkdir(parents=True)
    (root / "ansible" / "boot.yml").write_text("[]\n")
    (root / "ansible" / "README.md").write_text("for operators\n")
    (root / "requirements" / "node.txt").write_text(pin("engine-part", *engine) + pin("shared-part", shared))
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index),
    }  # fmt: skip

    def run(out: str = "out") -> str:
        return build(root, tmp_path / out, report=said.append, environ=environ)

    return SimpleNamespace(
        root=root, index=index, out=tmp_path / "out", tmp=tmp_path, environ=environ, said=said, build=run
    )


def unpack(project: SimpleNamespace) -> Path:
    """As a node does it."""
    node = Path(project.tmp / "node")
    node.mkdir()
    subprocess.run(["tar", "-xzf", str(project.out / "bundle.tar.gz"), "-C", str(node)], check=True, timeout=60)
    return node


def states(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_the_manifest_describes_the_archive_and_every_file_in_it(project: SimpleNamespace) -> None:
    version = project.build()
    text = (project.out / "manifest.json").read_bytes()
    assert hashlib.sha256(text).hexdigest() == version
    manifest = json.loads(text)
    assert manifest["format"] == 1
    unpacked = unpack(project)
    found = {str(path.relative_to(unpacked)): path for path in unpacked.rglob("*") if path.is_file()}
    assert {file["path"] for file in manifest["files"]} == found.keys()
    for file, path in [(file, found[file["path"]]) for file in manifest["files"]] + [
        (manifest["archive"], project.out / "bundle.tar.gz")
    ]:
        assert (file["bytes"], file["sha256"]) == (path.stat().st_size, file_hash(path))
    assert len(list(unpacked.glob("wheels/engine_part-*.whl"))) == 2


def test_the_same_sources_give_the_same_bytes_whatever_the_clock_and_the_umask(project: SimpleNamespace) -> None:
    version = project.build("out")
    for path in (project.root / "inference_service").rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (1e9, 1e9))
    project.environ["SOURCE_DATE_EPOCH"] = "1000000000"
    assert project.build("other") == version
    assert file_hash(project.out / "bundle.tar.gz") == file_hash(project.tmp / "other" / "bundle.tar.gz")


def test_unchanged_inputs_fetch_and_write_nothing(project: SimpleNamespace) -> None:
    version = project.build()
    before = states(project.out)
    shutil.rmtree(project.index)
    project.said.clear()
    assert project.build() == version
    assert (states(project.out), project.said) == (before, [])


@pytest.mark.parametrize("path", ["inference_service/contract.py", "inference_service/node/new_file.py"])
def test_a_changed_source_gives_another_version(project: SimpleNamespace, path: str) -> None:
    version = project.build()
    with (project.root / path).open("a") as source:
        source.write("# changed\n")
    assert project.build() != version


@pytest.mark.parametrize("name", ["bundle.tar.gz", "manifest.json", ".inputs.json"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("{}")], ids=["removed", "overwritten"])
def test_a_damaged_bundle_is_made_again(project: SimpleNamespace, name: str, damage: Callable[[Path], object]) -> None:
    version = project.build()
    archive = file_hash(project.out / "bundle.tar.gz")
    damage(project.out / name)
    assert project.build() == version
    assert file_hash(project.out / "bundle.tar.gz") == archive


def test_a_cached_wheel_that_differs_from_its_pin_is_fetched_again(project: SimpleNamespace) -> None:
    version = project.build()
    wheel = next(Path(project.tmp / "cache").rglob("shared_part-*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"altered")
    shutil.rmtree(project.out)
    assert project.build() == version
    assert any("differ from their pins" in text for text in project.said)


@pytest.mark.parametrize(("role", "modules"), [("node", 2), ("gateway", 1)])
def test_a_role_installs_from_the_bundle_alone_with_hashes(project: SimpleNamespace, role: str, modules: int) -> None:
    project.build()
    unpacked = unpack(project)
    if sys.version_info[:2] not in ((3, 11), (3, 12)):
        pytest.skip("nodes have Python 3.11 or 3.12; this one is newer")
    target = project.tmp / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", "wheels", "--require-hashes"]
    install += ["--target", str(target), "--requirement", f"requirements/{role}.txt"]
    environ = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull}
    subprocess.run(install, cwd=unpacked, env=environ, check=True, capture_output=True, timeout=60)
    assert len(list(target.glob("*_part.py"))) == modules
    script = (
        f"import sys; sys.path.insert(0, {str(target)!r}); import inference_service.contract as c; print(c.__file__)"
    )
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], check=True, capture_output=True, text=True, timeout=60
    )
    assert shown.stdout.strip() == str(target / "inference_service" / "contract.py")
    names = {path.name for path in target.iterdir()}
    assert not names & {"infra", "localcloud", "scripts", "pyproject.toml"}
    assert not (target / "inference_service" / "pyproject.toml").exists()


def test_a_wheel_that_the_index_altered_is_refused(project: SimpleNamespace) -> None:
    make_wheel(project.index, "shared_part", "py3-none-any").write_bytes(b"other")
    with pytest.raises(BundleError, match="serves other files than requirements"):
        project.build()
    assert not project.out.exists()


def test_a_missing_wheel_for_a_nodes_python_is_named(project: SimpleNamespace) -> None:
    next(project.index.glob("engine_part-*cp312*")).unlink()
    with pytest.raises(BundleError, match=r"no wheel for Python 3\.12 on Linux x86-64: .*engine-part"):
        project.build()


def test_no_network_is_one_sentence_with_the_remedy() -> None:
    said = [
        "WARNING: Retrying after connection broken by 'NewConnectionError(...)'",
        "ERROR: Could not find a version that satisfies the requirement aiohttp==3.14.5 (from versions: none)",
    ]
    sentence = download_failure(said, "3.11")
    assert sentence.startswith("no package index can be reached")
    assert "check the network" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    "line", ["aiohttp", "aiohttp>=3", "aiohttp==3.14.5", f"aiohttp --hash=sha256:{HASH}", "-r other.txt"]
)
def test_a_requirement_without_version_and_hash_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "node.txt").write_text(f"# comment\n{line}\n")
    with pytest.raises(BundleError, match="not pinned by version and hash; run: make requirements"):
        parse_pins(tmp_path / "node.txt")


def test_a_pin_is_written_as_it_was_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"a-b==1.0 ; python_version < '3.12' \\\n    --hash=sha256:{HASH}\n")
    [pin] = parse_pins(tmp_path / "a.txt")
    assert pin == Pin("a-b", "1.0", "python_version < '3.12'", frozenset({HASH}))
    assert pin.line() == (tmp_path / "a.txt").read_text()


def test_markers_are_read_for_the_nodes_python_and_not_for_this_one() -> None:
    assert [
        Pin("a", "1", "python_full_version < '3.12'", frozenset()).wanted_on(python) for python in ("3.11", "3.12")
    ] == [
        True,
        False,
    ]
    assert not Pin("a", "1", "sys_platform == 'win32'", frozenset()).wanted_on("3.12")


def test_node_and_gateway_must_pin_the_same_versions() -> None:
    with pytest.raises(BundleError, match="a is pinned differently for nodes and gateways"):
        union([[Pin("a", "1", "", frozenset({HASH}))], [Pin("a", "2", "", frozenset({HASH}))]])


def test_this_repositorys_node_and_gateway_share_their_pins() -> None:
    sets = [parse_pins(ROOT / "requirements" / f"{role}.txt") for role in ("node", "gateway")]
    assert {pin.name for pin in union(sets)} == {pin.name for pins in sets for pin in pins}
