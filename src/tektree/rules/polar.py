"""Polar: what its messages say of a subscription, in our terms.

The law: a message holds the whole state and when it was last changed. Of all states the latest counts; where two are as
late, a total order decides. So messages may come twice, late and in any order, and end in the same subscription.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from tektree.errors import InvalidInput
from tektree.models.accounts import Tier
from tektree.models.base import plain
from tektree.models.payloads.subscriptions import WebhookReceived
from tektree.models.subscriptions import BillingCycle, Subscription, SubscriptionStatus
from tektree.policy import Policy
from tektree.rules import subscriptions
from tektree.rules.webhooks import Webhook

__all__ = ["Other", "Snapshot", "applied", "other", "received", "snapshot"]

_STATUS: Final[Mapping[str, SubscriptionStatus | None]] = {
    "trialing": "trialing",
    "active": "active",
    "past_due": "past_due",
    "unpaid": "past_due",
    "canceled": "canceled",
    "incomplete": None,
    "incomplete_expired": None,
}
"""None: nothing was paid yet, so there is nothing in force."""

_RANK: Final = ("trialing", "active", "past_due", "canceled")
_CYCLE: Final[Mapping[str, BillingCycle]] = {"month": "monthly", "year": "annual"}
_ABOUT: Final = "subscription."
_OURS: Final = frozenset(
    {f"{_ABOUT}{each}" for each in ("created", "active", "updated", "canceled", "uncanceled", "revoked", "past_due")}
)
"""Types of messages that hold a subscription. Others about one are taken where they do, and kept where they do not."""
_LONGEST_TYPE: Final = 128
_LONGEST_KEPT: Final = 7_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BEHIND_ALL: Final = "\U0010ffff"


class Snapshot(NamedTuple):
    """The state of a subscription at Polar. ``user`` is what we told them of whose it is: an id or a uid."""

    user: str
    polar_id: str
    created_at: datetime
    modified_at: datetime
    tier: Tier
    status: SubscriptionStatus
    cycle: BillingCycle
    period_start: datetime
    period_end: datetime | None
    trial_ends_at: datetime | None
    cancel_at: datetime | None
    canceled_at: datetime | None


class Other(NamedTuple):
    """A message that is about no subscription: its type, and the user whom it names, by id or uid."""

    type: str
    user: str | None


def other(body: bytes, policy: Policy) -> Other | None:
    """What kind of message it is; None for one that holds a subscription. Raises `InvalidInput` where it has none."""
    try:
        message = json.loads(body)
        type_, data = message["type"], message.get("data")
        if type(type_) is not str or not 0 < len(type_) <= _LONGEST_TYPE or not plain(type_):
            raise ValueError("is no type")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidInput("body", "is no message of Polar") from None
    if type_ in _OURS or (type_.startswith(_ABOUT) and _is_understood(body, policy)):
        return None
    return Other(type_, _named(data))


def _is_understood(body: bytes, policy: Policy) -> bool:
    try:
        snapshot(body, policy)
    except InvalidInput:
        return False
    return True


def _named(data: object) -> str | None:
    """The user of a customer, an order, or whatever else has a customer."""
    for each in (data, data.get("customer") if isinstance(data, dict) else None):
        if isinstance(each, dict):
            metadata = each.get("metadata")
            names = each.get("external_id"), metadata.get("user_id") if isinstance(metadata, dict) else None
            found = next((name for name in names if isinstance(name, str)), None)
            if found is not None:
                return found
    return None


def received(webhook: Webhook, said: Other, uid: str | None, with_body: bool) -> WebhookReceived:
    """What is kept of it. Its body only with the user whom it is about, so that erasing that user takes it away."""
    text = webhook.body.decode("utf-8", "replace")
    return WebhookReceived(
        user_id=uid,
        webhook_id=webhook.id,
        webhook_type=said.type,
        sent_at=webhook.at,
        digest=sha256(webhook.body).hexdigest(),
        body=text if uid and with_body and len(webhook.body) <= _LONGEST_KEPT and plain(text) else None,
    )


def snapshot(body: bytes, policy: Policy) -> Snapshot | None:
    """What a message about a subscription says; None for one that nobody has paid for yet.

    Raises `InvalidInput` for one that cannot be understood.
    """
    try:
        data = json.loads(body)["data"]
        status = _STATUS[_known(data, "status", _STATUS)]
        return None if status is None else _snapshot(data, status, policy)
    except InvalidInput:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise InvalidInput("body", "is no message of Polar about a subscription") from None


def _snapshot(data: Mapping[str, Any], status: SubscriptionStatus, policy: Policy) -> Snapshot:
    created = _required(data, "created_at")
    customer, metadata = data.get("customer") or {}, data.get("metadata") or {}
    user = customer.get("external_id") or metadata.get("user_id")
    polar_id = data["id"]
    if type(user) is not str or type(polar_id) is not str or not 0 < len(polar_id) <= 200 or not plain(polar_id):
        raise ValueError("names nobody")
    period_end, ended = _instant(data, "current_period_end"), _instant(data, "ended_at")
    cancel_at = _instant(data, "ends_at") or (period_end if data.get("cancel_at_period_end") is True else None)
    return Snapshot(
        user,
        polar_id,
        created,
        _instant(data, "modified_at") or created,
        _tier(data, policy),
        status,
        _CYCLE[_known(data, "recurring_interval", _CYCLE)],
        _required(data, "current_period_start"),
        period_end,
        _instant(data, "trial_end"),
        (ended or cancel_at) if status == "canceled" else cancel_at,
        _instant(data, "canceled_at"),
    )


def _known(data: Mapping[str, Any], name: str, values: Mapping[str, object]) -> str:
    """One of the values of a field that this knows."""
    value = data[name]
    if type(value) is str and value not in values:
        raise InvalidInput(
            "body", f"has another {name} than {', '.join(values)}, which is all that can be followed here"
        )
    return str(value)


def _tier(data: Mapping[str, Any], policy: Policy) -> Tier:
    """By the policy's ``products``, else by what the product says of itself."""
    product = data.get("product") or {}
    known = policy.subscriptions.products.get(data.get("product_id") or product.get("id") or "")
    if known is not None:
        return known
    said = (product.get("metadata") or {}).get("tier")
    try:
        return subscriptions.checked_paid_tier(said)
    except InvalidInput:
        raise InvalidInput("body", "is about a product that policy.subscriptions.products does not name") from None


