"""Rate limits: what is asked of a limit, and what it answers."""

from datetime import datetime
from math import ceil
from typing import Final, NamedTuple

__all__ = ["LONGEST_KEPT", "Bucket", "Decision", "Decisions", "Fill", "Hit"]

LONGEST_KEPT: Final = 256
"""Characters of an endpoint's name up to which what is made of it is kept for the next request."""


class Bucket(NamedTuple):
    """One limit of one subject: at most ``limit`` (1 or more) hits on ``endpoint`` in any ``window`` of seconds.

    Who has another limit tomorrow may have a wider window with it, so hits are kept for ``kept`` seconds, the widest
    window that anybody has on this endpoint; for ``window`` where that is wider.
    """

    subject: str
    endpoint: str
    limit: int
    window: int
    kept: int = 0


class Fill(NamedTuple):
    """How full a bucket is, by the clock of its store, in whole microseconds since 1970.

    ``used``: hits in the window that ends now. ``newest``: when the last of them came; ``now`` if there is none.
    ``wait``: microseconds until what was asked fits; 0 if it did.
    """

    used: int
    now: int
    newest: int
    wait: int


class Decision(NamedTuple):
    """What a limit says of a hit.

    ``limit`` and ``remaining`` are None where no limit is set. ``reset_at`` (UTC) is when the whole limit is there
    again if nobody hits meanwhile; ``retry_after`` is in seconds, 0 for what is allowed, and coming back then succeeds
    unless others of the same subject come first. ``counted`` is false when the hit was let through without being
    counted: no limit is set, or the store was away and the policy says ``open``.
    """

    allowed: bool
    limit: int | None
    remaining: int | None
    reset_at: datetime
    retry_after: float
    window_seconds: int = 60
    reset_after: float = 0.0
    """Seconds until ``reset_at``, by the store's clock."""
    counted: bool = True

    @property
    def headers(self) -> dict[str, str]:
        """The fields of an HTTP answer: ``RateLimit`` and ``RateLimit-Policy`` of the IETF draft, and ``Retry-After``.

        Seconds are whole and rounded up, so a client that waits as long is never early. Empty where nothing was
        counted.

        >>> from datetime import UTC
        >>> Decision(False, 60, 0, datetime(2025, 12, 16, tzinfo=UTC), 2.5, 60, 31.2).headers["RateLimit"]
        '"default";r=0;t=32'
        """
        if not self.counted or self.limit is None or self.remaining is None:
            return {}
        found = {
            "RateLimit": f'"default";r={self.remaining};t={ceil(self.reset_after)}',
            "RateLimit-Policy": f'"default";q={self.limit};w={self.window_seconds}',
        }
        return found if self.allowed else found | {"Retry-After": str(ceil(self.retry_after))}


class Hit(NamedTuple):
    """What one of several limits is asked for: hits of a subject on an endpoint, on a tier; None: on ``free``."""

    subject: str
    endpoint: str
    tier: str | None = None


class Decisions(NamedTuple):
    """What several limits say of hits that are counted in all of them or in none.

    ``each`` says, in the order that was asked, whether that limit had room; where one had none, nothing was counted in
    the others either. ``tightest`` is the one that a caller has to know, for its headers and its ``retry_after``.
    """

    each: tuple[Decision, ...]
    tightest: Decision

    @property
    def allowed(self) -> bool:
        """Whether the hits were let through."""
        return not self.refused

    @property
    def refused(self) -> tuple[int, ...]:
        """The places of the limits that had no room."""
        return tuple([at for at, each in enumerate(self.each) if not each.allowed])
