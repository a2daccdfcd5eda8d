"""API keys: what is kept of them, rotation with overlap, revocation, and what a key may ask for."""

import pytest

from inference_service import api_keys
from inference_service.api_keys import ApiKey, ApiKeysError
from inference_service.gateway.errors import ApiError
from inference_service.gateway.key_limits import KeyLimits
from inference_service.gateway.keys import KeyRing

NOW = 1_800_000_000.0


def test_only_a_hash_is_kept_and_the_key_is_found_by_it():
    text, keys = api_keys.created((), "search", NOW)
    document = api_keys.to_json(keys)
    secret = text.removeprefix(f"{api_keys.PREFIX}-{keys[0].id}-")
    assert len(secret) > 40
    assert secret not in document
    assert api_keys.found(api_keys.parse(document), text, NOW) == keys[0]
    assert api_keys.found(keys, text[:-1] + ("a" if text[-1] != "a" else "b"), NOW) is None


def test_a_rotation_leaves_both_secrets_good_until_the_overlap_is_over():
    old, keys = api_keys.created((), "search", NOW, per_minute=6, at_once=2)
    new, keys = api_keys.rotated(keys, "search", NOW, 60)
    for text, later, good in ((old, 59, True), (old, 60, False), (new, 59, True), (new, 10**9, True)):
        assert (api_keys.found(keys, text, NOW + later) is not None) == good
    assert {(key.per_minute, key.at_once) for key in keys} == {(6, 2)}
    with pytest.raises(ApiKeysError, match=f"revoke {keys[0].id}"):
        api_keys.rotated(keys, "search", NOW + 1, 60)
    _, again = api_keys.rotated(keys, "search", NOW + 61, 60)
    assert [key.id for key in again][:1] == [keys[1].id]


def test_a_rotation_without_overlap_ends_the_old_secret_at_once():
    old, keys = api_keys.created((), "search", NOW)
    new, keys = api_keys.rotated(keys, "search", NOW, 0)
    assert (api_keys.found(keys, old, NOW), api_keys.found(keys, new, NOW)) == (None, keys[0])


def test_a_key_is_revoked_by_its_name_and_one_secret_by_its_id():
    _, keys = api_keys.created((), "search", NOW)
    _, keys = api_keys.rotated(keys, "search", NOW, 60)
    assert api_keys.revoked(keys, keys[0].id, NOW) == keys[1:]
    assert api_keys.revoked(keys, "search", NOW) == ()
    with pytest.raises(ApiKeysError, match="no key other"):
        api_keys.revoked(keys, "other", NOW)


@pytest.mark.parametrize("name", ["", "Search", "a b", "-a", "a" * 33])
def test_names_that_could_not_stand_in_logs_are_refused(name: str):
    with pytest.raises(ApiKeysError, match="no name for a key"):
        api_keys.created((), name, NOW)


def test_a_name_is_taken_once_and_a_limit_is_at_least_one():
    _, keys = api_keys.created((), "search", NOW)
    with pytest.raises(ApiKeysError, match="there is a key search already"):
        api_keys.created(keys, "search", NOW)
    with pytest.raises(ApiKeysError, match="a limit of 0"):
        api_keys.created((), "search", NOW, at_once=0)


def test_more_keys_than_ssm_has_room_for_are_refused():
    keys: tuple[ApiKey, ...] = ()
    for number in range(25):
        _, keys = api_keys.created(keys, f"team-{number}", NOW)
    _, keys = api_keys.created(keys, "n" * 32, NOW)
    fat = tuple(ApiKey("1", str(number), "x" * 43, 1) for number in range(60))
    with pytest.raises(ApiKeysError, match="above SSM's 4096"):
        api_keys.created(fat, "one-more", NOW)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"keys": [{"id": 1}]}', '{"keys": 3}', '{"keys": [{"secret": "hunter2"}]}']
)
def test_a_document_that_is_none_is_refused_without_a_word_of_it(text: str):
    with pytest.raises(ApiKeysError) as error:
        api_keys.parse(text)
    assert "hunter2" not in str(error.value)


def ring(*, private: bool) -> KeyRing:
    return KeyRing(configured=True, private=private, now=lambda: NOW)


def test_without_any_key_only_a_gateway_that_nobody_else_reaches_is_open():
    closed, private = ring(private=False), ring(private=True)
    for each in (closed, private):
        with pytest.raises(ApiError) as unknown:
            each.check(None)
        assert (unknown.value.status, unknown.value.code) == (503, "keys_unknown")
        each.learn('{"keys": []}')
    assert private.check(None) is None
    with pytest.raises(ApiError) as refused:
        closed.check("Bearer anything")
    assert refused.value.status == 401


def test_a_document_that_is_none_changes_no_key():
    keys, (text, made) = ring(private=False), api_keys.created((), "search", NOW)
    keys.learn(api_keys.to_json(made))
    with pytest.raises(ApiKeysError):
        keys.learn("nonsense")
    assert keys.check(f"bearer {text}") == made[0]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def key(**limits: int) -> ApiKey:
    return ApiKey("1", "search", "", 0, **limits)  # type: ignore[arg-type]


def test_requests_at_once_never_exceed_the_limit_and_both_secrets_share_it():
    limits = KeyLimits(1, Clock())
    with limits.admit(key(at_once=2)), limits.admit(key(at_once=2)):
        with pytest.raises(ApiError) as refused, limits.admit(key(at_once=2)):
            pass
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
    with limits.admit(key(at_once=2)):
        pass


def test_a_minute_has_no_more_requests_than_allowed_and_says_when_to_come_back():
    clock, admitted = Clock(), 0
    limits = KeyLimits(1, clock)

    def ask() -> ApiError | None:
        nonlocal admitted
        try:
            with limits.admit(key(per_minute=6)):
                admitted += 1
        except ApiError as error:
            return error
        return None

    while (refused := ask()) is None:
        pass
    assert (admitted, refused.code, refused.kind, refused.headers["Retry-After"]) == (
        6,
        "rate_limit_exceeded",
        "requests",
        "10",
    )
    clock.now += 9
    assert ask() is not None
    clock.now += 1
    assert ask() is None
    assert ask() is not None


def test_each_gateway_allows_its_share():
    limits = KeyLimits(2, Clock())
    with limits.admit(key(at_once=3)), limits.admit(key(at_once=3)), pytest.raises(ApiError):
        limits.admit(key(at_once=3)).__enter__()


def test_nothing_is_kept_of_keys_that_ask_for_nothing():
    clock = Clock()
    limits = KeyLimits(1, clock)
    with limits.admit(key(per_minute=60)):
        pass
    clock.now += 2
    limits.forget_idle()
    assert limits._uses == {}
