"""The token between gateways and nodes: changed with overlap, known at once, and never needed twice from SSM."""

from botocore.exceptions import EndpointConnectionError

from inference_service import node_tokens
from inference_service.node.token import NodeTokens
from inference_service.node_tokens import NodeToken, in_use, maintained, parse, to_json

NOW = 1_800_000_000
A, B = NodeToken("a", NOW - 100_000), NodeToken("b", NOW)


def test_the_first_token_is_made_and_a_day_later_another_one_beside_it():
    (first,) = maintained((), NOW)
    assert len(first.token) > 40
    assert maintained([first], NOW + node_tokens.ROTATE_SECONDS - 1) == (first,)
    second, before = maintained([first], NOW + node_tokens.ROTATE_SECONDS)
    assert before == first
    assert second.token != first.token


def test_a_new_token_is_sent_once_every_gateway_knows_it_and_ends_the_one_before_an_hour_later():
    assert in_use([B, A], NOW + node_tokens.SPREAD_SECONDS - 1) == A
    assert in_use([B, A], NOW + node_tokens.SPREAD_SECONDS) == B
    assert maintained([B, A], NOW + node_tokens.OVERLAP_SECONDS - 1) == (B, A)
    assert maintained([B, A], NOW + node_tokens.OVERLAP_SECONDS) == (B,)


def test_the_document_is_read_newest_first():
    assert parse(to_json([A, B])) == (B, A)


class Ssm:
    """What SSM says, and how often it was asked."""

    def __init__(self, *tokens: NodeToken) -> None:
        self.tokens, self.reads, self.now = tokens, 0, 1000.0
        self.down = False

    def read(self) -> str:
        self.reads += 1
        if self.down:
            raise EndpointConnectionError(endpoint_url="http://ssm")
        return to_json(self.tokens)


def node(ssm: Ssm) -> NodeTokens:
    return NodeTokens(ssm.read, lambda: ssm.now)


async def test_a_node_learns_a_new_token_when_it_first_hears_it():
    ssm = Ssm(A)
    tokens = node(ssm)
    assert await tokens.check("Bearer a")
    ssm.tokens, ssm.now = (B, A), ssm.now + 1
    assert await tokens.check("bearer b")
    assert [await tokens.check(each) for each in ("Bearer a", "Bearer b")] == [True, True]
    assert ssm.reads == 2


async def test_wrong_tokens_do_not_make_a_node_ask_ssm_more_than_once_a_second():
    ssm = Ssm(A)
    tokens = node(ssm)
    for wrong in ("Bearer x", "Bearer ", "Basic a", None, "Bearer ä"):
        assert not await tokens.check(wrong)
    assert ssm.reads == 1


async def test_known_tokens_stay_while_ssm_fails_and_when_it_has_none():
    ssm = Ssm(A)
    tokens = node(ssm)
    assert await tokens.check("Bearer a")
    ssm.down, ssm.now = True, ssm.now + 10_000
    assert await tokens.check("Bearer a")
    ssm.down, ssm.tokens, ssm.now = False, (), ssm.now + 10_000
    assert await tokens.check("Bearer a")


async def test_a_token_that_ended_is_refused_minutes_later_by_a_node_that_hears_no_new_one():
    ssm = Ssm(A)
    tokens = node(ssm)
    assert await tokens.check("Bearer a")
    ssm.tokens, ssm.now = (B,), ssm.now + 300
    assert not await tokens.check("Bearer a")
