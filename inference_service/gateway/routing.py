"""Where a request goes, and what a client hears when it can go nowhere. Pure."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference_service import contract
from inference_service.gateway.errors import ApiError
from inference_service.gateway.expected_ready import PRIOR_SECONDS
from inference_service.gateway.node_view import NodeView

MOST_IMBALANCE = 1.25  # times the mean load
# Retry-After, in whole seconds. OpenAI's SDKs obey up to a minute, and wait their own half second for anything longer
# (openai/_base_client.py, _calculate_retry_timeout).
LONGEST_RETRY_AFTER_SECONDS = 60
LOADING_SECONDS = 5  # a node is on its way, and how long that takes was never measured
FAILING_SECONDS = 30  # nodes run, but each one says why it cannot serve
BUSY_SECONDS = 1
LONGEST_REASON = 160
# Parts of a node's error text that are nobody's business outside: paths and URLs, addresses, instance ids, ARNs.
INTERNALS = re.compile(r"\S*[/\\]\S*|\barn:\S+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\bi-[0-9a-f]{8,}\b")
ON_ITS_WAY = (contract.STATE_DOWNLOADING, contract.STATE_LOADING, contract.STATE_WARMING)


@dataclass(frozen=True)
class Load:
    """One node that could take a request, in tokens to decode: what is ahead per slot, and what its prompt adds there.

    `turn` numbers the requests: the node's last one.
    """

    view: NodeView
    ahead: float
    prompt: float
    turn: int = 0


def choose(loads: Sequence[Load], answer_tokens: float) -> Load | None:
    """The node with the least expected work; None without nodes.

    A node that knows the prompt's beginning is ahead by what it need not read, but never when it is more than a quarter
    above the mean load and one answer: consistent hashing's bound (https://arxiv.org/abs/1608.01350). Of equal nodes
    that one is next whose last turn is longest ago.
    """
    if not loads:
        return None
    mean = sum(each.ahead for each in loads) / len(loads)
    bound = MOST_IMBALANCE * mean + answer_tokens
    within = [each for each in loads if each.ahead <= bound] or loads
    return min(within, key=lambda each: (each.ahead + each.prompt, each.turn))


def no_warm_node(
    views: Iterable[NodeView], model: str, now: float, measured: float | None, *, listed: bool
) -> ApiError:
    """Why nobody can answer for `model`, in words, and when to try again.

    Args:
        now: on the clock of the views, in seconds.
        measured: seconds that a warm-up of this model takes; None before one was seen.
        listed: whether EC2 has ever told this gateway which nodes exist.
    """
    mine = [view for view in views if view.found.model == model]
    if not mine and not listed:
        text, wait = "The gateway does not know its nodes yet: AWS has not told it.", Wait(LOADING_SECONDS, None)
    elif not mine:
        text, wait = f"No node of model `{model}` is running.", _after(measured or PRIOR_SECONDS)
    else:
        text, wait = _nodes_not_ready(mine, model), _until_one_is_ready(mine, now, measured)
    expected = {} if wait.expected is None else {contract.HEADER_EXPECTED_READY: str(wait.expected)}
    return ApiError(503, text, code="no_warm_node", retry_after=wait.retry_after, headers=expected)


@dataclass(frozen=True)
class Wait:
    """Whole seconds: when to ask again, and when a node is expected to be warm, where that can be said."""

    retry_after: int
    expected: int | None


def _after(seconds: float) -> Wait:
    expected = max(1, math.ceil(seconds))
    return Wait(min(expected, LONGEST_RETRY_AFTER_SECONDS), expected)


def _nodes_not_ready(views: list[NodeView], model: str) -> str:
    states = Counter(_in_words(view) for view in views)
    listing = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    plural = "node of model" if len(views) == 1 else "nodes of model"
    text = f"No node is warm: {len(views)} {plural} `{model}` ({listing})."
    # Only what the node itself reported: our own wording of a failed poll names addresses.
    reasons = [reason for view in views if (reason := _reported_reason(view))]
    return text + (f" One says: {shortened(reasons[0])}" if reasons else "")


def _until_one_is_ready(views: list[NodeView], now: float, measured: float | None) -> Wait:
    coming = [view for view in views if view.state in ON_ITS_WAY and not _reported_reason(view)]
    coming += [view for view in views if view.state is None and view.seen_at is None]
    if coming:
        left = (measured or PRIOR_SECONDS) - max(now - view.found_at for view in coming)
        wait = _after(left)
        return wait if measured else Wait(min(wait.retry_after, LOADING_SECONDS), wait.expected)
    if any(view.state == contract.STATE_READY for view in views):
        return Wait(LOADING_SECONDS, None)
    if any(view.state in ON_ITS_WAY for view in views):
        return Wait(FAILING_SECONDS, None)
    return _after(measured or PRIOR_SECONDS)


def _in_words(view: NodeView) -> str:
    if view.state is None:
        return "not answering" if view.seen_at is not None else "starting"
    return "failing" if view.state == contract.STATE_READY else view.state


def _reported_reason(view: NodeView) -> str | None:
    return None if view.report is None else view.report.get("error")


def shortened(reason: str) -> str:
    """A node's error text for clients: one line, without paths, addresses and ids, at most 160 characters."""
    line = INTERNALS.sub("…", reason.strip().split("\n")[0])
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"
