"""Every resource type through its whole life, in the same way: made, read, changed, replaced, deleted."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from localcloud.provider import operations
from localcloud.provider.handlers import ALL
from localcloud.provider.registry import handler_for
from localcloud.provider.resource import Aws, Handler
from localcloud.provider.values import Asset, Properties
from localcloud.provider.waiting import Waiting
from tests.aws.provider.cases import CASES, GONE
from tests.aws.provider.world import World

# Versioning can only be suspended; a default group and a topic's policy are there as long as their VPC and topic.
STAY = {
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:sns/topicPolicy:TopicPolicy",
}
every_type = pytest.mark.parametrize("token", [cls.token for cls in ALL])


def checked(handler: Handler, inputs: Properties, before: Properties | None = None) -> Properties:
    after, problems = operations.check(handler, "thing", inputs, before or {}, seed=b"", tags={})
    assert problems == []
    return after


def make(handler: Handler, aws: Aws, inputs: Properties) -> operations.Made:
    made = operations.create(handler, aws, inputs)
    assert made.failure == ""
    return made


def without_gone(inputs: Properties) -> Properties:
    return {key: value for key, value in inputs.items() if value is not GONE}


def assert_no_drift(handler: Handler, aws: Aws, made: operations.Made, inputs: Properties) -> None:
    found = operations.read(handler, aws, made.id, inputs, made.state)
    assert found is not None
    assert found.state == made.state
    assert found.inputs == inputs
    assert not operations.difference(handler, inputs, found.inputs, ()).changed


@every_type
def test_a_new_resource_reads_as_it_was_made_and_shows_no_change(token: str, aws: Aws, world: World) -> None:
    handler = handler_for(token)
    inputs = checked(handler, CASES[token].inputs(world))
    made = make(handler, aws, inputs)
    for key in (inputs.keys() & handler.outputs) - {operations.NAMED_BY_US}:
        assert handler.same(key, made.state[key], inputs[key]) or _extends(made.state[key], inputs[key]), key
    assert set(handler.read(aws, made.id, made.state)) <= handler.outputs
    assert_no_drift(handler, aws, made, inputs)


@every_type
def test_changed_inputs_are_changed_in_place_and_changed_back(token: str, aws: Aws, world: World) -> None:
    handler = handler_for(token)
    inputs = checked(handler, CASES[token].inputs(world))
    first = make(handler, aws, inputs)
    if not (changes := CASES[token].updates(world, inputs)):
        assert handler.top_level_inputs() <= handler.replaced_by, f"{token} has inputs that no case updates"
        return
    changed = without_gone({**inputs, **changes})
    difference = operations.difference(handler, inputs, changed, ())
    assert set(difference.changed) == set(changes)
    assert not difference.replacing

    second = operations.update(handler, aws, first.id, changed, first.state)
    assert second.failure == ""
    assert second.id == first.id
    assert second.state != first.state
    assert_no_drift(handler, aws, second, changed)

    third = operations.update(handler, aws, first.id, inputs, second.state)
    assert third.failure == ""
    assert_no_drift(handler, aws, third, inputs)
    varying = handler.changing | {"policy"}
    # AWS may list more by now, with its default: what has once been set.
    assert {key: third.state.get(key) for key in first.state if key not in varying} == {
        key: value for key, value in first.state.items() if key not in varying
    }


@every_type
def test_inputs_that_aws_cannot_change_ask_for_a_new_resource(token: str, aws: Aws, world: World) -> None:
    handler = handler_for(token)
    inputs = checked(handler, CASES[token].inputs(world))
    for name in handler.replaced_by:
        difference = operations.difference(handler, inputs, {**inputs, name: "another"}, ())
        assert difference.replacing == (name,)
    if not CASES[token].replaces:
        return
    old, other = make(handler, aws, inputs), checked(handler, {**CASES[token].inputs(world), **CASES[token].replaces})
    difference = operations.difference(handler, inputs, {**inputs, **CASES[token].replaces}, ())
    assert set(difference.replacing) == set(CASES[token].replaces)
    new = make(handler, aws, other)
    operations.delete(handler, aws, old.id, old.state)
    assert_no_drift(handler, aws, new, other)


@every_type
def test_a_deleted_resource_is_gone_and_deleting_it_again_is_no_error(token: str, aws: Aws, world: World) -> None:
    handler = handler_for(token)
    inputs = checked(handler, CASES[token].inputs(world))
    made = make(handler, aws, inputs)
    operations.delete(handler, aws, made.id, made.state)
    if token not in STAY:
        assert operations.read(handler, aws, made.id, inputs, made.state) is None
    operations.delete(handler, aws, made.id, made.state)


class Broken:
    """A client of which every call fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return self._fail

    def _fail(self, *arguments: Any, **named: Any) -> Any:
        raise self._error


ERRORS = (
    ClientError({"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}, "Any"),
    ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed"}}, "Any"),
    ClientError({"Error": {"Code": "InternalFailure", "Message": "500"}}, "Any"),
    EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
)
KNOWN = (
    "name",
    "function",
    "rule",
    "targetId",
    "autoscalingGroupName",
    "bucket",
    "key",
    "routeTableId",
    "destinationCidrBlock",
    "securityGroupId",
)


@every_type
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__ + str(error)[18:30])
def test_only_not_found_means_gone(token: str, error: Exception) -> None:
    handler, known = handler_for(token), dict.fromkeys(KNOWN, "x/y:z")
    broken = Aws(lambda service: Broken(error), "us-east-1", Waiting())
    with pytest.raises(type(error)):
        operations.read(handler, broken, "x/y:z", {}, known)
    with pytest.raises(type(error)):
        operations.delete(handler, broken, "x/y:z", known)


def test_every_type_has_a_case_and_is_listed_once() -> None:
    assert sorted(CASES) == sorted(cls.token for cls in ALL)


def _extends(present: Any, given: Any) -> bool:
    """Whether AWS has at least what was given: it adds defaults to nested settings."""
    if isinstance(given, dict):
        return isinstance(present, dict) and all(_extends(present.get(key), value) for key, value in given.items())
    if isinstance(given, list):
        return len(present) == len(given) and all(_extends(*pair) for pair in zip(present, given, strict=True))
    return bool(present == given)


def test_a_changed_file_is_uploaded_again_and_a_moved_one_is_not(aws: Aws, world: World, tmp_path: Any) -> None:
    handler = handler_for("aws:s3/bucketObjectv2:BucketObjectv2")
    (tmp_path / "bundle").write_text("one")
    before = Asset(path=str(tmp_path / "bundle"), sha256="1" * 64)
    inputs = {"bucket": world.bucket(), "key": "bundle", "source": before}
    made = make(handler, aws, inputs)
    moved = {**inputs, "source": Asset(path="/elsewhere/bundle", sha256="1" * 64)}
    assert not operations.difference(handler, inputs, moved, ()).changed
    (tmp_path / "bundle").write_text("two")
    changed = {**inputs, "source": Asset(path=str(tmp_path / "bundle"), sha256="2" * 64)}
    assert operations.difference(handler, inputs, changed, ()).changed == ("source",)
    assert operations.update(handler, aws, made.id, changed, made.state).failure == ""
    assert world.client("s3").get_object(Bucket=inputs["bucket"], Key="bundle")["Body"].read() == b"two"
