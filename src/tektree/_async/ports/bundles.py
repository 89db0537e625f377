"""All that an SDK needs from storage, in one value."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tektree._async.ports.accounts import AsyncAccountRepository
from tektree._async.ports.admissions import AsyncAdmissionStore
from tektree._async.ports.answers import AsyncAnswerRepository
from tektree._async.ports.areas import AsyncAreaRepository, AsyncFollowRepository
from tektree._async.ports.caches import AsyncCacheStore
from tektree._async.ports.connections import AsyncConnectionRepository
from tektree._async.ports.events import AsyncDeliveries, AsyncEventLog
from tektree._async.ports.filings import AsyncFilings
from tektree._async.ports.gamification import AsyncGamificationRepository, AsyncLedger
from tektree._async.ports.insights import AsyncInsightRepository
from tektree._async.ports.leaderboards import AsyncLeaderboardStore
from tektree._async.ports.questions import AsyncQuestionRepository
from tektree._async.ports.quotas import AsyncQuotaStore, AsyncUsageReader
from tektree._async.ports.rate_limits import AsyncRateLimitStore
from tektree._async.ports.sessions import AsyncSessionStore
from tektree._async.ports.streams import AsyncEffects, AsyncLeases, AsyncNews, AsyncStreams
from tektree._async.ports.subscriptions import AsyncSubscriptionRepository
from tektree._async.ports.unbroken import AsyncUnbroken
from tektree._async.ports.votes import AsyncVoteRepository

__all__ = ["AsyncBackends"]


@dataclass(frozen=True, slots=True)
class AsyncBackends:
    """One implementation of every port, and what has to happen around their use: once before, and at the end.

    What is kept for a while only (rate limits, sessions, quotas) may be left out; it is kept in memory then. Without
    ``created``, which counts what exists, quotas that are lost begin anew. ``admissions`` are its sessions, limits and
    quotas as one, where one step can look at all three. Without ``caches`` nothing is cached: another process would not
    hear of a change. Storages of a host that keeps no content may leave out what is needed for it: ``areas`` and
    ``follows``, ``questions``, ``answers``, ``votes``, ``insights``, ``connections``; then ``tek.areas`` and the others
    say so. ``filings`` looks at its accounts, areas and questions together; without it they are asked one by one.
    ``unbroken`` commits to its ledger with all that follows; without it that is done step by step.
    ``leases`` and ``effects`` are for relays with sinks and for consumers, ``streams`` is what these read,
    ``stream_effects`` is kept beside the streams and lost with them; ``news`` opens what tells of new events, None
    where the log has to be asked.
    """

    gamification: AsyncGamificationRepository
    ledger: AsyncLedger
    leaderboards: AsyncLeaderboardStore
    events: AsyncEventLog
    deliveries: AsyncDeliveries
    accounts: AsyncAccountRepository
    subscriptions: AsyncSubscriptionRepository
    on_setup: Callable[[], Awaitable[None]] | None = None
    on_close: Callable[[], Awaitable[None]] | None = None
    on_check: Callable[[], Awaitable[Sequence[object]]] | None = None
    rate_limits: AsyncRateLimitStore | None = None
    sessions: AsyncSessionStore | None = None
    quotas: AsyncQuotaStore | None = None
    created: AsyncUsageReader | None = None
    admissions: AsyncAdmissionStore | None = None
    caches: AsyncCacheStore | None = None
    areas: AsyncAreaRepository | None = None
    follows: AsyncFollowRepository | None = None
    questions: AsyncQuestionRepository | None = None
    answers: AsyncAnswerRepository | None = None
    votes: AsyncVoteRepository | None = None
    connections: AsyncConnectionRepository | None = None
    insights: AsyncInsightRepository | None = None
    filings: AsyncFilings | None = None
    unbroken: AsyncUnbroken | None = None
    leases: AsyncLeases | None = None
    effects: AsyncEffects | None = None
    streams: AsyncStreams | None = None
    stream_effects: AsyncEffects | None = None
    news: Callable[[], Awaitable[AsyncNews | None]] | None = None
