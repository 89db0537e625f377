"""Rate limits: how often a user, or a source without one, may call an endpoint."""

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, get_args

from tektree._async.ports.rate_limits import AsyncRateLimitStore
from tektree.clock import Clock, read
from tektree.errors import InvalidInput, Unavailable
from tektree.ids import uid_of
from tektree.models.accounts import Tier
from tektree.models.rate_limits import LONGEST_KEPT, Bucket, Decision, Decisions, Fill, Hit
from tektree.policy import Policy, RateLimit
from tektree.rules import rate_limits as rules

__all__ = ["AsyncRateLimits"]

Call = Callable[[Sequence[Bucket], int], Awaitable[Sequence[Fill]]]

_TIERS: Final = frozenset(get_args(Tier))
_LONGEST_ACCOUNT: Final = 320


class _Asked(NamedTuple):
    bucket: Bucket
    limit: RateLimit


class AsyncRateLimits:
    """Exact sliding windows: in none, wherever it begins, do more hits pass than the policy allows.

    A subject is a uid, or ``ip:`` and an address; an IPv6 address counts as its /64. Tiers are those of the policy;
    without one, the limits of ``free`` hold. Each endpoint has a window of its own. The time is that of the store, so
    clocks of callers may differ. Where the store cannot be reached in time, the policy's ``away`` decides: ``open``
    gives a decision whose ``counted`` is false, ``closed`` raises `Unavailable`.
    """

    def __init__(self, store: AsyncRateLimitStore, policy: Policy, clock: Clock) -> None:
        self._store = store
        self._policy = policy
        self._limits: dict[str, rules.Limits] = {
            tier: rules.Limits(limits) for tier, limits in policy.rate_limits.tiers.items()
        }
        self._clock = clock
        self._asked_before = lru_cache(maxsize=4096)(self._asked)
        """Whoever asks of one limit asks again and again."""

    async def hit(self, subject: str, endpoint: str, cost: int = 1, tier: str | None = None) -> Decision:
        """Counts ``cost`` hits (1 to 10,000) if all of them have room, else none. One round trip.

        Raises `InvalidInput`, also for a cost above the limit, which could never pass; `Forbidden` where the limit
        is 0; `Unavailable`.
        """
        return await self._one(self._store.take, subject, endpoint, cost, tier)

    async def hit_all(self, hits: Sequence[Hit | tuple[str, ...]], cost: int = 1) -> Decisions:
        """Counts ``cost`` hits in each of several limits if all of them have room in all, else none in any.

        1 to 10 limits, each a `Hit` or a tuple of subject, endpoint and, if you like, tier; each endpoint of a subject
        once. One round trip, and one step; but for a cluster, whose limits lie apart: there it is one after the other,
        and what a later one refuses is given back, so others may be refused by it for a moment, and where the process
        dies in between it stays counted until its window is over. While the store is away, one limit whose policy says
        ``closed`` closes them all. Raises as `hit`, also for no hits, too many, or the same twice.
        """
        asked = [self._asked(*each) for each in rules.checked_hits(hits)]
        for each in asked:
            rules.checked_cost(cost, None if each is None else each.limit.limit)
        counted = [each for each in asked if each is not None]
        limits = [each.limit for each in counted]
        found = iter(await self._each(self._store.take, [each.bucket for each in counted], limits, cost))
        now = read(self._clock)
        decisions = [rules.uncounted(now, None) if each is None else next(found) for each in asked]
        return Decisions(tuple(decisions), rules.tightest([each for each in decisions if each.counted] or decisions))

    async def peek(self, subject: str, endpoint: str, cost: int = 1, tier: str | None = None) -> Decision:
        """What `hit` would say, counting nothing. Raises as `hit`."""
        return await self._one(self._store.look, subject, endpoint, cost, tier)

    async def reset(self, subject: str, endpoint: str) -> None:
        """Forgets the hits of a subject on an endpoint. Raises `InvalidInput`, `Unavailable`."""
        bucket = Bucket(rules.checked_subject(subject), rules.checked_endpoint(endpoint), 1, 1)
        await self._store.clear((bucket,))

    async def login(self, account: str, source: str | None = None, uid: str | None = None) -> Decision:
        """Counts one log-in, per account and, if it is known, per ``source`` (an address): in both or in neither.

        ``account`` is what the caller typed to name it, 1 to 320 characters; it is kept as a digest only. All spellings
        of an address or a handle are one account. ``uid`` is whose account that is, where it is somebody's: look the
        user up first, or address and handle have guesses of their own. To be called before any password is hashed.
        Raises `InvalidInput`, `Forbidden`, `Unavailable`.
        """
        policy = self._policy.rate_limits
        asked = [(_login_subject(account, uid), policy.login_per_account)]
        if source is not None:
            asked.append((rules.checked_source(source), policy.login_per_source))
        kept = self.kept(rules.LOGIN)
        buckets = [rules.bucket(subject, rules.LOGIN, limit, kept) for subject, limit in asked]
        return rules.tightest(
            await self._each(self._store.take, buckets, [limit for _, limit in asked], 1, away="closed")
        )

    async def forget_login(self, account: str, uid: str | None = None) -> None:
        """Gives an account its whole number of guesses back, as after a log-in that went well. The source's stay.

        Name it as in `login`. Raises `InvalidInput`, `Unavailable`.
        """
        await self._store.clear((Bucket(_login_subject(account, uid), rules.LOGIN, 1, 1),))

    async def _one(self, call: Call, subject: str, endpoint: str, cost: int, tier: str | None) -> Decision:
        plain = type(subject) is type(endpoint) is str and (tier is None or type(tier) is str)
        keeps = plain and len(endpoint) <= LONGEST_KEPT  # a long one may be anybody's
        asked = (self._asked_before if keeps else self._asked)(subject, endpoint, tier)
        rules.checked_cost(cost, None if asked is None else asked.limit.limit)
        if asked is None:
            return rules.uncounted(read(self._clock), None)
        fills = await self._filled(call, (asked.bucket,), (asked.limit,), cost)
        return rules.uncounted(read(self._clock), asked.limit) if fills is None else rules.decision(asked[0], fills[0])

    def _asked(self, subject: str, endpoint: str, tier: str | None) -> _Asked | None:
        """What a call is counted on; None where there is no limit."""
        subject, endpoint = rules.checked_subject(subject), rules.checked_endpoint(endpoint)
        limit = self.limit_of(endpoint, tier)
        return None if limit is None else _Asked(rules.bucket(subject, endpoint, limit, self.kept(endpoint)), limit)

    async def _each(
        self, call: Call, buckets: Sequence[Bucket], limits: Sequence[RateLimit], cost: int, away: str = "open"
    ) -> list[Decision]:
        if not buckets:
            return []
        fills = await self._filled(call, buckets, limits, cost, away)
        if fills is None:
            now = read(self._clock)
            return [rules.uncounted(now, each) for each in limits]
        return [rules.decision(*each) for each in zip(buckets, fills, strict=True)]

    async def _filled(
        self, call: Call, buckets: Sequence[Bucket], limits: Sequence[RateLimit], cost: int, away: str = "open"
    ) -> Sequence[Fill] | None:
        """What the store says; None where it is away, and these limits let through then."""
        try:
            return await call(buckets, cost)
        except Unavailable:
            if any((each.away or away) == "closed" for each in limits):
                raise
            return None

    def kept(self, endpoint: str) -> int:
        """For how many seconds hits on an endpoint are kept: the widest window of any tier there, and of log-ins where
        it is theirs. 0: nothing is counted.
        """
        found = [limits.of(endpoint) for limits in self._limits.values()]
        if endpoint == rules.LOGIN:
            found += [self._policy.rate_limits.login_per_account, self._policy.rate_limits.login_per_source]
        return max([each.window_seconds for each in found if each is not None], default=0)

    def limit_of(self, endpoint: str, tier: str | None) -> RateLimit | None:
        """The limit of an endpoint on a tier; None where there is none. Raises `InvalidInput` for another tier."""
        if tier is None:
            tier = "free"
        elif not isinstance(tier, str) or tier not in _TIERS:
            raise InvalidInput("tier", "must be free, pro, team or enterprise, or None for free")
        limits = self._limits.get(tier)
        return None if limits is None else limits.of(endpoint)


def _login_subject(account: str, uid: str | None) -> str:
    if type(account) is not str or not 0 < len(account) <= _LONGEST_ACCOUNT:
        raise InvalidInput("account", f"must be a text of 1 to {_LONGEST_ACCOUNT} characters")
    return rules.login_subject(account, None if uid is None else uid_of(uid))
