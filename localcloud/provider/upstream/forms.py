"""The forms that the upstream provider's validators accept.

https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/verify/validate.go and
https://github.com/hashicorp/terraform-plugin-sdk/tree/main/helper/validation
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any


@dataclass(frozen=True)
class Form:
    """What a value must be like. `right` and `wrong` are examples at the limit: what is tested is what is written."""

    kind: type | tuple[type, ...]
    fits: Callable[[Any], bool]
    wanted: str
    right: Sequence[Any]
    wrong: Sequence[Any]

    def is_about(self, value: Any) -> bool:
        """Whether it is of the kind; what is not has been reported by its type."""
        return isinstance(value, self.kind) and not isinstance(value, bool)


NUMBER = (int, float)


def between(least: int, most: int) -> Form:
    """`IntBetween`."""
    wanted = f"{least} to {most}"
    return Form(NUMBER, lambda value: least <= value <= most, wanted, (least, most), (least - 1, most + 1))


def at_least(least: int) -> Form:
    """`IntAtLeast`."""
    return Form(NUMBER, lambda value: bool(value >= least), f"{least} or more", (least,), (least - 1,))


def number_of(*allowed: int) -> Form:
    """`IntInSlice`."""
    return Form(NUMBER, lambda value: value in allowed, f"one of {_listed(allowed)}", allowed, (allowed[-1] + 1,))


def zero_or_between(least: int, most: int) -> Form:
    """`Any(IntBetween(0, 0), IntBetween(…))`."""
    wanted = f"0, or {least} to {most}"
    return Form(NUMBER, lambda value: value == 0 or least <= value <= most, wanted, (0, least, most), (1, most + 1))


def seconds_of(*allowed: int) -> Form:
    """`Any(IntInSlice(…), IntDivisibleBy(60))`."""
    return Form(
        NUMBER,
        lambda value: value in allowed or value % 60 == 0,
        f"{_listed(allowed)} or a multiple of 60",
        (*allowed, 60, 300),
        (45,),
    )


def one_of(*allowed: str) -> Form:
    """`enum.Validate`, or `StringInSlice` that minds the case."""
    return Form(str, lambda value: value in allowed, f"one of {_listed(allowed)}", allowed, ("none-of-them",))


def one_of_any_case(*allowed: str) -> Form:
    """`StringInSlice` that does not mind the case."""
    folded = [each.casefold() for each in allowed]
    right = (*allowed, allowed[0].swapcase())
    return Form(str, lambda value: value.casefold() in folded, f"one of {_listed(allowed)}", right, ("none-of-them",))


def length(least: int, most: int) -> Form:
    """`StringLenBetween`; Go counts bytes."""
    return Form(
        str,
        lambda value: least <= len(value.encode()) <= most,
        f"{least} to {most} characters long",
        ("x" * most,),
        ("x" * (most + 1), *([""] if least else [])),
    )


def matching(pattern: str, wanted: str, right: Sequence[str], wrong: Sequence[str]) -> Form:
    """`StringMatch` of the whole value."""
    compiled = re.compile(pattern, re.ASCII)
    return Form(str, lambda value: compiled.fullmatch(value) is not None, wanted, right, wrong)


def name(most: int, characters: str, wanted: str) -> Form:
    """A name of 1 to `most` of the characters, which are a regular expression's class."""
    wrong = ("a" * (most + 1), "a name?", "")
    return matching(f"[{characters}]{{1,{most}}}", f"1 to {most} of {wanted}", ("a" * most,), wrong)


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


def _is_arn(text: str) -> bool:
    """`verify.ValidARN`."""
    parts = text.split(":", 5)
    if not text:
        return True
    if len(parts) != 6 or parts[0] != "arn" or not parts[5]:
        return False
    partition, region, account = parts[1], parts[3], parts[4]
    return (
        re.fullmatch(r"aws(-[a-z]+)*", partition) is not None
        and re.fullmatch(r"([a-z]{2}(-[a-z]+)+-\d{1,2})?", region) is not None
        and re.fullmatch(r"(aws|aws-managed|third-party|\d{12}|cw.{10})?", account) is not None
    )


def _is_range(text: str, least: int = 0, most: int = 32) -> bool:
    """`verify.ValidIPv4CIDRNetworkAddress`, `IsCIDRNetwork`: named by its first address."""
    try:
        return "/" in text and least <= IPv4Network(text).prefixlen <= most
    except ValueError:
        return False


def _is_ipv6_range(text: str) -> bool:
    try:
        return "/" in text and bool(IPv6Network(text))
    except ValueError:
        return False


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _is_identity_policy(text: str) -> bool:
    """`verify.ValidIAMPolicyJSON(10240)`: an object, no key twice, at most 10,240 bytes without white space."""
    try:
        document = json.loads(text, object_pairs_hook=_once) if text.startswith("{") else None
    except ValueError:
        return False
    return document is not None and len(json.dumps(document, separators=(",", ":")).encode()) <= 10_240


def _once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


_TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
ARN = Form(
    str, _is_arn, "an ARN: arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE", (_TOPIC, "arn:aws:iam::aws:policy/ReadOnly"),
    ("alerts", "arn:aws:sns:us-east-1:1234:alerts", "arn:aws:sns:somewhere:123456789012:alerts"),
)  # fmt: skip
IPV4_RANGE = Form(
    str, _is_range, "an IPv4 range named by its first address, such as 10.0.0.0/16", ("10.0.0.0/16", "0.0.0.0/0"),
    ("10.0.0.1/16", "10.0.0.0", "::/0"),
)  # fmt: skip
IPV6_RANGE = Form(
    str, _is_ipv6_range, "an IPv6 range named by its first address, such as 2001:db8::/32", ("::/0",),
    ("2001:db8::1/32", "10.0.0.0/16"),
)  # fmt: skip
VPC_RANGE = Form(
    str, lambda value: _is_range(value, 16, 28), "an IPv4 range from /16 to /28, such as 10.0.0.0/16",
    ("10.0.0.0/16", "10.0.0.0/28"), ("10.0.0.0/15", "10.0.0.0/29", "10.0.0.1/16"),
)  # fmt: skip
NOT_EMPTY = Form(str, bool, "a text that is not empty", ("x",), ("",))
JSON = Form(str, _is_json, "JSON", ("{}",), ("{", ""))
IDENTITY_POLICY = Form(
    str, _is_identity_policy, "a JSON object with each key once and at most 10240 characters",
    ('{"Statement": []}',), ("[]", "{", '{"a": 1, "a": 2}', json.dumps({"a": "x" * 10_240})),
)  # fmt: skip
BOOLEAN_TEXT = matching(
    "(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)?", "the text true or false", ("true", "false", ""), ("yes",)
)
WHOLE_NUMBER_TEXT = matching(r"\d*", "a whole number as text, 0 or more", ("0", "300", ""), ("-1", "soon"))
NUMBER_TEXT = matching(r"-?\d+(\.\d+)?|", "a number as text", ("0", "-2.5", "10", ""), ("soon", "1,5"))
DURATION = matching(
    r"0|([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+", "a duration such as 10m or 1h30m", ("0", "10m", "1h30m"), ("10", "-1m")
)
LOWER_CASE_KEYS = Form(
    Mapping, lambda value: all(key == key.lower() for key in value), "a map with keys in lower case",
    ({"sha256": "A"},), ({"Sha256": "a"},),
)  # fmt: skip
