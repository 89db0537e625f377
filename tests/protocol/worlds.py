"""Worlds for the explorer: the real services over storage in memory, and what must be true in the end.

Each worker is a process of its own: its own services, so its own locks, over the one storage.
"""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tektree._async.backends.memory.bundles import memory_backends
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.gamification import AsyncGamification
from tektree._async.services.leaderboards import AsyncLeaderboards
from tektree.errors import Conflict, OutcomeUnknown, Unavailable
from tektree.ids import transaction_id
from tektree.models.accounts import Principal
from tektree.models.gamification import AwardResult, EntityRef, GamificationProfile, Outcome, XPTransaction
from tektree.models.leaderboards import Board, Standing
from tektree.policy import Policy
from tektree.rules import leaderboards, projections
from tektree.testing.explorer import End, digest, pause, stepping
from tektree.testing.faults import Call, around
from tektree.testing.ids import SeededIds

NOW = datetime(2025, 12, 16, 14, tzinfo=UTC)
POLICY = Policy()

Command = Callable[[AsyncGamification], Awaitable[object]]


def _as_it_is(backends: AsyncBackends) -> AsyncBackends:
    return backends


@dataclass(frozen=True)
class Variant:
    """A way to do it wrong: in the store that all share, or in the order of what each worker calls."""

    name: str
    store: Callable[[AsyncBackends], AsyncBackends] = _as_it_is
    worker: Callable[[AsyncBackends], AsyncBackends] = _as_it_is


RIGHT = Variant("as it is")


def services(backends: AsyncBackends, policy: Policy = POLICY) -> AsyncGamification:
    return AsyncGamification(backends, policy, lambda: NOW, SeededIds(0), pause)


