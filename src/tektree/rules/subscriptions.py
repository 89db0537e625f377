"""Subscriptions: what they become when somebody asks, and as time goes by.

The law: a user has one. It is in force while it is trialing or active; while it is past due, for some days of grace;
when it is canceled, no more. Who wants a better tier has it at once, who wants less has paid for the present period and
keeps it until then. Periods follow each other without gap or overlap, from the day of the anchor. Whoever bills through
somebody else is told by them how it goes on; what is silent for longer than the grace is not in force. Quotas have the
months of the anchor, and those of the calendar where there is none; wherever it moves, it is noted since when what is
used is counted together.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, get_args

from tektree.errors import InvalidInput, InvalidTransition
from tektree.ids import derived_id
from tektree.models.accounts import Tier
from tektree.models.base import milliseconds
from tektree.models.payloads import subscriptions as told
from tektree.models.quotas import Period
from tektree.models.subscriptions import BillingCycle, Subscription
from tektree.policy import Policy
from tektree.rules import inputs, quotas

__all__ = [
    "AT_ONCE",
    "Said",
    "anchor_of",
    "announced",
    "as_of",
    "begun",
    "canceled",
    "changed",
    "checked_cycle",
    "checked_paid_tier",
    "checked_tier",
    "due",
    "ended",
    "free",
    "is_entitled",
    "kept",
    "month_of",
    "moves",
    "period",
    "recounted",
    "restored",
    "started",
    "warned",
]

Said = told._Subscription
"""What is told of a subscription."""

_TIERS: Final[tuple[Tier, ...]] = get_args(Tier)
_CYCLES: Final[tuple[BillingCycle, ...]] = get_args(BillingCycle)
_LONGEST_TRIAL: Final = 365

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)

AT_ONCE: Final = 1
"""What ``due`` says while something is left to do: before all times, whosever clock is asked."""


class Term(NamedTuple):
    """What was paid for, half open."""

    start: datetime
    end: datetime


def free(user_id: str, now: datetime) -> Subscription:
    """What a user has who never had another one: it lasts, and has no periods."""
    id = derived_id("subscription", user_id)
    return Subscription(id=id, user_id=user_id, tier="free", status="active", created_at=now, updated_at=now)


def begun(user_id: str, uid: str, now: datetime) -> Subscription:
    """The free one of a new user, at version 1, with ``subscription.created`` to be told of it.

    Whoever starts another one first tells that under the same id, so a user has one beginning.
    """
    found = free(user_id, now)
    (said,) = announced(None, found, uid)
    return found.evolve(version=1, untold=(kept(said, derived_id(found.id, "1", "0")),), due=AT_ONCE)


def period(cycle: BillingCycle, anchor: datetime, now: datetime) -> Term:
    """The period that ``now`` is in: a month, or a year of twelve of them.

    >>> from datetime import UTC, datetime
    >>> found = period("annual", datetime(2024, 2, 29, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
    >>> found.start.date().isoformat(), found.end.date().isoformat()
    ('2026-02-28', '2027-02-28')
    """
    anchor, now = anchor.astimezone(UTC), now.astimezone(UTC)
    if cycle == "monthly":
        found = quotas.period(now, anchor)
        return Term(found.start, found.end)
    year = now.year if now >= _in_year(anchor, now.year) else now.year - 1
    return Term(_in_year(anchor, year), _in_year(anchor, year + 1))


def anchor_of(of: Subscription) -> datetime | None:
    """Whose day and time the months of its user's quotas keep; None: those of the calendar."""
    if of.tier == "free" or of.status == "canceled":
        return None
    return of.anchor or of.current_period_start


def month_of(of: Subscription, at: datetime) -> Period:
    """The month of quotas that ``at`` is in. ``of`` is as of then."""
    return quotas.period(at, anchor_of(of), of.counted_from)


def moves(*steps: Subscription | None) -> bool:
    """Whether the months of quotas are others after one of these steps."""
    return len({None if each is None else anchor_of(each) for each in steps}) > 1


def recounted(old: Subscription, new: Subscription, at: datetime) -> Subscription:
    """``new``, which follows ``old`` at that time, with a note since when its user's quotas are counted."""
    anchor = anchor_of(new)
    if anchor == anchor_of(old):
        return new
    at = at if old.counted_from is None else max(at, old.counted_from)
    return new.evolve(counted_from=quotas.counted_from(month_of(old, at), anchor, at))


def _in_year(anchor: datetime, year: int) -> datetime:
    year = min(max(year, 1), 9999)
    return anchor.replace(year=year, day=min(anchor.day, monthrange(year, anchor.month)[1]))


def started(
    old: Subscription | None, user_id: str, tier: Tier, cycle: BillingCycle, trial_days: int, now: datetime
) -> Subscription:
    """A subscription for a tier above free, from now on; with a trial first, if there never was one.

    ``old`` is the user's present one as of now. Raises `InvalidInput`; `InvalidTransition` when there is one in force,
    or a second trial is asked for.
    """
    inputs.whole(trial_days, "trial_days", 0, _LONGEST_TRIAL)
    before = free(user_id, now) if old is None else old
    if before.tier != "free" and before.status != "canceled":
        raise InvalidTransition("subscription", f"is for {before.tier} already; change it instead")
    if trial_days and before.trial_ends_at is not None:
        raise InvalidTransition("subscription", "had its trial; start without one")
    trial = now + timedelta(days=trial_days) if trial_days else None
    term = period(cycle, now, now)
    new = before.evolve(
        tier=tier,
        status="active" if trial is None else "trialing",
        billing_cycle=cycle,
        polar_subscription_id=None,
        current_period_start=term.start,
        current_period_end=trial or term.end,
        trial_ends_at=trial or before.trial_ends_at,
        cancel_at=None,
        canceled_at=None,
        anchor=trial or now,
        pending_tier=None,
        pending_cycle=None,
        past_due_at=None,
        provider_at=None,
        updated_at=now,
    )
    return recounted(before, new, now)


def changed(old: Subscription, tier: Tier, cycle: BillingCycle, now: datetime) -> Subscription:
    """Another tier or cycle: more at once, less and a shorter cycle from the next period on.

    A longer cycle begins at once, with a period of its own. What was to end goes on. The same again is no change.
    ``old`` is as of now. Raises `InvalidTransition` for one that cannot go on, or that somebody else bills.
    """
    _is_ours(old)
    if old.tier == "free" or old.status == "canceled":
        raise InvalidTransition("subscription", "is none that could be changed; start one")
    better, longer = _TIERS.index(tier) > _TIERS.index(old.tier), cycle == "annual" and old.billing_cycle == "monthly"
    settled: dict[str, object] = {
        "tier": tier if better else old.tier,
        "pending_tier": None if better or tier == old.tier else tier,
        "billing_cycle": cycle if longer else old.billing_cycle,
        "pending_cycle": None if longer or cycle == old.billing_cycle else cycle,
        "cancel_at": None,
        "canceled_at": None,
    }
    if longer and old.status == "active":
        term = period(cycle, now, now)
        settled |= {"anchor": now, "current_period_start": term.start, "current_period_end": term.end}
    new = old.evolve(**settled)
    return old if new == old else recounted(old, new.evolve(updated_at=now), now)


def canceled(old: Subscription, at_period_end: bool, now: datetime) -> Subscription:
    """It ends: with its period, or at once. Again: no change, but one that was to end later may end now.

    ``old`` is as of now. Raises `InvalidTransition` for the free one, which cannot end, or one that somebody else
    bills.
    """
    _is_ours(old)
    if old.tier == "free":
        raise InvalidTransition("subscription", "is the free one, which cannot be canceled")
    if old.status == "canceled" or (at_period_end and old.cancel_at is not None):
        return old
    end = old.current_period_end if at_period_end else None
    if end is None:
        new = old.evolve(
            status="canceled",
            cancel_at=now,
            canceled_at=old.canceled_at or now,
            pending_tier=None,
            pending_cycle=None,
            past_due_at=None,
            updated_at=now,
        )
        return recounted(old, new, now)
    return old.evolve(cancel_at=end, canceled_at=now, pending_tier=None, pending_cycle=None, updated_at=now)


def as_of(old: Subscription, now: datetime) -> Subscription:
    """It, as time has made it by ``now``: ended, out of its trial, or in a later period. Nothing else changes it.

    One that somebody else bills only ends by itself: they tell of the rest.
    """
    if old.status == "canceled":
        return old
    if old.cancel_at is not None and now >= old.cancel_at:
        return recounted(old, ended(old), old.cancel_at)
    end = old.current_period_end
    if end is None or now < end or old.polar_subscription_id is not None:
        return old
    cycle = old.pending_cycle or old.billing_cycle
    anchor = end if old.anchor is None or old.pending_cycle or old.status == "trialing" else old.anchor
    term = period(cycle, anchor, max(now, end))
    new = old.evolve(
        tier=old.pending_tier or old.tier,
        status="active",
        billing_cycle=cycle,
        anchor=anchor,
        pending_tier=None,
        pending_cycle=None,
        current_period_start=term.start,
        current_period_end=term.end,
    )
    return recounted(old, new, end)


def ended(old: Subscription) -> Subscription:
    """It, canceled as of its ``cancel_at``."""
    return old.evolve(
        status="canceled",
        canceled_at=old.canceled_at or old.cancel_at,
        past_due_at=None,
        pending_tier=None,
        pending_cycle=None,
    )


def is_entitled(old: Subscription, policy: Policy, now: datetime) -> bool:
    """Whether its tier is in force at ``now``. ``old`` is as of then."""
    if old.status == "canceled":
        return False
    graced = _graced(old, policy)
    return graced is None or now < graced


def _graced(old: Subscription, policy: Policy) -> datetime | None:
    """Until when a tier stays for which a payment is missing, or nothing was heard; None: as long as it lasts."""
    if old.status == "past_due":
        since = old.past_due_at or old.current_period_end
    else:
        since = None if old.polar_subscription_id is None else old.current_period_end
    return None if since is None else _moved(since, policy.subscriptions.grace_days)


def warned(old: Subscription, policy: Policy, now: datetime) -> Subscription:
    """It, with the end of its trial marked as told of when that is near. ``old`` is as of now."""
    end = old.trial_ends_at
    near = old.status == "trialing" and end is not None and now >= _notice(end, policy)
    return old.evolve(warned=end) if near and old.warned != end else old


def due(old: Subscription, policy: Policy, now: datetime) -> int | None:
    """When it has to be looked at again, in milliseconds since 1970. None: never. ``old`` is as of now.

    That is when time next changes it, or what is told of it, or its user's tier; at once, while something is left.

    >>> from datetime import UTC, datetime
    >>> found = started(None, "0" * 24, "pro", "monthly", 0, datetime(1970, 1, 1, tzinfo=UTC))
    >>> due(found, Policy(), found.created_at) == 31 * 86_400_000
    True
    """
    if old.follows or old.untold:
        return AT_ONCE
    if old.status == "canceled":
        return None
    found = [old.cancel_at, old.current_period_end, _graced(old, policy)]
    if old.status == "trialing" and old.trial_ends_at is not None:
        found.append(_notice(old.trial_ends_at, policy))
    return min([milliseconds(each) for each in found if each is not None and each > now], default=None)


def _notice(end: datetime, policy: Policy) -> datetime:
    return _moved(end, -policy.subscriptions.notice_days)


def _moved(at: datetime, days: int) -> datetime:
    """So many days later; where time ends before that, then."""
    try:
        return at + timedelta(days=days)
    except OverflowError:
        return _LATEST if days > 0 else _EARLIEST


def announced(old: Subscription | None, new: Subscription, uid: str) -> Iterator[Said]:
    """What has to be told of a change, in the order in which it makes sense."""
    said = {
        "user_id": uid,
        "subscription_id": new.id,
        "polar_subscription_id": new.polar_subscription_id,
        "tier": new.tier,
        "status": new.status,
        "billing_cycle": new.billing_cycle,
        "period_start": new.current_period_start,
        "period_end": new.current_period_end,
    }
    if old is None:
        yield told.SubscriptionCreated.model_validate(said)
    elif old.tier != new.tier:
        yield told.SubscriptionTierChanged.model_validate(said | {"old_tier": old.tier})
    if old is not None and old.billing_cycle != new.billing_cycle:
        yield told.SubscriptionBillingCycleChanged.model_validate(said)
    before = None if old is None else old.status
    if new.status == "trialing" and before != "trialing":
        yield told.SubscriptionTrialStarted.model_validate(
            said | {"trial_ends_at": new.trial_ends_at or new.updated_at}
        )
    if new.status == "trialing" and new.warned is not None and (old is None or old.warned != new.warned):
        yield told.SubscriptionTrialWillEnd.model_validate(said | {"trial_ends_at": new.warned})
    elif new.status == "active" and before not in {"active", None}:
        yield told.SubscriptionActivated.model_validate(said)
    elif new.status == "past_due" and before != "past_due":
        yield told.SubscriptionPastDue.model_validate(said)
    elif old is not None and new.status == old.status == "active" and _renewed(old, new):
        yield told.SubscriptionRenewed.model_validate(said)
    if new.status == "canceled":
        if before != "canceled":
            ended = new.cancel_at or new.canceled_at or new.updated_at
            yield told.SubscriptionRevoked.model_validate(said | {"ended_at": ended})
    elif new.cancel_at is not None and (old is None or old.cancel_at != new.cancel_at):
        yield told.SubscriptionCanceled.model_validate(said | {"cancel_at": new.cancel_at})
    elif old is not None and old.cancel_at is not None and old.status != "canceled" and new.cancel_at is None:
        yield told.SubscriptionUncanceled.model_validate(said)


def kept(said: Said, id: str) -> str:
    """What is to be told, with the id that it is told under once, as it stands on the subscription until then."""
    return f"{id} {type(said).__name__} {said.model_dump_json()}"


def restored(text: str) -> tuple[str, Said]:
    """The id and what is to be told. Raises ``ValueError`` for what `kept` did not write."""
    id, name, fields = text.split(" ", 2)
    if name not in told.__all__:
        raise ValueError("is not told of subscriptions")
    model: type[Said] = getattr(told, name)
    return id, model.model_validate_json(fields)


def _renewed(old: Subscription, new: Subscription) -> bool:
    before, after = old.current_period_start, new.current_period_start
    return before is not None and after is not None and after > before and old.billing_cycle == new.billing_cycle


def checked_tier(value: object) -> Tier:
    """A tier. Raises `InvalidInput`."""
    if value in _TIERS:
        return value
    raise InvalidInput("tier", f"must be one of {', '.join(_TIERS)}")


def checked_paid_tier(value: object) -> Tier:
    """A tier above free. Raises `InvalidInput`."""
    if value != "free":
        return checked_tier(value)
    raise InvalidInput("tier", "must be one above free; for that, cancel")


def checked_cycle(value: object) -> BillingCycle:
    """``monthly`` or ``annual``. Raises `InvalidInput`."""
    if value in _CYCLES:
        return value
    raise InvalidInput("cycle", "must be 'monthly' or 'annual'")


def _is_ours(old: Subscription) -> None:
    if old.polar_subscription_id is not None and old.status != "canceled":
        raise InvalidTransition("subscription", "is billed by Polar; change it there, and the webhook tells us")
