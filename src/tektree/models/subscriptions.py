"""Subscriptions: which tier a user has, until when, and who bills it."""

from typing import Annotated, Literal

from tektree.models.accounts import Tier
from tektree.models.base import HexId, Instant, Record, Text

__all__ = ["BillingCycle", "Subscription", "SubscriptionStatus"]

SubscriptionStatus = Literal["active", "trialing", "past_due", "canceled"]
BillingCycle = Literal["monthly", "annual"]


class Subscription(Record):
    """A user's one subscription. Its period is half open: at ``current_period_end`` the next one has begun."""

    id: HexId
    user_id: HexId
    tier: Tier
    status: SubscriptionStatus
    billing_cycle: BillingCycle = "monthly"
    polar_subscription_id: Annotated[str, Text(200)] | None = None
    current_period_start: Instant | None = None
    current_period_end: Instant | None = None
    trial_ends_at: Instant | None = None
    cancel_at: Instant | None = None
    canceled_at: Instant | None = None
    created_at: Instant
    updated_at: Instant
