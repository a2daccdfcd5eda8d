"""The Lambda function: once a minute it looks at every fleet, plans, remembers, and only then acts (minute.py).

The state is written with a condition before anything is changed: of two runs that overlap one writes, and acts; the
other raises and leaves it at that. A run that dies in between is made up for by the next minute's, or by another one
of the same minute: EventBridge delivers at least once. Nothing but the runtime's own boto3 is needed.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import boto3

from infra.planner import cloud, quota
from infra.planner.fleet import Settings
from infra.planner.look import look
from infra.planner.minute import Planned, act


def handle(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """EventBridge's entry: `event.time` is the minute that this run is for."""
    session: Any = boto3.Session()
    clients = cloud.Clients(*(session.client(name) for name in cloud.NAMES))
    return run(Settings.read(os.environ), clients, moment(event["time"]))


def moment(text: str) -> float:
    """Unix seconds of an EventBridge time, as 2026-11-28T08:15:00Z."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC).timestamp()


def run(settings: Settings, clients: cloud.Clients, now: float) -> dict[str, Any]:
    """Plan every fleet; what was done, by model. One fleet's failure is told last, and stops no other's plan."""
    events, receipts = cloud.receive_events(clients.sqs, settings.queue_url)
    done: dict[str, Any] = {}
    failures: list[Exception] = []
    planned: list[Planned] = []
    for fleet in settings.fleets:
        try:
            planned.append(Planned.of(look(settings, clients, fleet, now, events)))
        except Exception as error:
            failures.append(error)
    for one in within_quotas(planned, clients.quotas):
        try:
            done[one.seen.fleet.model] = act(settings, clients, one)
        except Exception as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup("not every fleet was planned; the last safe plan stands", failures)
    if not any(one.seen.is_repeated for one in planned):  # else the next minute learns of them, when they are back
        cloud.forget_events(clients.sqs, settings.queue_url, receipts)
    return done


def within_quotas(planned: Sequence[Planned], client: Any) -> list[Planned]:
    """The same, but for fleets that want more than the quotas of vCPUs which they share can give: these plan anew."""
    uses = {use.pool: use for one in planned for use in one.uses()}
    limits = cloud.vcpu_limits(client, {use.quota for use in uses.values() if use.lacks})
    most = quota.most_by_pool(list(uses.values()), limits)
    refusals = {pool: quota.refusal(uses[pool], count, limits[uses[pool].quota]) for pool, count in most.items()}
    return [one.limited(most, refusals) for one in planned]
