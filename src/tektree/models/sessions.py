"""Sessions: what is kept of a log-in."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator

from tektree.models.accounts import Role, Tier
from tektree.models.base import Instant, Record, Uid

__all__ = ["Session"]


def _whole_seconds(value: datetime) -> datetime:
    return value.replace(microsecond=0)


Second = Annotated[Instant, AfterValidator(_whole_seconds)]
"""An instant cut to whole seconds, as sessions keep it: a session never lasts longer than it was given."""


class Session(Record):
    """A log-in. ``user_id`` is the uid, as in the stored JSON. It holds neither the token nor its hash."""

    user_id: Uid
    tier: Tier
    role: Role
    created_at: Second
    expires_at: Second
