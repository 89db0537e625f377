"""Rate limits: which one applies, whose it is, and what a full window means.

The law: in no window, wherever it begins, does a bucket let more than its limit through. A window is half open: a hit
at t counts at every instant before t + window and at none after, so who is refused and comes back after the wait fits.
What is refused consumes nothing.

Stores keep the log of hits in their own way; `take` is the same in the fewest words, and what they are compared with.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from ipaddress import IPv6Address, ip_address
from typing import Final

from tektree.errors import Forbidden, InvalidInput
from tektree.ids import derived_id
from tektree.models.base import plain
from tektree.models.rate_limits import Bucket, Decision, Fill, Hit
from tektree.policy import RateLimit
from tektree.rules import particulars

__all__ = [
    "LOGIN",
    "Limits",
    "bucket",
    "checked_cost",
    "checked_endpoint",
    "checked_hits",
    "checked_source",
    "checked_subject",
    "decision",
    "login_subject",
    "take",
    "tightest",
    "uncounted",
]

LOGIN: Final = "login"
"""The endpoint that log-ins are counted on."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = 1_000_000
_FLOATING: Final = 2**32 * _MICRO
"""Until 2106."""
_BUCKET: Final[Callable[[tuple[str, str, int, int, int]], Bucket]] = partial(tuple.__new__, Bucket)
_DECISION: Final[Callable[[tuple[bool, int, int, datetime, float, int, float, bool]], Decision]] = partial(
    tuple.__new__, Decision
)
"""Both of all their fields, in half the time that their classes take."""
_UID: Final = re.compile(r"usr_[A-Za-z0-9_\-]{1,60}")
_LONGEST: Final = 65_536
_MOST_HITS: Final = 10
_DEAREST: Final = 10_000
"""Each hit of a call is an entry of the log."""


def take(
    log: tuple[int, ...], now: int, limit: int, window: int, cost: int, kept: int = 0
) -> tuple[tuple[int, ...], Fill]:
    """The log after ``cost`` hits at ``now`` were asked for, and what is said of them.

    ``log`` holds the instants of hits in microseconds, in order, ``window`` and ``kept`` are in seconds: hits count for
    the one, and stay in the log for the other if it is longer. A clock that goes back does not: the hit counts as one
    at the newest instant there is.
    """
    width = window * _MICRO
    stay = tuple([at for at in log if at > now - max(width, kept * _MICRO)])
    count = [at for at in stay if at > now - width]
    over = len(count) + cost - limit
    if over > 0:
        return stay, Fill(len(count), now, count[-1] if count else now, count[over - 1] + width - now if count else 0)
    newest = max(now, stay[-1]) if stay else now
    return (*stay, *[newest] * cost), Fill(len(count) + cost, now, newest, 0)


def decision(bucket: Bucket, fill: Fill) -> Decision:
    """What a bucket's fill means to the one who asked."""
    _, _, limit, window, _ = bucket
    used, now, newest, wait = fill
    after = newest + window * _MICRO - now if used else 0
    left = limit - used if limit > used else 0
    return _DECISION((wait == 0, limit, left, _instant(now + after), wait / _MICRO, window, after / _MICRO, True))


def _instant(microseconds: int) -> datetime:
    """So many microseconds after 1970 began. Seconds as a float are quicker, and exact as long as they tell each
    microsecond from the next.
    """
    if 0 <= microseconds < _FLOATING:
        return datetime.fromtimestamp(microseconds / _MICRO, UTC)
    return _EPOCH + timedelta(0, 0, microseconds)


def tightest(decisions: list[Decision]) -> Decision:
    """The one of several that a caller has to know: whose wait is longest, or else who has least left."""
    return min(decisions, key=lambda each: (each.allowed, -each.retry_after, each.remaining or 0))


def uncounted(now: datetime, found: RateLimit | None) -> Decision:
    """What is said where nothing is counted: there is no limit, or its store is away."""
    if found is None:
        return Decision(True, None, None, now, 0.0, counted=False)
    return Decision(True, found.limit, found.limit, now, 0.0, found.window_seconds, counted=False)


def bucket(subject: str, endpoint: str, found: RateLimit, kept: int = 0) -> Bucket:
    """The bucket of a limit. Raises `Forbidden` for a limit of 0, which nobody's waiting would change."""
    if found.limit == 0:
        raise Forbidden(f"any request to {endpoint[:200]!r} on this tier")
    return _BUCKET((subject, endpoint, found.limit, found.window_seconds, kept))


