"""`warmfleet up` refuses a stack file with mistakes before it makes anything, and names all of them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_checkout import ROOT, Checkout

from scripts.exit_codes import USAGE, CommandError
from scripts.settings_check import config_texts, refuse_mistakes

PROJECT = (ROOT / "Pulumi.yaml").read_text()
RIGHT = """config:
  aws:region: us-east-1
  warmfleet:models:
    - {name: tiny, engine: llama.cpp, instance_types: [c7i.xlarge]}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    return tmp_path


def refusal(root: Path, stack_file: str) -> str:
    (root / "Pulumi.local.yaml").write_text(stack_file)
    with pytest.raises(CommandError) as caught:
        refuse_mistakes(root, "local")
    assert caught.value.exit_code == USAGE
    return str(caught.value)


def test_up_names_all_mistakes_of_all_kinds_at_once_and_makes_nothing(checkout: Checkout) -> None:
    file = checkout.root / "Pulumi.local.yaml"
    wrong = re.sub(r"gateway_nodes: .*", "gateway_nodes: two\n  warmfleet:gatway_port: 80", file.read_text())
    file.write_text(re.sub(r"slots: .*", "slots: 0", wrong))
    done = checkout.run("up")
    assert done.returncode == USAGE
    assert done.stderr.splitlines() == [
        "3 mistakes in Pulumi.local.yaml; nothing was changed:",
        "  models[0].slots is 0; must be at least 1",
        "  gateway_nodes is 'two'; must be a valid integer, unable to parse string as an integer",
        "  gatway_port is no setting; did you mean gateway_port?",
    ]
    assert not (checkout.root / ".warmfleet").exists()
    assert checkout.calls() == []


def test_up_names_file_and_line_of_broken_yaml(checkout: Checkout) -> None:
    (checkout.root / "Pulumi.local.yaml").write_text("config:\n  aws:region: us-east-1\n  warmfleet:models: [\n")
    done = checkout.run("up")
    assert done.returncode == USAGE
    assert "Pulumi.local.yaml, line 4, column 1: " in done.stderr
    assert "Traceback" not in done.stderr
    assert checkout.calls() == []


def test_the_committed_files_are_right() -> None:
    refuse_mistakes(ROOT, "local")


def test_the_projects_defaults_hold_unless_the_stack_says_otherwise(root: Path) -> None:
    (root / "Pulumi.local.yaml").write_text(f"{RIGHT}  warmfleet:gateway_nodes: 3\n")
    texts = config_texts(root, "local")
    assert (texts["warmfleet:gateway_nodes"], texts["warmfleet:zones"]) == ("3", "2")


def test_a_wrong_default_of_the_project_is_refused_too(root: Path) -> None:
    (root / "Pulumi.yaml").write_text(PROJECT.replace("default: t3.small", "default: t4g.small"))
    assert "gateway_instance_type is 't4g.small'; has an ARM processor" in refusal(root, RIGHT)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("warmfleet:deletion_protection: yes", "deletion_protection is 'yes'; must be true or false"),
        ("warmfleet:gateway_port: 8:30", "gateway_port is '8:30'; must be a valid integer"),
        ("gateway_port: 99999", "gateway_port is '99999'; must be at most 65535"),
        ("warmfleet:gateway_nodes:", "gateway_nodes is ''; must be a valid integer"),
        ("warmfleet:allowed_cidrs: 10.0.0.0/8", "allowed_cidrs is '10.0.0.0/8'; must be a list"),
        ("warmfleet:vpc_cidr: 2026-11-24", "vpc_cidr is '2026-11-24'; "),
    ],
)
def test_values_are_read_as_pulumis_cli_reads_them(root: Path, line: str, said: str) -> None:
    """As tried with the CLI: `yes` and 8:30 are text, and a key without a namespace belongs to the project."""
    assert said in refusal(root, f"{RIGHT}  {line}\n")


def test_a_key_that_stands_there_twice_is_named_with_its_line(root: Path) -> None:
    wrong = f"{RIGHT}  warmfleet:gateway_nodes: 1\n  warmfleet:gateway_nodes: 2\n"
    assert refusal(root, wrong).startswith("Pulumi.local.yaml, line 6, column 3: warmfleet:gateway_nodes stands there")


@pytest.mark.parametrize("text", ["- 1\n", "config: [1]\n", "config: yes\n", "text\n"])
def test_a_file_without_a_mapping_is_told_what_belongs_there(root: Path, text: str) -> None:
    assert refusal(root, text) == "Pulumi.local.yaml: `config` must be a mapping, one `warmfleet:NAME: VALUE` a line"


@pytest.mark.parametrize("content", [b"\xff\xfe\xff", b"config: \x07\n", b"config: !!int x\n"])
def test_a_file_that_is_no_text_is_one_clear_error(root: Path, content: bytes) -> None:
    (root / "Pulumi.local.yaml").write_bytes(content)
    with pytest.raises(CommandError, match=r"Pulumi\.local\.yaml") as caught:
        refuse_mistakes(root, "local")
    assert caught.value.exit_code == USAGE


def test_a_stack_file_that_is_gone_is_named_with_its_path(root: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot read .*/Pulumi\.local\.yaml: No such file") as caught:
        refuse_mistakes(root, "local")
    assert caught.value.exit_code == USAGE


def test_an_empty_stack_file_lacks_what_has_no_default(root: Path) -> None:
    needed = ("aws:region", "aws:allowedAccountIds", "models")
    assert refusal(root, "").splitlines()[1:] == [f"  {each} is missing; give it" for each in needed]


def test_commands_that_read_a_stack_file_do_not_load_pulumi() -> None:
    """It takes longer to load than most commands run."""
    code = "import sys, scripts.stack_target; print([name for name in sys.modules if name.startswith('pulumi')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
