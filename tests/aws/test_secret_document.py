"""A secret document with several writers, on SSM: nobody's change is lost."""

from typing import Any

import pytest

from inference_service.secret_document import SecretDocument
from localcloud.aws.in_process import local_aws

NAME = "secret"


@pytest.fixture
def ssm() -> Any:
    with local_aws() as aws:
        client = aws.client("ssm")
        client.put_parameter(Name=NAME, Value="-", Type="SecureString")
        yield client


class Overtaken:
    """An SSM client whose first write comes after somebody else's."""

    def __init__(self, ssm: Any, other: str) -> None:
        self._ssm, self._other = ssm, [other]

    def get_parameter(self, **asked: Any) -> Any:
        return self._ssm.get_parameter(**asked)

    def put_parameter(self, **asked: Any) -> Any:
        for text in self._other:
            self._ssm.put_parameter(Name=NAME, Value=text, Type="SecureString", Overwrite=True)
        self._other = []
        return self._ssm.put_parameter(**asked)


def test_a_change_is_made_on_what_is_there(ssm: Any) -> None:
    document = SecretDocument(ssm, NAME)
    assert document.change(lambda text: text + "a") == "-a"
    assert document.read() == "-a"
    assert ssm.get_parameter(Name=NAME)["Parameter"]["Type"] == "SecureString"


def test_a_change_that_was_overtaken_is_made_again_on_the_others(ssm: Any) -> None:
    assert SecretDocument(Overtaken(ssm, "-b"), NAME).change(lambda text: text + "a") == "-ba"
    assert SecretDocument(ssm, NAME).read() == "-ba"


def test_a_change_that_the_others_rules_out_leaves_theirs(ssm: Any) -> None:
    def only_on_a_dash(text: str) -> str:
        if text != "-":
            raise ValueError(text)
        return "mine"

    with pytest.raises(ValueError, match="-b"):
        SecretDocument(Overtaken(ssm, "-b"), NAME).change(only_on_a_dash)
    assert SecretDocument(ssm, NAME).read() == "-b"
