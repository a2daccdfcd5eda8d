"""The local cloud's replies beside AWS's own, as `make verify-aws` recorded them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localcloud.aws.cloud import ACCOUNT
from localcloud.aws.in_process import LocalAws, local_aws
from scripts.aws_verification.questions import QUESTIONS, Subject, answer
from scripts.aws_verification.shapes import differences, shape
from scripts.aws_verification.walk import subject_of
from scripts.stack_outputs import parse
from tests.stacks.program import ROOT, run, stack_settings

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))
# What is known to differ, by question: each line is one of docs/fidelity.md, too.
KNOWN: dict[str, list[str]] = {}


@dataclass(frozen=True)
class Standing:
    """A stack of which one node runs, as when AWS is asked."""

    aws: LocalAws
    subject: Subject

    def shape(self, name: str) -> Any:
        return shape(answer(QUESTIONS[name], self.aws, self.subject))


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    bundle = tmp_path_factory.mktemp("service")
    (bundle / "bundle.tar.gz").write_bytes(b"wheels")
    (bundle / "manifest.json").write_text(json.dumps({"format": 1}))
    with local_aws("127.77") as aws:
        outputs = run(aws, stack_settings(ROOT / "Pulumi.dev.yaml"), bundle).outputs
        subject = subject_of(parse(outputs, "dev"), outputs)
        aws.client("autoscaling").set_desired_capacity(AutoScalingGroupName=subject.group, DesiredCapacity=1)
        aws.client("s3").put_object(Bucket=subject.bucket, Key="models/m/1/manifest.json", Body=b"{}")
        aws.tick(3)
        yield Standing(aws, subject)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_answered_or_refused_as_its_name_says(standing: Standing, name: str) -> None:
    reply = standing.shape(name)
    assert ("Error" in reply) == name.startswith("refused-"), reply
    assert any(reply.values())  # something is there to compare


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_shape_names_no_account_and_no_resource(standing: Standing, name: str) -> None:
    text = json.dumps(standing.shape(name))
    for secret in (ACCOUNT, standing.subject.bucket, standing.subject.group):
        assert secret not in text


@pytest.mark.skipif(not RECORDED, reason="no reply of AWS is recorded so far: make verify-aws")
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: str(path.stem))
def test_the_local_cloud_answers_as_aws_did(standing: Standing, path: Path) -> None:
    assert sorted(differences(json.loads(path.read_text()), standing.shape(path.stem))) == KNOWN.get(path.stem, [])
