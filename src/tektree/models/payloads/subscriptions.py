"""What is told of subscriptions. Each says how the subscription stands after it."""

from typing import Annotated

from tektree.models.accounts import Digest, Tier
from tektree.models.base import HexId, Text, Uid
from tektree.models.payloads.base import Moment, Payload, Personal
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
    "WebhookReceived",
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


class WebhookReceived(Payload, event="webhook.received", by="subscription-service"):
    """Whoever bills sent a message that is about no subscription. It is kept as it came, for whoever knows its type.

    ``body`` is null where it names none of our users, or one who may not log in: nobody would take their data out of it
    again; and where it is longer than 7,000 bytes. ``digest`` is its SHA-256.
    """

    user_id: Uid | None
    webhook_id: Annotated[str, Text(256, 1)]
    webhook_type: Annotated[str, Text(128, 1)]
    sent_at: Moment
    digest: Digest
    body: Personal[Annotated[str, Text(7_000)]]