def done(coroutine: Awaitable[Any]) -> Any:
    """What a coroutine over plain storage comes to: it never waits, but for its pauses."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_by_hand(coroutine))
    return _driven(coroutine)


async def _by_hand(coroutine: Awaitable[Any]) -> Any:
    return _driven(coroutine)


def _driven(coroutine: Awaitable[Any]) -> Any:
    iterator = coroutine.__await__()
    try:
        while True:
            next(iterator)
    except StopIteration as stop:
        return stop.value


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """Stores with containers of their own. What they hold is frozen and shared."""
    if type(value) in _SHARED:
        return value
    if id(value) in memo:
        return memo[id(value)]
    if type(value) is dict:
        return {key: _copied(item, memo) for key, item in value.items()}
    if type(value) in {list, deque}:
        return type(value)([_copied(item, memo) for item in value])
    if type(value) is set:
        return set(value)
    if isinstance(value, type(threading.Lock())):
        return threading.Lock()
    if type(value).__module__.startswith("tektree._async.backends.memory"):
        twin = memo[id(value)] = object.__new__(type(value))
        names = vars(value) if hasattr(value, "__dict__") else type(value).__slots__
        for name in names:
            setattr(twin, name, _copied(getattr(value, name), memo))
        return twin
    _SHARED.add(type(value))
    return value


_SHARED: set[type] = set()
"""The types of what stores hold and is frozen, as far as they were met."""


class Plot:
    """A beginning, the commands that meet, and how to judge how it ends."""

    def __init__(
        self,
        name: str,
        *commands: Command,
        before: Sequence[Command] = (),
        variant: Variant = RIGHT,
        policy: Policy = POLICY,
    ) -> None:
        self.name, self.commands, self.variant, self.policy = name, commands, variant, policy
        self.base = memory_backends()
        self.user = done(services(self.base).enroll("usr_ada")).user_id
        for command in before:
            done(command(services(self.base, policy)))

    def with_variant(self, variant: Variant) -> "Plot":
        twin = object.__new__(Plot)
        twin.__dict__ = {**self.__dict__, "variant": variant}
        return twin

    def __call__(self) -> "PlayedPlot":
        return PlayedPlot(self)


class PlayedPlot:
    """One world of a plot."""

    def __init__(self, plot: Plot) -> None:
        self.plot = plot
        base, variant = plot.base, plot.variant
        self.amiss = False
        """Whether storage was away for anybody, who may have ended well all the same."""
        # One memo for all of them: the ledger knows the profiles.
        ports = [
            base.gamification,
            base.ledger,
            base.leaderboards,
            base.events,
            base.deliveries,
            base.accounts,
            base.subscriptions,
        ]
        self.parts = _copied(ports, {})
        self.store = AsyncBackends(*self.parts)
        shared = variant.store(self.store)
        self.plain = variant.worker(shared)
        """The same, without a stop at every call."""
        each = [variant.worker(around(stepping(shared), self._noting)) for _ in plot.commands]
        self.workers: Sequence[Coroutine[Any, Any, object]] = [
            _run(command, services(own, plot.policy)) for command, own in zip(plot.commands, each, strict=True)
        ]

    async def _noting(self, call: Call, made: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await made()
        except (Unavailable, OutcomeUnknown):
            self.amiss = True
            raise

    def state(self) -> object:
        return digest(self.parts)

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        yield from self._errors(ends)
        yield from self._forgotten(ends)
        if not self.amiss and not any(end.struck or end.error for end in ends):
            yield from [f"with nothing amiss: {said}" for said in self._whole()]
        yield from self._retried(ends)
        yield from [f"after the retry: {said}" for said in self._whole()]
        done(services(self.plain, self.plot.policy).rebuild(self.plot.user))
        yield from [f"after rebuild: {said}" for said in self._whole()]

    def _errors(self, ends: Sequence[End]) -> Iterator[str]:
        for end in ends:
            if end.error is not None and not isinstance(end.error, Conflict | OutcomeUnknown | Unavailable):
                yield f"a worker raised {end.error!r}"

    def _forgotten(self, ends: Sequence[End]) -> Iterator[str]:
        """A setting whose change was confirmed is in force: no other worker of a plot sets it to anything else."""
        now = done(self.plain.gamification.profile(self.plot.user))
        for end in ends:
            if isinstance(end.value, GamificationProfile):
                if end.value.leaderboard_opt_out and not now.leaderboard_opt_out:
                    yield "who opted out is no longer opted out"
                if end.value.timezone not in {"UTC", now.timezone}:
                    yield "who moved is back where they were"

    def _retried(self, ends: Sequence[End]) -> Iterator[str]:
        """Every command again with the same key: one row, and the first result comes back."""
        rows = {row.transaction_id for row in self._rows()}
        for number, (command, end) in enumerate(zip(self.plot.commands, ends, strict=True)):
            try:
                found = done(command(services(self.plain, self.plot.policy)))
            except Conflict as error:
                cut_off = end.struck or isinstance(end.error, Unavailable | OutcomeUnknown)
                if type(error) is not type(end.error) and not cut_off:
                    yield f"the retry of command {number} raised {error!r}, the first time it was {end!r}"
                continue
            if not isinstance(found, AwardResult):
                continue
            first = end.value if isinstance(end.value, AwardResult) else None
            if first is not None and first.transaction != found.transaction:
                yield f"the retry of command {number} gave another row: seq {_seq(found)} after {_seq(first)}"
            if first is not None and found.outcome is not Outcome.DUPLICATE:
                yield f"the retry of command {number}, which had ended well, was {found.outcome}"
            if found.transaction is not None and found.transaction.transaction_id in rows and found.events:
                yield f"the retry of command {number} told events again"

    def _rows(self) -> list[XPTransaction]:
        return list(done(self.plain.ledger.rows(self.plot.user, 0, 1000)))

    def _whole(self) -> Iterator[str]:
        """All that must be true when nobody is at work."""
        rows = self._rows()
        profile = done(self.store.gamification.profile(self.plot.user))
        yield from _ledger_faults(rows)
        if [row.seq for row in rows] == list(range(1, len(rows) + 1)):
            state = projections.fold(rows, self.plot.policy)
            divergence = projections.compared(state, profile)
            if divergence:
                yield f"the profile's {divergence.field} is {divergence.found}, its rows say {divergence.expected}"
        if not done(services(self.plain, self.plot.policy).verify(self.plot.user)):
            yield "verify says no"
        if profile.owed:
            yield f"still owed: {profile.owed}"
        yield from self._log_faults(rows, profile)
        yield from self._board_faults(rows, profile)

    def _log_faults(self, rows: Sequence[XPTransaction], profile: GamificationProfile) -> Iterator[str]:
        log = list(done(self.store.events.stream(f"user:{profile.uid}:xp", 0, 1000)))
        expected = sum([row.told for row in rows])
        numbers = [event.metadata["seq"] for event in log]
        if numbers != list(range(1, expected + 1)):
            yield f"the log has the events {numbers}, the rows told {expected}"
        said = [event.payload["transaction_id"] for event in log if event.event_type in {"xp.awarded", "xp.revoked"}]
        if said != [row.transaction_id for row in rows]:
            yield "the log does not tell the rows one by one"
        settings = [
            event
            for event in done(_all_events(self.store))
            if event.metadata["stream"] == f"user:{profile.uid}:settings"
        ]
        if len({event.event_id for event in done(_all_events(self.store))}) > expected + len(settings):
            yield "the log tells of what is in no row"
        if [event.metadata["seq"] for event in settings] != list(range(1, profile.settings_told + 1)):
            yield f"the log has {len(settings)} events of settings, they were changed {profile.settings_told} times"
        if done(self.store.gamification.outbox(self.plot.user)):
            yield "the profile still carries events"
        if any(each.outbox for each in done(self.store.ledger.tail(self.plot.user, 0, 1000))):
            yield "a row still carries its events"

    def _board_faults(self, rows: Sequence[XPTransaction], profile: GamificationProfile) -> Iterator[str]:
        boards = AsyncLeaderboards(self.store, lambda: NOW)
        seen = not profile.leaderboard_opt_out and profile.total_xp > 0
        shown = [Standing(1, profile.uid or "", profile.total_xp)] if seen else []
        found = done(boards.top(Board.GLOBAL))
        if rows and found != shown:
            yield f"the board shows {found}, the profile {shown}"
        for week in sorted({row.week for row in rows if row.week}):
            expected = leaderboards.standings(done(self.store.ledger.standings(week)))
            if Board(week).is_over(NOW):
                continue
            found = done(boards.top(Board(week)))
            if found != expected:
                yield f"the board of {week} shows {found}, the ledger {expected}"


async def _run(command: Command, service: AsyncGamification) -> object:
    return await command(service)


async def _all_events(store: AsyncBackends) -> list[Any]:
    return list(store.events._by_id.values())  # type: ignore[attr-defined]


def _seq(result: AwardResult) -> int | None:
    return result.transaction.seq if result.transaction else None


def _ledger_faults(rows: Sequence[XPTransaction]) -> Iterator[str]:
    numbers = sorted([row.seq for row in rows])
    if numbers != list(range(1, len(rows) + 1)):
        yield f"the seqs are {numbers}"
    keys = Counter(row.key for row in rows)
    if twice := [key for key, count in keys.items() if count > 1]:
        yield f"more than one row has the key {twice[0]!r}"
    used: Counter[str] = Counter()
    for row in rows:
        used[row.day or ""] += row.room
        if not 0 <= used[row.day or ""] <= row.daily_cap:
            yield f"row {row.seq} takes {used[row.day or '']} of a cap of {row.daily_cap}"
        if row.daily_total != used[row.day or ""]:
            yield f"row {row.seq} says {row.daily_total} is used of its day, it is {used[row.day or '']}"


# Commands


def award(amount: int, key: str, **more: Any) -> Command:
    return lambda tek: tek.award(ADA, "manual", amount=amount, key=key, **more)


def activity(days: int) -> Command:
    return lambda tek: tek.record_activity(ADA, at=NOW + timedelta(days=days))


def answered(id: str) -> Command:
    return lambda tek: tek.award(ADA, "answer_posted", about=EntityRef("answer", id))


def reverse(key: str, named: str | None = None) -> Command:
    return lambda tek: tek.reverse(row_id(key), "a test", key=named)


def restore(key: str, named: str | None = None) -> Command:
    return lambda tek: tek.restore(row_id(key), "a test", key=named)


def opt_out() -> Command:
    return lambda tek: tek.opt_out(PRINCIPAL)


def move(zone: str) -> Command:
    return lambda tek: tek.set_timezone(ADA, zone)


def freezes(n: int, key: str) -> Command:
    return lambda tek: tek.grant_freezes(ADA, n, key)


def rebuild() -> Command:
    return lambda tek: tek.rebuild(ADA)


ADA: str = done(services(memory_backends()).enroll("usr_ada")).user_id
PRINCIPAL = Principal(id=ADA, uid="usr_ada")


def row_id(key: str) -> str:
    return transaction_id(ADA, key)
