"""docs/settings.md is what the code says, and explains every setting and output."""

from inference_service import contract
from infra.setting_mistakes import FOREIGN
from infra.settings import Model, Polls, StackSettings, Vllm
from scripts.settings_page import FLEET, OUTPUTS, PAGE, page


def test_the_page_is_the_one_that_the_code_writes() -> None:
    assert PAGE.read_text() == page(), "run: .venv/bin/python -m scripts.settings_page"


def test_every_setting_is_explained() -> None:
    groups = (StackSettings, Model, Vllm, Polls)
    names = {name for group in groups for name in group.model_fields} - set(FOREIGN)
    rows = [line.split(" | ") for line in page().splitlines() if line.startswith("| `")]
    explained = {row[0].strip("|` ") for row in rows if row[-1].strip(" |")}
    assert names <= explained


def test_every_output_of_the_contract_is_explained() -> None:
    named = {prefix: {v for k, v in vars(contract).items() if k.startswith(prefix)} for prefix in ("OUTPUT_", "FLEET_")}
    assert set(OUTPUTS) == named["OUTPUT_"]
    assert set(FLEET) == named["FLEET_"]
