"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta
from typing import Final

from tektree.errors import ConfigurationError

__all__ = ["ManualClock"]

_START: Final = datetime(2025, 12, 16, 14, tzinfo=UTC)


class ManualClock:
    """A clock to pass as ``clock=``. It shows ``now`` until it is moved, in either direction.

    >>> clock = ManualClock()
    >>> clock.advance(timedelta(days=1))
    datetime.datetime(2025, 12, 17, 14, 0, tzinfo=datetime.timezone.utc)

    Raises `ConfigurationError` for a time without a zone.
    """

    def __init__(self, now: datetime = _START) -> None:
        self.now = _START
        """What the clock shows, in UTC."""
        self.set(now)

    def __call__(self) -> datetime:
        """What the clock shows."""
        return self.now

    def advance(self, by: timedelta) -> datetime:
        """Moves the clock by so much, back if it is below zero. Gives what it shows then."""
        return self.set(self.now + by)

    def set(self, now: datetime) -> datetime:
        """Lets the clock show this moment. Raises `ConfigurationError` for a time without a zone."""
        if not isinstance(now, datetime) or now.utcoffset() is None:
            raise ConfigurationError("now", "must be an aware datetime, such as datetime(2026, 1, 1, tzinfo=UTC)")
        self.now = now.astimezone(UTC)
        return self.now
