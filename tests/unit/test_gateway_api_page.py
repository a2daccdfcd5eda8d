"""docs/api.md names every parameter, header and error code, in the class that the code puts it in."""

import re
from pathlib import Path

from inference_service import contract
from inference_service.node.chat_request import IGNORED, NEUTRAL, USED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()


def rows(title: str) -> dict[str, str]:
    """Each name in the first column of a section's table, with the last column's text."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    cells = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {name: row[-1].strip() for row in cells for name in re.findall(r"`([^`]+)`", row[0])}


def test_every_parameter_stands_in_its_class():
    said = rows("Parameters of a chat completion")
    del said["warmfleet"]
    assert set(said) == USED | IGNORED | set(NEUTRAL)
    assert {name for name, text in said.items() if text.startswith("passed")} == USED
    ignored = {name for name, text in said.items() if text.startswith("ignored")}
    assert ignored == IGNORED
    assert {name for name, text in said.items() if text.startswith("refused")} == set(NEUTRAL)


def test_every_header_and_endpoint_is_there():
    assert {contract.HEADER_REQUEST_ID, contract.HEADER_DEADLINE, contract.HEADER_MODEL_VERSION} <= set(rows("Headers"))
    paths = [value for name, value in vars(contract).items() if name.startswith("PATH_")]
    assert contract.PATH_FLEET in paths
    assert all(f"{path}`" in PAGE for path in paths)


def test_every_error_code_of_the_gateway_is_there():
    source = "".join(path.read_text() for path in (ROOT / "inference_service" / "gateway").glob("*.py"))
    codes = set(re.findall(r'code="(\w+)"', source))
    assert {"no_warm_node", "stream_interrupted", "model_not_found"} <= codes
    assert {code for code in codes if f"`{code}`" not in PAGE} == {"internal_error"}  # says itself that it is a fault
