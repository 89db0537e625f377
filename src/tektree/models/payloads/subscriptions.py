"""What is told of subscriptions. Each says how the subscription stands after it."""

from typing import Annotated

from tektree.models.accounts import Tier
from tektree.models.base import HexId, Text, Uid
from tektree.models.payloads.base import Moment, Payload
from tektree.models.subscriptions import BillingCycle, SubscriptionStatus

__all__ = [
    "SubscriptionActivated",
    "SubscriptionBillingCycleChanged",
    "SubscriptionCanceled",
    "SubscriptionCreated",
    "SubscriptionPastDue",
    "SubscriptionRenewed",
    "SubscriptionRevoked",
    "SubscriptionTierChanged",
    "SubscriptionTrialStarted",
    "SubscriptionTrialWillEnd",
    "SubscriptionUncanceled",
]


class _Subscription(Payload, by="subscription-service", stream="subscription:{subscription_id}"):
    user_id: Uid
    subscription_id: HexId
    polar_subscription_id: Annotated[str, Text(200)] | None
    tier: Tier
    old_tier: Tier | None = None
    status: SubscriptionStatus
    billing_cycle: BillingCycle
    period_start: Moment | None
    period_end: Moment | None


class SubscriptionCreated(_Subscription, event="subscription.created"):
    """The user has a subscription."""


class SubscriptionTrialStarted(_Subscription, event="subscription.trial_started"):
    """A trial begins."""

    trial_ends_at: Moment


class SubscriptionTrialWillEnd(_Subscription, event="subscription.trial_will_end"):
    """A trial ends soon."""

    trial_ends_at: Moment


class SubscriptionActivated(_Subscription, event="subscription.activated"):
    """The subscription is in force."""


class SubscriptionRenewed(_Subscription, event="subscription.renewed"):
    """Its next period begins."""


class SubscriptionTierChanged(_Subscription, event="subscription.tier_changed"):
    """It is for another tier."""


class SubscriptionBillingCycleChanged(_Subscription, event="subscription.billing_cycle_changed"):
    """It is paid by the month now, or by the year."""


class SubscriptionPastDue(_Subscription, event="subscription.past_due"):
    """A payment failed."""


class SubscriptionCanceled(_Subscription, event="subscription.canceled"):
    """It will not be renewed; until ``cancel_at`` it is in force."""

    cancel_at: Moment


class SubscriptionUncanceled(_Subscription, event="subscription.uncanceled"):
    """It will be renewed after all."""


class SubscriptionRevoked(_Subscription, event="subscription.revoked"):
    """It is over."""

    ended_at: Moment