class Limits:
    """The limits of a tier.

    An endpoint has the one that is named as it is, or by the pattern that spells out most of it. In a pattern ``*``
    stands for any characters, also none, and nothing else is special. Of two patterns that spell out as much, the one
    that comes first in the alphabet decides.
    """

    __slots__ = ("_named", "_patterns")

    def __init__(self, limits: Mapping[str, RateLimit]) -> None:
        names = sorted([each for each in limits if "*" in each], key=lambda each: (each.count("*") - len(each), each))
        self._named = limits
        self._patterns = [(_matching(name), limits[name]) for name in names]

    def of(self, endpoint: str) -> RateLimit | None:
        """The limit of an endpoint. None: there is none."""
        found = self._named.get(endpoint)
        if found is None:
            for matches, limit in self._patterns:
                if matches(endpoint):
                    return limit
        return found


def _matching(pattern: str) -> Callable[[str], object]:
    if pattern == "*":
        return bool  # no endpoint is empty
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL).fullmatch


def checked_subject(value: object) -> str:
    """Whose hits are counted: a uid, or ``ip:`` and an address, brought into the one form that a source has.

    An IPv4 address inside IPv6 is that IPv4 address; of any other IPv6 address the first 64 bits count, because a
    subscriber has all that follow. Raises `InvalidInput`.

    >>> checked_subject("ip:2001:DB8::1"), checked_subject("ip:::ffff:192.0.2.7")
    ('ip:2001:db8::', 'ip:192.0.2.7')
    """
    if type(value) is str and len(value) <= 64:
        if _UID.fullmatch(value):
            return value
        if value.startswith("ip:"):
            found = _source(value[3:])
            if found is None:
                raise InvalidInput("subject", "must name an IPv4 or IPv6 address behind 'ip:', without port")
            return found
    raise InvalidInput("subject", "must be a uid such as 'usr_ada', or 'ip:' and an address such as 'ip:192.0.2.7'")


def checked_source(value: object) -> str:
    """The subject of a source: its address, with or without ``ip:``. Raises `InvalidInput`.

    >>> checked_source("192.0.2.7"), checked_source("ip:192.0.2.7")
    ('ip:192.0.2.7', 'ip:192.0.2.7')
    """
    found = _source(value.removeprefix("ip:")) if type(value) is str and len(value) <= 64 else None
    if found is None:
        raise InvalidInput("source", "must be an IPv4 or IPv6 address such as '192.0.2.7', without port, or None")
    return found


@lru_cache(maxsize=4096)
def _source(address: str) -> str | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64)
    return f"ip:{found}"


def login_subject(account: str, uid: str | None = None) -> str:
    """The subject that guesses at an account are counted on: the user's who it is, if there is one.

    Else it is the canonical form of what was typed, or, where that is neither an address nor a handle, the text itself;
    of both a digest, for it may be a password. Case and outer spaces make no difference. No text is the bucket of a
    user: who types a uid guesses at nobody's.
    """
    typed = account.strip()
    sought = particulars.identifier(typed)  # whoever it is: what takes longer for a stranger tells who is none
    name = typed.casefold() if sought is None else sought.canonical
    return f"account:{derived_id('login', name) if uid is None else derived_id('login', 'uid', uid)}"


def checked_endpoint(value: object) -> str:
    """The name of an endpoint: 1 to 65,536 characters, any but half of a surrogate pair. Raises `InvalidInput`."""
    if type(value) is not str or not 0 < len(value) <= _LONGEST:
        raise InvalidInput("endpoint", f"must be a text of 1 to {_LONGEST:,} characters")
    if not value.isascii() and not plain(value.replace("\x00", "")):
        raise InvalidInput("endpoint", "must not hold half of a surrogate pair")
    return value


def checked_hits(values: object) -> list[Hit]:
    """The limits that one call asks: 1 to 10, no two of them the same, of subjects in their one form.

    Raises `InvalidInput`.
    """
    if not isinstance(values, list | tuple) or not 0 < len(values) <= _MOST_HITS:
        raise InvalidInput("hits", f"must be a list of 1 to {_MOST_HITS} of Hit(subject, endpoint, tier)")
    if not all(isinstance(each, tuple) and 2 <= len(each) <= 3 for each in values):
        raise InvalidInput("hits", "must be of Hit(subject, endpoint, tier), or tuples of that")
    found = []
    for subject, endpoint, *tier in values:
        found.append(Hit(checked_subject(subject), checked_endpoint(endpoint), *tier))
    if len({(each.subject, each.endpoint) for each in found}) < len(found):
        raise InvalidInput("hits", "must not name an endpoint of a subject twice; ask for a cost instead")
    return found


def checked_cost(value: object, limit: int | None) -> int:
    """How many hits a call counts as: from 1 to 10,000, and to the limit; more would never fit.

    Raises `InvalidInput`.
    """
    if type(value) is not int or not 0 < value <= _DEAREST:
        raise InvalidInput("cost", f"must be a whole number from 1 to {_DEAREST:,}")
    if limit and value > limit:  # a limit of 0 is Forbidden
        raise InvalidInput("cost", f"is more than the limit of {limit}, so it could never pass; ask for less at once")
    return value