def _required(data: Mapping[str, Any], name: str) -> datetime:
    found = _instant(data, name)
    if found is None:
        raise ValueError("is missing")
    return found


def _instant(data: Mapping[str, Any], name: str) -> datetime | None:
    value = data.get(name)
    if value is None:
        return None
    found = datetime.fromisoformat(value)
    if found.utcoffset() is None:
        raise ValueError("has no zone")
    found = found.astimezone(UTC)
    return found.replace(microsecond=found.microsecond // 1000 * 1000)


def applied(old: Subscription, said: Snapshot, now: datetime) -> Subscription:
    """``old`` with what a message says, or itself when it knows better. A trial is remembered, whoever gave it."""
    trial = max([each for each in (old.trial_ends_at, said.trial_ends_at) if each is not None], default=None)
    new = old.evolve(
        tier=said.tier,
        status=said.status,
        billing_cycle=said.cycle,
        polar_subscription_id=said.polar_id,
        current_period_start=said.period_start,
        current_period_end=said.period_end,
        trial_ends_at=trial,
        cancel_at=said.cancel_at,
        canceled_at=said.canceled_at,
        anchor=said.trial_ends_at or said.created_at,
        pending_tier=None,
        pending_cycle=None,
        past_due_at=said.period_start if said.status == "past_due" else None,
        provider_created_at=said.created_at,
        provider_at=said.modified_at,
    )
    if _order(new) > _order(old):
        if new.status != "canceled" and new.cancel_at is not None and now >= new.cancel_at:
            new = subscriptions.ended(new)  # it came behind its own end
        return subscriptions.recounted(old, new.evolve(updated_at=now), now)
    return old if trial == old.trial_ends_at else old.evolve(trial_ends_at=trial, updated_at=now)


def _order(of: Subscription) -> tuple[object, ...]:
    """Of two states the greater one counts: of the later subscription, the later change of it, the further status.

    One of ours that took the place of one of Polar's counts as the last change of that.
    """
    return (
        of.provider_created_at or _EPOCH,
        of.polar_subscription_id or ("" if of.provider_created_at is None else _BEHIND_ALL),
        of.provider_at or _EPOCH,
        _RANK.index(of.status),
        [of.tier, of.billing_cycle],
        [
            str(each)
            for each in (of.current_period_start, of.current_period_end, of.cancel_at, of.canceled_at, of.anchor)
        ],
    )
