"""Subscriptions: which tier a user has, until when, and who bills it."""

from typing import Annotated, Literal

from tektree.models.accounts import Tier
from tektree.models.base import Count, HexId, Instant, Record, Text

__all__ = ["BillingCycle", "Subscription", "SubscriptionStatus"]

SubscriptionStatus = Literal["active", "trialing", "past_due", "canceled"]
BillingCycle = Literal["monthly", "annual"]


class Subscription(Record):
    """A user's one subscription. Its period is half open: at ``current_period_end`` the next one has begun.

    What follows ``updated_at`` is ours. ``anchor``: whose day and time the periods keep. ``counted_from``: since when
    what is used of quotas is counted, where no period of the anchor began then. ``pending_tier`` and
    ``pending_cycle``: what holds from the next period on. ``past_due_at``: since when a payment is missing.
    ``provider_created_at`` and ``provider_at``: when whoever bills made the subscription, and last changed what we know
    of it. ``version`` rises with every write. ``untold``: what is still to be made known of earlier writes.
    ``in_force``: the tier that was in force at the last write; ``follows`` while the user is still to be given it, and
    their counts to last as long as its months. ``warned``: the end of the trial of which it was told that it is near.
    ``due``: when it has to be looked at again, in milliseconds since 1970: when time changes it next, or 1 while
    something of an earlier write is still to be done.
    """

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
    anchor: Instant | None = None
    counted_from: Instant | None = None
    pending_tier: Tier | None = None
    pending_cycle: BillingCycle | None = None
    past_due_at: Instant | None = None
    provider_created_at: Instant | None = None
    provider_at: Instant | None = None
    version: Count | None = None
    untold: tuple[Annotated[str, Text(4_000)], ...] = ()
    in_force: Tier | None = None
    follows: bool | None = None
    warned: Instant | None = None
    due: Count | None = None
