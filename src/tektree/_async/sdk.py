"""The SDK: one policy, one clock and one set of backends, wired. There is no logic here."""

from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from tektree._async.backends.memory.bundles import memory_backends
from tektree._async.backends.memory.quotas import AsyncMemoryQuotas
from tektree._async.backends.memory.rate_limits import AsyncMemoryRateLimits
from tektree._async.backends.memory.sessions import AsyncMemorySessions
from tektree._async.backends.memory.streams import AsyncMemoryEffects, AsyncMemoryStreams
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.accounts import AsyncAccounts
from tektree._async.services.admissions import AsyncAdmissions
from tektree._async.services.answers import AsyncAnswers
from tektree._async.services.areas import AsyncAreas
from tektree._async.services.caches import AsyncCaches
from tektree._async.services.connections import AsyncConnections
from tektree._async.services.content_recounts import AsyncContentRecounts
from tektree._async.services.creations import AsyncCreations
from tektree._async.services.erasures import AsyncErasures
from tektree._async.services.events import AsyncEvents
from tektree._async.services.gamification import AsyncGamification
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.insights import AsyncInsights
from tektree._async.services.leaderboards import AsyncLeaderboards
from tektree._async.services.proofs import every_proof
from tektree._async.services.publishing import STREAMS, AsyncStreamSink
from tektree._async.services.questions import AsyncQuestions
from tektree._async.services.quotas import AsyncQuotas
from tektree._async.services.rate_limits import AsyncRateLimits
from tektree._async.services.reactions import AsyncReactions
from tektree._async.services.relay import AsyncRelay, AsyncSource
from tektree._async.services.revocations import AsyncRevocations
from tektree._async.services.sessions import AsyncSessions, enrolled
from tektree._async.services.subscriptions import AsyncSubscriptions
from tektree._async.services.tiers import AsyncTiers
from tektree._async.services.votes import AsyncVotes
from tektree.clock import Clock, read, system_clock
from tektree.errors import ConfigurationError
from tektree.ids import Ids, RandomIds
from tektree.models.admissions import Admission
from tektree.policy import Policy
from tektree.rules.catalog import CATALOG

__all__ = ["AsyncTekTree", "memory_backends"]


