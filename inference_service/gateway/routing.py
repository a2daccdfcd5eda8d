"""Where a request goes, and what a client hears when it can go nowhere. Pure."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from inference_service import contract
from inference_service.gateway.errors import ApiError
from inference_service.gateway.node_view import NodeView

# Retry-After, in whole seconds.
LAUNCH_SECONDS = 120  # nothing runs: an estimate of launch, download and load of a small model, until it is measured
LOADING_SECONDS = 5  # a node is on its way
FAILING_SECONDS = 30  # nodes run, but each one says why it cannot serve
BUSY_SECONDS = 1
LONGEST_REASON = 160
# Parts of a node's error text that are nobody's business outside: paths and URLs, addresses, instance ids, ARNs.
INTERNALS = re.compile(r"\S*[/\\]\S*|\barn:\S+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\bi-[0-9a-f]{8,}\b")
ON_ITS_WAY = (contract.STATE_DOWNLOADING, contract.STATE_LOADING, contract.STATE_WARMING)


def choose(
    views: Iterable[NodeView],
    model: str,
    in_flight: Mapping[str, int],
    turns: Mapping[str, int],
    tried: Collection[str] = (),
    version: str | None = None,
) -> NodeView | None:
    """The least loaded of the nodes that can serve `model`, or None.

    Load is requests per slot, of this gateway and of others. Of equal nodes that one is next whose last turn is longest
    ago: `turns` numbers the requests and holds each node's last. With a `version` only nodes that serve it count.
    """
    candidates = [
        view
        for view in views
        if view.found.model == model
        and view.routable
        and view.found.instance_id not in tried
        and (version is None or view.version == version)
    ]
    return min(candidates, key=lambda view: _order(view, in_flight, turns), default=None)


def _order(view: NodeView, in_flight: Mapping[str, int], turns: Mapping[str, int]) -> tuple[float, int]:
    instance_id = view.found.instance_id
    load = (in_flight.get(instance_id, 0) + view.others_in_flight) / view.slots
    return load, turns.get(instance_id, 0)


def no_warm_node(views: Iterable[NodeView], model: str, *, listed: bool) -> ApiError:
    """Why nobody can answer for `model`, in words, and when to try again.

    Args:
        listed: whether EC2 has ever told this gateway which nodes exist.
    """
    mine = [view for view in views if view.found.model == model]
    if not mine and not listed:
        text, seconds = "The gateway does not know its nodes yet: AWS has not told it.", LOADING_SECONDS
    elif not mine:
        text, seconds = f"No node of model `{model}` is running.", LAUNCH_SECONDS
    else:
        text, seconds = _nodes_not_ready(mine, model)
    return ApiError(503, text, code="no_warm_node", retry_after=seconds)


def _nodes_not_ready(views: list[NodeView], model: str) -> tuple[str, int]:
    states = Counter(_in_words(view) for view in views)
    listing = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    plural = "node of model" if len(views) == 1 else "nodes of model"
    text = f"No node is warm: {len(views)} {plural} `{model}` ({listing})."
    # Only what the node itself reported: our own wording of a failed poll names addresses.
    reasons = [reason for view in views if (reason := _reported_reason(view))]
    if reasons:
        text += f" One says: {shortened(reasons[0])}"
    return text, _seconds_until_one_is_ready(views)


def _seconds_until_one_is_ready(views: list[NodeView]) -> int:
    if any(view.state in ON_ITS_WAY and not _reported_reason(view) for view in views):
        return LOADING_SECONDS
    if any(view.state == contract.STATE_READY or (view.state is None and view.seen_at is None) for view in views):
        return LOADING_SECONDS
    if any(view.state in ON_ITS_WAY for view in views):
        return FAILING_SECONDS
    return LAUNCH_SECONDS


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
