"""Caches: records that are read often, kept for a while in a store that all processes share.

A cached reader has the port of the reader that it stands before. Of all who miss a record at the same time, in all
processes, one loads it, and the others wait for it. What is given was read behind every invalidation that came before
it was given: whose load was overtaken by one loads again. A store that does not answer is left alone for a moment, and
records are read where they are kept for good.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar, cast, get_args

from tektree._async.ports.caches import AsyncCacheStore, AsyncQuestionReader, AsyncUserReader
from tektree._flavour import async_backoff
from tektree.clock import Clock, read
from tektree.errors import BackendError, InvalidInput
from tektree.ids import Ids, fresh_id
from tektree.models.accounts import User
from tektree.models.base import Record
from tektree.models.caches import Found, Kind, Place
from tektree.models.events import Event
from tektree.models.questions import Question
from tektree.policy import Caches as Settings
from tektree.policy import Policy
from tektree.rules import caches, inputs, reactions

__all__ = ["AsyncCaches"]

M = TypeVar("M", bound=Record)

Load = Callable[[str], Awaitable[M | None]]
"""Reads a record where it is kept for good, by the name that it is cached under."""

_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_TURN: Final = 30
"""The milliseconds of a turn: of waiting before one looks again whether another's load has ended. On average it is 50,
so in all it is longer than the load may take.
"""
_LOADS: Final = 3
"""So often somebody loads what is invalidated meanwhile, before it is not even tried to keep it."""
_REST: Final = timedelta(seconds=1)


class AsyncCaches:
    """Puts caches before readers. Without a store, readers stay as they are."""

    def __init__(
        self,
        store: AsyncCacheStore | None,
        policy: Policy,
        clock: Clock,
        ids: Ids,
        pause: Callable[[int], Awaitable[None]] = async_backoff,
    ) -> None:
        self._store = store
        told = [reactions.Rule(event_type, each) for event_type, its in policy.reactions.items() for each in its]
        self._rules = [rule for rule in told if rule.reaction.effect == "cache"]
        self.follows = tuple(dict.fromkeys([rule.event_type for rule in self._rules]))
        """The events that invalidate something, by the policy."""
        self._terms = _Terms(policy.caches, clock, ids, pause)

    @property
    def on(self) -> bool:
        """Whether there is a store."""
        return self._store is not None

    def users(self, reader: AsyncUserReader) -> AsyncUserReader:
        """``reader`` behind a cache of users, by uid: ``cache:user:{uid}``.

        What it gives has no password hash and no tokens. Raises `InvalidInput` for what has no method ``user``. What it
        gives raises what ``reader`` raises, and `InvalidInput` for a name that is no text of 1 to 512 characters.
        """
        load: Load[User] = _method(reader, "user", AsyncUserReader)
        return reader if self._store is None else _CachedUsers(_Cached("user", load, self._store, self._terms))

    def questions(self, reader: AsyncQuestionReader) -> AsyncQuestionReader:
        """``reader`` behind a cache of questions, by id: ``cache:question:{id}``.

        It gives a question to whoever asks: who may see it is decided behind it. Raises as `users`, for what has no
        method ``question``.
        """
        load: Load[Question] = _method(reader, "question", AsyncQuestionReader)
        return reader if self._store is None else _CachedQuestions(_Cached("question", load, self._store, self._terms))

    async def follow(self, events: Sequence[Event]) -> None:
        """Invalidates what these events changed, for a consumer that does it. Again: nothing happens.

        Raises `Unavailable`.
        """
        changed = {reactions.place(rule, each): None for each in events for rule in self._rules if _fits(rule, each)}
        for place in changed:
            if place is not None and self._store is not None:
                await self._store.invalidate(place)

    async def invalidate(self, kind: str, name: str) -> None:
        """Takes a record out of the cache, and sees to it that none is kept that is being loaded now. Again: nothing.

        ``kind`` is ``user``, by uid, or ``question``, by id. To be called behind the write. Raises `InvalidInput`,
        `Unavailable`: then it may be kept until its time is over.
        """
        if kind not in _KINDS:
            raise InvalidInput("kind", f"must be {' or '.join(_KINDS)}")
        place = _place(kind, name)
        if self._store is not None:
            await self._store.invalidate(place)


def _method(reader: object, name: str, port: type) -> Callable[[str], Any]:
    """How ``reader`` reads, said before anything is read. Raises `InvalidInput` for what is no reader."""
    found = getattr(reader, name, None)
    if not callable(found):
        raise InvalidInput("reader", f"must have the method {name!r} of the port {port.__name__}")
    return cast(Callable[[str], Any], found)


def _fits(rule: reactions.Rule, event: Event) -> bool:
    return reactions.fits(rule.event_type, event.event_type)


class _Terms:
    """On what terms records are kept and loaded, and whether the store is left alone for now."""

    def __init__(self, settings: Settings, clock: Clock, ids: Ids, pause: Callable[[int], Awaitable[None]]) -> None:
        self.lease = settings.lease * 1_000
        """The milliseconds that others wait for a load."""
        self.settings = settings
        self.pause = pause
        self._clock = clock
        self._ids = ids
        self._rests_until: datetime | None = None

    def token(self) -> str:
        """The token of a load."""
        return fresh_id(self._ids)

    def missed(self) -> None:
        """The store did not answer: it is left alone for a moment."""
        self._rests_until = read(self._clock) + _REST

    def rests(self) -> bool:
        """Whether that moment lasts."""
        if self._rests_until is None:
            return False
        left = self._rests_until - read(self._clock)
        if timedelta() < left <= _REST:  # more: the clock was set back
            return True
        self._rests_until = None
        return False


class _Cached(Generic[M]):
    """What a reader gives, kept for a while."""

    def __init__(self, kind: Kind, load: Load[M], store: AsyncCacheStore, terms: _Terms) -> None:
        self._kind: Kind = kind
        self._load = load
        self._store = store
        self._terms = terms

    async def get(self, name: str) -> M | None:
        place = _place(self._kind, name)
        found = None if self._terms.rests() else await self._kept(place)
        return await self._loaded(name) if found is None else cast(M | None, found.record)

    async def _kept(self, place: Place) -> Found | None:
        """What is kept, now or behind a load, be it another's; None: it has to be read where it is kept for good."""
        try:
            found = await self._store.read(place)
        except BackendError:
            self._terms.missed()
            return None
        loads = 0
        for turn in range(self._terms.lease // _TURN):
            if found is not None or loads == _LOADS or self._terms.rests():
                break
            if turn:
                await self._terms.pause(turn)
            token = self._terms.token()
            try:
                begun = await self._store.begin(place, token, self._terms.lease)
            except BackendError:
                self._terms.missed()
                break
            if isinstance(begun, Found):
                found = begun
            elif begun:
                loads += 1
                found = await self._load_for(place, token)
        return found

    async def _load_for(self, place: Place, token: str) -> Found | None:
        """What was loaded and is kept; None: it was invalidated meanwhile, or nobody knows."""
        try:
            record = await self._loaded(place.name)
        except GeneratorExit:  # thrown away: it can wait for nothing any more
            raise
        except BaseException:
            with suppress(BackendError):
                await self._store.leave(place, token)
            raise
        try:
            lasts = caches.lasts(record, self._terms.settings, token)
            kept = await self._store.keep(place, record, token, lasts)
        except BackendError:
            self._terms.missed()
            return None
        return Found(record) if kept else None

    async def _loaded(self, name: str) -> M | None:
        record = await self._load(name)
        return None if record is None else caches.shown(record)


def _place(kind: Kind, name: str) -> Place:
    return Place(kind, inputs.text(name, "name", 1, 512))


class _CachedUsers:
    """A reader of users behind a cache."""

    def __init__(self, cached: "_Cached[User]") -> None:
        self._cached = cached

    async def user(self, uid: str) -> User | None:
        return await self._cached.get(uid)


class _CachedQuestions:
    """A reader of questions behind a cache."""

    def __init__(self, cached: "_Cached[Question]") -> None:
        self._cached = cached

    async def question(self, question_id: str) -> Question | None:
        return await self._cached.get(question_id)
