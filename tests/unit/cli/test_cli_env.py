"""What `eval "$(warmfleet env)"` does to a shell."""

import subprocess

from scripts.commands.env import script


def shell(text: str, question: str, name: str = "sh", **environ: str) -> str:
    done = subprocess.run(
        [name, "-ec", f"{text}\n{question}"], env={"PATH": "/usr/bin:/bin", **environ}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout


def test_values_arrive_in_the_shell_as_they_are_whatever_is_in_them() -> None:
    nasty = "a b'c\"d $HOME `date` \\ ;#"
    assert shell(script({"X": nasty}, (), entering=True), 'printf %s "$X"') == nasty


def test_variables_that_lead_elsewhere_are_gone_afterwards() -> None:
    text = script({}, ("AWS_PROFILE", "PULUMI_ACCESS_TOKEN"), entering=True)
    assert shell(text, 'echo "${AWS_PROFILE-gone} ${PULUMI_ACCESS_TOKEN-gone}"', AWS_PROFILE="mine") == "gone gone\n"


def test_the_prompt_is_marked_once_and_cleared_again() -> None:
    enter, leave = script({}, (), entering=True), script({}, (), entering=False)
    assert shell(enter + enter, 'echo "$PS1"', PS1="$ ") == "(warmfleet local) $ \n"
    assert shell(enter + leave, 'echo "$PS1"', PS1="$ ") == "$ \n"


def test_another_stack_takes_the_first_ones_place_in_the_prompt() -> None:
    local, dev = (script({}, (), entering=True, stack=stack) for stack in ("local", "dev"))
    prompt = "PS1='(venv) $ '\n"
    for name in ("sh", "bash"):
        assert shell(prompt + local + dev, 'echo "$PS1"', name) == "(warmfleet dev) (venv) $ \n"
        assert shell(prompt + dev + script({}, (), entering=False), 'echo "$PS1"', name) == "(venv) $ \n"


def test_a_script_without_a_prompt_gets_none() -> None:
    assert shell(script({}, (), entering=True), 'echo "${PS1-none}"', "bash") == "none\n"
