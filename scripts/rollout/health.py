"""What speaks against a candidate: refused, late, lost again, or worse answers. Pure."""

from collections.abc import Iterable

from inference_service.artifacts import Pointer
from scripts.rollout.history import Answers, History
from scripts.rollout.member import Member

LEAST_FAILED = 2  # one failed answer may be its request's fault
SHARE_FACTOR, SHARE_MARGIN = 2.0, 0.01  # how much worse than the current version is worse
AGAIN = "; put that right, then activate it again, or another version"


def failure(pointer: Pointer, wave: Iterable[Member], history: History, now: float) -> str | None:
    """Why a node of the wave shows that the candidate is not to be served; None while none does."""
    assert pointer.candidate
    version = pointer.candidate.version
    for node in wave:
        log = f"; more: `warmfleet logs {node.instance_id}`"
        if node.refused == version:
            return f"{node.instance_id} cannot serve {version}: {node.error or 'it gives no reason'}{log}{AGAIN}"
        if node.state and node.instance_id in history.proven and _lost(node, pointer, history):
            why = node.error or f"it is {node.state} with {node.version or 'no version'}, process {node.process}"
            return f"{node.instance_id} served {version} and then failed: {why}{log}{AGAIN}"
        waited = now - history.pending.get(node.instance_id, now)
        if waited > history.patience_seconds:
            return f"{node.words()}; it does not serve {version} after {waited:.0f} s{log}{AGAIN}"
    return None


def _lost(node: Member, pointer: Pointer, history: History) -> bool:
    """Whether a node that has served the candidate fell out, or its service was started again."""
    assert pointer.candidate
    return not node.serves(pointer.candidate) or node.process != history.proven[node.instance_id]


def worse(pointer: Pointer, wave: Iterable[Member], history: History) -> str | None:
    """How the candidate's answers are worse than the current version's at the same time; None if they are not."""
    assert pointer.candidate
    serving = [node for node in wave if node.serves(pointer.candidate)]
    its = Answers(sum(node.answered for node in serving), sum(node.failed for node in serving))
    others = history.current_answers
    if its.failed < LEAST_FAILED or its.failed_share <= SHARE_FACTOR * others.failed_share + SHARE_MARGIN:
        return None
    worst = max(serving, key=lambda node: node.failed)
    return (
        f"{pointer.candidate.version} failed {its.failed} of {its.answered} answers, {pointer.current.version} "
        f"{others.failed} of {others.answered}; most on {worst.instance_id}: "
        f"`warmfleet logs {worst.instance_id}`{AGAIN}"
    )
