"""Commands that cannot do what was asked: 64 for wrong usage, 1 for a failure, one message, no traceback."""

import errno
import re
import subprocess
from pathlib import Path

import pytest
from cli_checkout import Checkout

from scripts import cli
from scripts.cli import run

COMMANDS = [
    ["up"], ["down"], ["env"], ["status"], ["ask"], ["logs"], ["doctor"], ["check"], ["preview"], ["drift"], ["cost"],
    ["service", "build"], ["backend", "init"], ["models", "publish"], ["models", "list"], ["models", "activate"],
    ["models", "rollback"],
]  # fmt: skip
NEED_THE_CLOUD = [
    ["env"],
    ["status"],
    ["ask", "why?"],
    ["models", "list"],
    ["models", "activate", "tiny", "v1"],
    ["models", "rollback", "tiny"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example_and_json(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "dumb")
    assert run([*command, "--help"]) == 0
    printed = capsys.readouterr().out
    assert f"Example: {'eval' if command == ['env'] else 'warmfleet ' + ' '.join(command)}" in printed
    assert "--json" in printed


@pytest.mark.parametrize(
    "arguments",
    [["up", "--nonsense"], ["nonsense"], ["models", "activate", "tiny"], ["up", "--wait", "long"], ["models"], []],
    ids=" ".join,
)
def test_wrong_usage_is_64_with_the_reason_on_stderr(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 64
    printed = capsys.readouterr()
    assert "Usage:" in printed.err + printed.out
    assert ("Error" in printed.err) == (arguments not in ([], ["models"]))


@pytest.mark.parametrize("arguments", NEED_THE_CLOUD, ids=" ".join)
def test_without_a_local_cloud_a_command_says_how_to_start_it(checkout: Checkout, arguments: list[str]) -> None:
    done = checkout.run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "`make up`" in done.stderr
    assert "Traceback" not in done.stderr


def test_up_with_hosts_says_what_this_machine_lacks_for_them(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout.root)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("scripts.settings_check.refuse_mistakes", lambda *_: None)
    monkeypatch.setattr("scripts.machine_checks.refuse_unfit", lambda _: None)
    assert run(["up", "--nodes", "hosts"]) == 64
    assert "instances cannot be hosts here: hosts need root" in capsys.readouterr().err
    assert not (checkout.root / ".warmfleet" / "cloud.json").exists()


def test_only_local_instances_can_be_hosts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "prod", "--nodes", "hosts"]) == 64
    assert "instances on AWS are machines" in capsys.readouterr().err


def test_outside_a_checkout_a_command_says_so(checkout: Checkout, tmp_path: Path) -> None:
    done = subprocess.run(
        checkout.command("status"), cwd=tmp_path, env=checkout.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 64
    assert re.search(r"no Pulumi\.yaml in .*: change into a checkout", done.stderr)


def test_a_model_that_the_stack_does_not_have_is_named_with_those_that_it_has(checkout: Checkout) -> None:
    done = checkout.run("ask", "why?", "--model", "huge", "--stack", "dev")
    assert done.returncode == 64
    assert "'huge' is not in this stack, which has: tiny" in done.stderr


def test_a_stack_that_was_not_built_to_its_end_is_named_with_the_remedy(checkout: Checkout) -> None:
    (checkout.bin / "outputs.json").write_text('{"region": "us-east-1"}')
    done = checkout.run("status", "--stack", "dev")
    assert done.returncode == 1
    assert "bucketName" in done.stderr
    assert "pulumi up --stack dev" in done.stderr


def test_a_stack_that_pulumi_cannot_read_is_named_with_its_words_and_the_way_to_the_backend(checkout: Checkout) -> None:
    (checkout.bin / "pulumi").write_text(
        "#!/bin/sh\n[ $1 = version ] && echo v3.230.0 && exit\n"
        "echo 'warning: using a language host' >&2; echo \"error: no stack named 'dev' found\" >&2; exit 255\n"
    )
    done = checkout.run("status", "--stack", "dev")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "the outputs of stack dev cannot be read: pulumi stack output --json --stack dev: no stack named 'dev' found",
        "sign in to its backend with `pulumi login`, or name another one of `pulumi stack ls` by --stack",
    ]


def test_down_where_nothing_runs_says_so_and_succeeds(checkout: Checkout) -> None:
    for _ in range(2):
        done = checkout.run("down")
        assert (done.returncode, done.stdout) == (0, "nothing is running, nothing to remove\n")
    assert checkout.calls() == []


def test_env_unset_needs_no_cloud_and_takes_everything_of_pulumi_and_aws_away(checkout: Checkout) -> None:
    done = checkout.run("env", "--unset", AWS_PROFILE="mine", PULUMI_BACKEND_URL="file:///x")
    assert done.returncode == 0
    assert re.search(r"^unset .*AWS_PROFILE.*PULUMI_BACKEND_URL", done.stdout, re.M)


def test_an_error_while_cleaning_up_after_an_interrupt_is_still_an_interrupt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def doctor() -> None:
        try:
            raise KeyboardInterrupt
        except BaseException:
            raise RuntimeError("NoSuchUpload") from None

    monkeypatch.setattr(cli, "doctor", doctor)
    assert run(["doctor"]) == 130
    assert capsys.readouterr().err == "interrupted; the same command goes on from here\n"


def test_a_full_disk_is_one_clear_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def doctor() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/x/model.gguf")

    monkeypatch.setattr(cli, "doctor", doctor)
    assert run(["doctor"]) == 1
    assert "no disk space" in (printed := capsys.readouterr().err)
    assert "/x/model.gguf" in printed


def test_what_nobody_foresaw_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def doctor() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "doctor", doctor)
    with pytest.raises(ZeroDivisionError):
        run(["doctor"])
