"""Entitlements: what a user may do by the subscription that is in force."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from tektree.models.accounts import Tier
from tektree.models.subscriptions import Subscription, SubscriptionStatus
from tektree.policy import Policy
from tektree.rules import subscriptions

__all__ = ["Entitlements", "entitlements"]


class Entitlements(NamedTuple):
    """The tier in force, and the quotas of a month that come with it; None is no limit.

    ``tier`` is free where the subscription is not in force; ``paid_tier`` is what it is for. ``grace`` is true while a
    payment is missing and the tier stays for some days more. ``until`` is when it ends, if it is known to.
    """

    tier: Tier
    status: SubscriptionStatus
    quotas: Mapping[str, int | None]
    paid_tier: Tier = "free"
    grace: bool = False
    until: datetime | None = None


def entitlements(found: Subscription | None, policy: Policy, now: datetime) -> Entitlements:
    """What is in force at ``now``; without a subscription, what is free."""
    if found is None:
        return Entitlements("free", "active", policy.quotas.get("free", {}))
    current = subscriptions.as_of(found, now)
    entitled = subscriptions.is_entitled(current, policy, now)
    tier = current.tier if entitled else "free"
    until = current.cancel_at if entitled else None
    grace = entitled and current.status == "past_due"
    return Entitlements(tier, current.status, policy.quotas.get(tier, {}), current.tier, grace, until)
