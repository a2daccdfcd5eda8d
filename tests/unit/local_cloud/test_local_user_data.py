"""What the supervisor reads out of user data."""

import shlex

import pytest

from inference_service import contract
from localcloud.errors import UserDataError
from localcloud.user_data import read_variables


def script(*lines: str) -> str:
    block = [contract.VARIABLES_BEGIN, *lines, contract.VARIABLES_END]
    return "\n".join(["#!/bin/bash", "WARMFLEET_OUTSIDE='no'", *block, "WARMFLEET_AFTER='no'"])


def test_only_the_block_between_the_two_lines_is_read() -> None:
    found = read_variables(script("WARMFLEET_MODEL='smollm2'", "", "export WARMFLEET_SLOTS='4'"))
    assert found == {"WARMFLEET_MODEL": "smollm2", "WARMFLEET_SLOTS": "4"}


@pytest.mark.parametrize("value", ["", "a b", "it's", '{"a": "b $HOME `x` \\\\"}', "ü=#;"])
def test_a_value_is_what_a_shell_would_make_of_it(value: str) -> None:
    assert read_variables(script(f"WARMFLEET_VLLM={shlex.quote(value)}")) == {"WARMFLEET_VLLM": value}


@pytest.mark.parametrize(
    "line", ["rm -rf /", "PATH='/tmp'", "AWS_PROFILE='mine'", "WARMFLEET_A='x", "WARMFLEET_A='x' WARMFLEET_B='y'"]
)
def test_a_line_that_is_no_assignment_to_one_of_our_names_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(UserDataError, match=r"user data, line 5: .* is not WARMFLEET_NAME='value'"):
        read_variables(script("WARMFLEET_MODEL='m'", line))


@pytest.mark.parametrize("text", ["", "#!/bin/bash", contract.VARIABLES_BEGIN, script() + "\n" + script()])
def test_there_is_exactly_one_block(text: str) -> None:
    with pytest.raises(UserDataError, match=r"needs one line .*infra/user_data.py"):
        read_variables(text)
