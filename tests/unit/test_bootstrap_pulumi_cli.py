"""Which Pulumi CLI is used, and what a machine without one is told. `pulumi` and `go` are scripts, alone on PATH."""

import contextlib
import io
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from scripts import pulumi_build
from scripts.pulumi_build import LINKER_FLAGS, PACKAGE, VERSION, PulumiCliError, build_failure, cache_home, cached_cli
from scripts.pulumi_cli import ensure, parse_version, printer

ROOT = Path(__file__).parents[2]
GO = """#!/bin/sh
# A Go that "compiles" two packages in a process of their own, which waits for `continue` if there is a file `hold`.
here=$(dirname "$0")
case "$1" in
    version) echo "go version go1.26.8 linux/amd64" ;;
    list) echo "go: downloading example.org/module v1.0.0" >&2; echo example.org/module; echo @PACKAGE@ ;;
    build)
        echo example.org/module >&2
        (cd "$here" && sh -c 'echo $$ >>builds; while [ -e hold ] && [ ! -e continue ]; do sleep 0.05; done')
        for last in "$@"; do [ "$previous" = -o ] && output=$last; previous=$last; done
        echo "$last" >&2
        echo built >"$output"
        chmod +x "$output" ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> SimpleNamespace:
    """bin/ (the PATH, with the tools of the scripts here), a cache, and what was reported."""
    (tmp_path / "bin").mkdir()
    for name in ("sh", "dirname", "sleep", "chmod"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    environ = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    said: list[str] = []

    def add(name: str, text: str) -> Path:
        program = tmp_path / "bin" / name
        program.write_text(text.replace("@PACKAGE@", PACKAGE))
        program.chmod(0o755)
        return program

    return SimpleNamespace(
        add=add, environ=environ, said=said, bin=tmp_path / "bin", cli=cached_cli(environ),
        ensure=lambda: ensure(ROOT, report=said.append, environ=environ),
    )  # fmt: skip


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "not within 20 s"
        time.sleep(0.01)


def runs(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.230.0\n", (3, 230, 0)),
        ("v3.231.0-alpha.1+dirty", (3, 231, 0)),
        ("3.99.1", (3, 99, 1)),
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.25 linux/amd64", (1, 25, 0)),
        ("go version go1.26rc1 linux/amd64", (1, 26, 0)),
        ("command not understood", None),
        ("", None),
    ],
)
def test_versions_are_read_as_the_tools_print_them(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("version", ["v3.230.0", "v3.272.0"])
def test_a_recent_cli_on_path_is_used_and_nothing_is_built(machine: SimpleNamespace, version: str) -> None:
    official = machine.add("pulumi", f"#!/bin/sh\necho {version}\n")
    machine.add("go", GO)
    assert machine.ensure() == official
    assert machine.said == []
    assert not machine.cli.exists()


def test_an_old_cli_is_named_with_its_version_and_not_used(machine: SimpleNamespace) -> None:
    machine.add("pulumi", "#!/bin/sh\necho v3.99.0\n")
    machine.add("go", GO)
    assert machine.ensure() == machine.cli
    assert re.search(r"pulumi \(3\.99\.0\) is not used: Pulumi CLI 3\.230 or newer is needed", machine.said[0])


def test_a_cli_that_fails_is_not_used(machine: SimpleNamespace) -> None:
    machine.add("pulumi", "#!/bin/sh\necho v3.272.0; exit 1\n")
    machine.add("go", GO)
    assert machine.ensure() == machine.cli


def test_the_cached_build_is_used_without_asking_go(machine: SimpleNamespace) -> None:
    go = machine.add("go", GO)
    built = machine.ensure()
    go.unlink()
    machine.said.clear()
    assert (machine.ensure(), machine.said) == (built, [])


def test_the_build_reports_modules_packages_and_linking(
    machine: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi_build, "REPORT_SECONDS", 0)
    machine.add("go", GO)
    machine.ensure()
    kinds = [text.removeprefix(f"Pulumi CLI {VERSION}: ") for text in machine.said]
    assert kinds[1:] == [
        "fetching its Go modules: 1",
        "compiling it with Go: 1 of 2 packages",
        "compiled; linking",
        "built",
    ]


@pytest.mark.parametrize(
    ("pulumi", "go", "found"),
    [
        (None, None, "pulumi not on PATH; go not on PATH"),
        ("v3.99.0", None, r"pulumi \S+ \(3\.99\.0\); go not on PATH"),
        (None, "go1.19.8", r"pulumi not on PATH; go \S+ \(1\.19\.8\)"),
        (None, "go1.25.7", r"\(1\.25\.7\)"),
        (None, "rubbish", r"go \S+ \(gives no version\)"),
    ],
)
def test_one_error_says_what_was_found_what_is_needed_and_how_to_get_it(
    machine: SimpleNamespace, pulumi: str | None, go: str | None, found: str
) -> None:
    if pulumi:
        machine.add("pulumi", f"#!/bin/sh\necho {pulumi}\n")
    if go:
        machine.add("go", f"#!/bin/sh\necho go version {go} linux/amd64\n")
    with pytest.raises(PulumiCliError) as error:
        machine.ensure()
    assert re.search(found, str(error.value))
    assert "Pulumi CLI 3.230 or newer, or Go 1.25.8 or newer" in str(error.value)
    assert "curl -fsSL https://get.pulumi.com | sh" in str(error.value)


def test_two_runs_at_once_build_once(machine: SimpleNamespace) -> None:
    machine.add("go", GO)
    (machine.bin / "hold").touch()
    results: list[Path] = []
    threads = [threading.Thread(target=lambda: results.append(machine.ensure()), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: any("waiting for that build" in text for text in machine.said))
    (machine.bin / "continue").touch()
    for thread in threads:
        thread.join(20)
    assert results == [machine.cli, machine.cli]
    assert len((machine.bin / "builds").read_text().splitlines()) == 1


def test_an_interrupt_ends_the_compiler_and_leaves_nothing(machine: SimpleNamespace) -> None:
    machine.add("go", GO)
    (machine.bin / "hold").touch()
    builds = machine.bin / "builds"
    run = subprocess.Popen(
        [sys.executable, "-m", "scripts.pulumi_cli"], cwd=ROOT, env=machine.environ, stderr=subprocess.PIPE, text=True
    )
    until(lambda: builds.exists() and builds.read_text().endswith("\n"))
    compiler = int(builds.read_text())
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted")
    assert "Traceback" not in said
    assert sorted(path.name for path in machine.cli.parent.iterdir()) == [".lock"]
    until(lambda: not runs(compiler))
    (machine.bin / "hold").unlink()
    assert machine.ensure() == machine.cli


def test_what_a_killed_build_left_is_removed(machine: SimpleNamespace) -> None:
    machine.add("go", GO)
    (machine.cli.parent / ".build-killed").mkdir(parents=True)
    machine.ensure()
    assert sorted(path.name for path in machine.cli.parent.iterdir()) == [".lock", "pulumi"]


def test_a_failed_build_shows_the_compilers_last_words_and_caches_nothing(machine: SimpleNamespace) -> None:
    machine.add("go", GO.replace('echo built >"$output"', 'echo "x.go:1: undefined: y" >&2; exit 1'))
    with pytest.raises(PulumiCliError, match=r"status 1:[\s\S]*undefined: y"):
        machine.ensure()
    assert not machine.cli.exists()


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        (
            "write /tmp/go-build1/b2/x: no space left on device",
            r"no disk space.*free some space, or set XDG_CACHE_HOME",
        ),
        (
            'Get "https://x": dial tcp: lookup x: no such host',
            r"could not fetch.*no such host.*check the network or GOPROXY",
        ),
    ],
)
def test_a_full_disk_and_a_missing_network_have_their_own_sentence(line: str, remedy: str) -> None:
    assert re.search(remedy, build_failure(["internal/abi", line], 1))


def test_a_full_cache_disk_is_found_before_the_build(machine: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.add("go", GO)
    monkeypatch.setattr(pulumi_build.shutil, "disk_usage", lambda path: SimpleNamespace(free=3 * 2**20))
    with pytest.raises(PulumiCliError, match=r"3 MiB free in .*, 200 MiB needed; free some space"):
        machine.ensure()


def test_the_cache_follows_xdg_but_only_with_an_absolute_path() -> None:
    assert cache_home({"HOME": "/home/a", "XDG_CACHE_HOME": "/var/b"}) == Path("/var/b/warmfleet")
    assert cache_home({"HOME": "/home/a", "XDG_CACHE_HOME": "relative"}) == Path("/home/a/.cache/warmfleet")
    assert cache_home({"HOME": "/home/a"}) == Path("/home/a/.cache/warmfleet")


def test_the_go_module_pins_the_version_that_the_cache_is_named_after() -> None:
    module = (ROOT / "tools" / "pulumi" / "go.mod").read_text()
    assert f"tool {PACKAGE}\n" in module
    assert re.search(rf"^\s*github.com/pulumi/pulumi/pkg/v3 v{re.escape(VERSION)}\b", module, re.M)
    assert ".".join(map(str, pulumi_build.LEAST_GO)) == re.search(r"^go (\S+)$", module, re.M)[1]  # type: ignore[index]
    readme = (ROOT / "tools" / "pulumi" / "README.md").read_text()
    assert LINKER_FLAGS in readme


def test_a_log_shows_each_kind_of_progress_and_then_a_line_now_and_then() -> None:
    now, log = [0.0], io.StringIO()
    report = printer(log, clock=lambda: now[0])
    for second in range(50):
        now[0] = second
        report(f"compiling: {second} of 100 packages")
    report("linking")
    assert log.getvalue().splitlines() == [
        "compiling: 0 of 100 packages",
        "compiling: 20 of 100 packages",
        "compiling: 40 of 100 packages",
        "linking",
    ]
