"""What is told of quotas and rate limits."""

from typing import Annotated

from pydantic import Field

from tektree.models.accounts import Tier
from tektree.models.base import INT53, Count, Name, Text, Uid
from tektree.models.events import EventId
from tektree.models.payloads.base import Moment, Payload

__all__ = ["QuotaExceeded", "QuotaRefunded", "QuotaReset", "QuotaThresholdReached", "RateLimitExceeded"]

Period = Annotated[str, Field(max_length=10, pattern=r"^[0-9]{4}(-[0-9]{2}){1,2}$")]
"""A month, ``2025-12``, or a day."""


class _Limited(Payload, by="quota-service"):
    user_id: Uid


class _Quota(_Limited):
    quota_type: Name
    period: Period


class QuotaThresholdReached(_Quota, event="quota.threshold_reached"):
    """So much of a quota is used up."""

    used: Count
    limit: Count
    percent: Count


class QuotaExceeded(_Quota, event="quota.exceeded"):
    """More was asked than is left. ``upgrade_tier`` is the lowest that has room; null: none."""

    used: Count
    limit: Count
    tier: Tier
    resets_at: Moment
    upgrade_tier: Tier | None


class QuotaReset(_Quota, event="quota.reset"):
    """A period begins, or somebody gave the whole quota back."""

    used: Count
    """What had been used."""


class QuotaRefunded(_Quota, event="quota.refunded"):
    """What had been used was given back, because what it was used for did not come about."""

    amount: Annotated[int, Field(ge=1, le=INT53)]
    reason: Name
    cause_event_id: EventId | None


class RateLimitExceeded(_Limited, event="ratelimit.exceeded"):
    """Too many requests in a window. Sampled: not each of them is told."""

    endpoint: Annotated[str, Text(200, 1)]
    limit: Count
    window: Annotated[int, Field(ge=1, le=INT53)]
    """In seconds."""