class AsyncTekTree:
    """The whole of tektree over one storage: ``tek.accounts``, ``tek.gamification``, ``tek.leaderboards``,
    ``tek.events``.

    Usually made by `in_memory` or `connect`; with ``backends`` of your own the same services run on your storage.
    ``clock`` is anything that returns the time as an aware datetime, ``ids`` anything that returns fresh ids of 24 hex
    digits; both are there for tests. Raises `ConfigurationError` for a policy, clock or ids that are none.
    """

    def __init__(
        self,
        backends: AsyncBackends,
        policy: Policy | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        clock, ids = clock or system_clock, ids or RandomIds()
        if policy is not None and not isinstance(policy, Policy):
            raise ConfigurationError("policy", "must be a tektree.Policy, or None for the defaults")
        if not callable(ids):
            raise ConfigurationError("ids", "must be a callable that returns 24 hex digits")
        if not callable(clock):
            raise ConfigurationError("clock", "must be a callable that returns an aware datetime")
        read(clock)
        sessions = backends.sessions or AsyncMemorySessions()
        streams = backends.streams or AsyncMemoryStreams(clock)
        beside = backends.stream_effects or AsyncMemoryEffects()
        self._backends = backends = replace(backends, sessions=sessions, streams=streams, stream_effects=beside)
        self.policy = policy or Policy()
        """The numbers in force."""
        handlers = AsyncHandlers(backends.events, backends.deliveries, CATALOG, self.policy, clock, ids)
        self.gamification = AsyncGamification(backends, self.policy, clock, ids, handlers=handlers)
        self.leaderboards = AsyncLeaderboards(backends, clock)
        self.rate_limits = AsyncRateLimits(backends.rate_limits or AsyncMemoryRateLimits(clock), self.policy, clock)
        self.caches = AsyncCaches(backends.caches, self.policy, clock, ids)
        self.accounts = AsyncAccounts(
            backends,
            self.gamification,
            handlers,
            self.policy,
            clock,
            ids,
            limits=self.rate_limits,
            caches=self.caches,
        )
        self.subscriptions = AsyncSubscriptions(
            backends.subscriptions,
            backends.gamification,
            self.policy,
            clock,
            handlers.tell,
            AsyncTiers(self.accounts.users, self.gamification.settings).follow,
            self.accounts,
        )
        self.sessions = AsyncSessions(
            sessions,
            self.policy,
            clock,
            enrolled(backends.gamification),
            self.accounts,
            tell=handlers.say,
        )
        self.accounts.users.sessions = self.sessions
        self.quotas = AsyncQuotas(
            backends.quotas or AsyncMemoryQuotas(),
            self.policy,
            clock,
            ids,
            created=backends.created or AsyncCreations(backends),
            months=self.subscriptions.month,
            tell=handlers.tell,
        )
        self.subscriptions.moved = self.quotas.keep
        AsyncReactions(
            self.gamification,
            backends.gamification,
            handlers,
            self.policy,
            clock,
            self.accounts,
            self.subscriptions,
            self.quotas,
            self.caches,
        )
        AsyncRevocations(self.sessions, handlers)
        sources: list[AsyncSource] = [
            self.gamification.commits,
            self.gamification.settings,
            self.accounts.followers,
            self.subscriptions,
        ]
        self._areas: AsyncAreas | None = None
        if backends.areas is not None and backends.follows is not None:
            self._areas = AsyncAreas(
                backends, backends.areas, backends.follows, self.quotas, handlers, self.policy, clock, ids
            )
            sources += [self._areas.contents, self._areas.follows]
        self._questions: AsyncQuestions | None = None
        if backends.questions is not None and backends.areas is not None:
            self._questions = AsyncQuestions(
                backends,
                backends.questions,
                backends.areas,
                self.quotas,
                handlers,
                self.policy,
                clock,
                ids,
                caches=self.caches,
            )
            sources += [self._questions.contents, self._questions.views]
        self._answers: AsyncAnswers | None = None
        if self._questions is not None and backends.questions is not None and backends.answers is not None:
            self._answers = AsyncAnswers(
                backends,
                backends.answers,
                backends.questions,
                self._questions.contents,
                self.quotas,
                handlers,
                self.policy,
                clock,
                ids,
            )
            self._questions.answered = self._answers.follow
            sources += [self._answers.contents]
        self._votes: AsyncVotes | None = None
        if backends.votes is not None and backends.questions is not None and backends.answers is not None:
            self._votes = AsyncVotes(
                backends, backends.votes, backends.questions, backends.answers, handlers, self.policy, clock
            )
            sources += [self._votes.contents]
            if self._questions is not None and self._answers is not None:
                self._questions.voted = self._answers.voted = self._votes.settle
        self._connections: AsyncConnections | None = None
        if backends.connections is not None:
            self._connections = AsyncConnections(backends, backends.connections, handlers, self.policy, clock)
            self.accounts.followers.leaving.append(self._connections.leave)
            sources += [self._connections.contents]
        self._insights: AsyncInsights | None = None
        if self._votes is not None and backends.insights is not None and backends.areas is not None:
            self._insights = AsyncInsights(
                backends,
                backends.insights,
                backends.areas,
                self._votes,
                self.quotas,
                handlers,
                self.policy,
                clock,
                ids,
            )
            sources += [self._insights, self._insights.contents, self._insights.views]
        erasures = AsyncErasures(backends, clock, self._areas, self._questions, self._answers, self._insights)
        self.accounts.followers.leaving.append(erasures.leave)
        relay = AsyncRelay(backends, handlers, sources, self.policy, clock, ids)
        if STREAMS in self.policy.events.sinks and backends.leases is not None:
            relay.add(AsyncStreamSink(streams))
        recounts = AsyncContentRecounts(every_proof(backends, self._areas, self._answers), self.caches)
        self.events = AsyncEvents(backends, handlers, relay, recounts, self.policy, clock, ids)
        self._admissions = AsyncAdmissions(
            self.sessions, self.rate_limits, self.quotas, self.policy, clock, backends.admissions
        )

    @classmethod
    def in_memory(cls, policy: Policy | None = None, clock: Clock | None = None, ids: Ids | None = None) -> Self:
        """A ``tek`` that keeps everything in this process's memory: for tests, notebooks and small tools.

        It needs no server. Raises `ConfigurationError` for a policy, clock or ids that are none.
        """
        return cls(memory_backends(), policy, clock, ids)

    @classmethod
    def connect(
        cls,
        mongo: Any,
        redis: Any = None,
        policy: Policy | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> Self:
        """A ``tek`` over MongoDB: a URI ``mongodb://host/name``, or a database of your own client.

        ``redis`` is a URI ``redis://host``, or a client of redis-py: what is kept for a while only (rate limits,
        sessions, quotas) is kept there, users and questions are cached there, and so are the leaderboards kept: those
        that are not there yet are made by ``tek.leaderboards.rebuild``. Without it that is in this process's memory,
        where other processes do not see it, nothing is cached, and leaderboards are read from MongoDB.

        Nothing is sent yet: a server that is not there is noticed by the first call.
        What is passed in is never closed here; what is opened from a URI is, by `close` or ``async with``. A client
        belongs to one process, and an async one to one event loop. Raises `ConfigurationError`, also when the driver
        is not installed.
        """
        try:
            from tektree._async.backends.mongo.connecting import mongo_backends
        except ImportError:
            raise ConfigurationError("mongo", 'needs the driver: pip install "tektree[mongo]"') from None
        backends = mongo_backends(mongo)
        if redis is not None:
            try:
                from tektree._async.backends.redis.connecting import with_redis
            except ImportError:
                raise ConfigurationError("redis", 'needs the driver: pip install "tektree[redis]"') from None
            backends = with_redis(backends, redis)
        return cls(backends, policy, clock, ids)

    @property
    def areas(self) -> AsyncAreas:
        """Areas. Raises `ConfigurationError` where the storages have none."""
        if self._areas is None:
            raise ConfigurationError("backends", "keep no areas; give the bundle areas= and follows=")
        return self._areas

    @property
    def questions(self) -> AsyncQuestions:
        """Questions. Raises `ConfigurationError` where the storages have none."""
        if self._questions is None:
            raise ConfigurationError("backends", "keep no questions; give the bundle questions= and areas=")
        return self._questions

    @property
    def answers(self) -> AsyncAnswers:
        """Answers. Raises `ConfigurationError` where the storages have none."""
        if self._answers is None:
            raise ConfigurationError("backends", "keep no answers; give the bundle answers=, questions= and areas=")
        return self._answers

    @property
    def votes(self) -> AsyncVotes:
        """Votes. Raises `ConfigurationError` where the storages have none."""
        if self._votes is None:
            raise ConfigurationError("backends", "keep no votes; give the bundle votes=, questions= and answers=")
        return self._votes

    @property
    def connections(self) -> AsyncConnections:
        """Connections between users. Raises `ConfigurationError` where the storages have none."""
        if self._connections is None:
            raise ConfigurationError("backends", "keep no connections; give the bundle connections=")
        return self._connections

    @property
    def insights(self) -> AsyncInsights:
        """Insights. Raises `ConfigurationError` where the storages have none."""
        if self._insights is None:
            raise ConfigurationError(
                "backends", "keep no insights; give the bundle insights=, areas=, votes=, questions= and answers="
            )
        return self._insights

    async def setup(self) -> None:
        """Makes what the storage needs before its first use. Again: nothing happens."""
        if self._backends.on_setup is not None:
            await self._backends.on_setup()

    async def check(self) -> list[Any]:
        """What of the storage's indexes is missing or different, one ``Drift`` each; in memory, nothing.

        Nothing is written.
        """
        return [] if self._backends.on_check is None else list(await self._backends.on_check())

    async def admit(self, token: str, endpoint: str, quota: str | None = None, n: int = 1) -> Admission:
        """Lets a request in: who asks, by the session; one hit on ``endpoint``, by the actor's tier; and ``n`` units of
        the ``quota``, if one is named. Who is refused by any of them has used nothing of the others. What is returned
        always lets in: its decision is for the headers of the answer.

        One round trip on one Redis server, unless a quota has to be loaded, role and tier have changed, or sessions end
        by rest. The day that a subscription's months begin on is read once a minute: where it changes and the tier does
        not, so much later it is noticed. On a cluster the order is session, quota, limit, and the units are given back
        when the limit refuses. Raises `InvalidInput`, `InvalidSession`, `RateLimited`, `QuotaExhausted`; `Forbidden`
        where the limit is 0; `Unavailable`: what was asked for may have been counted, once.
        """
        return await self._admissions.admit(token, endpoint, quota, n)

    async def close(self) -> None:
        """Lets go of what was opened here. What was passed in stays open."""
        if self._backends.on_close is not None:
            await self._backends.on_close()

    async def __aenter__(self) -> Self:
        try:
            await self.setup()
        except BaseException:
            await self.close()  # nobody else would: the block is never entered
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
