"""Two users on one connection: every interleaving of their calls, with one fault at every call.

After each the relay's sweep runs, every command that was cut off is repeated, and the sweep runs again. Then both see
the same, nobody is connected over a block, what was told adds up to what is there, and is numbered without a gap.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import pytest

from tektree import Policy
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.sdk import memory_backends
from tektree._async.services import contents
from tektree._async.services.connections import AsyncConnections
from tektree._async.services.handlers import AsyncHandlers
from tektree.errors import BackendError, Conflict, Denied, NotFound
from tektree.models.connections import Connection, contact
from tektree.rules import connections
from tektree.rules.catalog import CATALOG
from tektree.testing import SeededIds
from tektree.testing.explorer import EVERY_STRIKE, End, Strike, digest, explore, pause, stepping
from tests.content.worlds import principal
from tests.lanes import enter
from tests.protocol import counts
from tests.protocol.worlds import NOW, _copied, done

Command = Callable[[AsyncConnections], Awaitable[object]]

POLICY = Policy(events={"drain": "relay"})
PORTS = ("gamification", "ledger", "leaderboards", "events", "deliveries", "accounts", "subscriptions")
ADA, BEN = principal("ada"), principal("ben")
OTHER = {ADA.id: BEN, BEN.id: ADA}


def services(backends: AsyncBackends, seed: int) -> AsyncConnections:
    handlers = AsyncHandlers(backends.events, backends.deliveries, CATALOG, POLICY, lambda: NOW, SeededIds(seed))
    assert backends.connections is not None
    return AsyncConnections(backends, backends.connections, handlers, POLICY, lambda: NOW, pause)


def step(verb: str, who: Any) -> Command:
    return lambda tek: getattr(tek, verb)(who, OTHER[who.id].id)


class Meeting:
    """What happened before, the commands that meet, and what Ben may be to Ada in the end."""

    def __init__(self, before: Sequence[Command], commands: Sequence[Command], ends: set[str]) -> None:
        self.before, self.commands, self.ends = before, commands, ends

    @cached_property
    def begun(self) -> AsyncBackends:
        base = memory_backends()

        async def begin() -> None:
            tek = services(base, 99)
            for command in self.before:
                await command(tek)
            await tek.contents.sweep()

        done(begin())
        return base

    def __call__(self) -> "Played":
        return Played(self)


class Played:
    """One world of a meeting."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        self.parts = _copied([getattr(meeting.begun, name) for name in (*PORTS, "connections")], {})
        self.store = AsyncBackends(*self.parts[:-1], connections=self.parts[-1])
        self.workers: Sequence[Coroutine[Any, Any, object]] = [
            _run(command, services(stepping(self.store), seed)) for seed, command in enumerate(meeting.commands)
        ]
        self.plain = services(self.store, 50)

    def state(self) -> object:
        return digest(self.parts)

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        for end in ends:
            if end.error is not None and not isinstance(end.error, Conflict | Denied | BackendError | NotFound):
                yield f"a worker raised {end.error!r}"
        done(self.plain.contents.sweep())
        yield from self.whole()
        for command, end in zip(self.meeting.commands, ends, strict=True):
            if end.struck or isinstance(end.error, BackendError):
                with suppress(Conflict, Denied, NotFound):
                    done(command(self.plain))
        done(self.plain.contents.sweep())
        yield from self.whole()
        now = self.there()
        if (seen := "none" if now is None else contact(now, ADA.id).status) not in self.meeting.ends:
            yield f"in the end Ada sees {seen}"

    def there(self) -> Connection | None:
        every = [each.record for each in self.store.connections._stored.values()]  # type: ignore[union-attr]
        assert len(every) <= 1
        return every[0] if every else None

    def whole(self) -> Iterator[str]:
        """What is amiss when nobody is at work."""
        now = self.there()
        if now is None:
            return
        if now.status == "connected" and now.blocked:
            yield "they are connected over a block"
        if now.status != ("none", "requested", "connected")[len(now.asked)]:
            yield f"{len(now.asked)} asked, and it is {now.status}"
        stream = done(self.store.events.stream(f"connection:{now.id}", 0, 99))
        if [each.metadata["seq"] for each in stream] != list(range(1, len(stream) + 1)):
            yield "events are not numbered"
        if done(self.store.connections.unfinished(9)):  # type: ignore[union-attr]
            yield "events stand on the document"
        asked: set[str] = set()
        blocked: set[str] = set()
        for each in stream:
            who, verb = each.payload["user_id"], each.event_type.removeprefix("connection.")
            if verb in ("requested", "accepted"):
                if who in asked:
                    yield f"{who} is told to have asked twice"
                asked.add(who)
            else:
                asked.clear()
            if verb == "blocked":
                blocked.add(who)
            elif verb == "unblocked":
                blocked.discard(who)
        if blocked != {f"usr_{'ada' if each == ADA.id else 'ben'}" for each in now.blocked}:
            yield "other blocks are told than there are"
        if len(asked) > len(now.asked) or (
            not now.blocked and len(asked) != len(now.asked) and "unblocked" not in repr(stream)
        ):
            yield "other requests are told than there are"


async def _run(command: Command, tek: AsyncConnections) -> object:
    return await command(tek)


ASKED = [step("request", ADA)]
JOINED = [step("request", ADA), step("accept", BEN)]
SHUT = [step("block", ADA)]
MEETINGS = {
    "two requests cross": Meeting([], [step("request", ADA), step("request", BEN)], {"connected"}),
    "one asks twice": Meeting([], [step("request", ADA), step("request", ADA)], {"sent"}),
    "it is accepted and blocked": Meeting(ASKED, [step("accept", BEN), step("block", ADA)], {"blocked"}),
    "it is accepted and taken back": Meeting(ASKED, [step("accept", BEN), step("remove", ADA)], {"none"}),
    "both end it": Meeting(JOINED, [step("remove", ADA), step("remove", BEN)], {"none"}),
    "it ends and is blocked": Meeting(JOINED, [step("remove", ADA), step("block", BEN)], {"none"}),
    "both block": Meeting(JOINED, [step("block", ADA), step("block", BEN)], {"blocked"}),
    "a request comes while the block is taken back": Meeting(
        SHUT, [step("unblock", ADA), step("request", BEN)], {"received"}
    ),
}


@pytest.fixture(autouse=True)
def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loses again and again gives up soon: every further round is like the one before."""
    monkeypatch.setattr(contents, "_ATTEMPTS", 3)


def explored(name: str, *strikes: Strike) -> None:
    enter("memory")
    found = explore(MEETINGS[name], strikes, 1 if strikes else 0)
    counts.tell(f"{name}: {found.told()}")
    assert not found.violations, found.story()
    assert found.schedules > found.states > 20, found.told()


@pytest.mark.parametrize("name", list(MEETINGS))
def test_two_users(name: str) -> None:
    """G14, J1, J17: a crash, a call that is refused, a reply that is lost, a cancellation before or behind a call."""
    explored(name, *EVERY_STRIKE)


def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No guard on what was read."""
    from tektree._async.backends.memory.connections import AsyncMemoryConnections

    swap = AsyncMemoryConnections.swap

    async def careless(self: Any, old: Any, new: Any, *more: Any) -> Any:
        return await swap(self, self._stored[old.record.id], new, *more)

    monkeypatch.setattr(AsyncMemoryConnections, "swap", careless)


def inserted_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever inserts does not look whether it was their own document that was stored."""
    insert = AsyncConnections._turn

    async def turn(self: Any, actor: Any, user_id: str, verb: str, step: Any) -> Any:
        none = connections.between(actor, user_id, None, NOW)
        if await self._connections.by_id(none.id) is None:
            decided = step(none, actor, NOW)
            stored = await self.contents.insert([decided.connection], lambda _: decided.told, actor.uid)
            return contact((await self.contents.follow(stored)).record, actor.id)
        return await insert(self, actor, user_id, verb, step)

    monkeypatch.setattr(AsyncConnections, "_turn", turn)


def told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are told behind the write, not within it."""
    swap = contents.AsyncContents._swap

    async def careless(self: Any, stored: Any, record: Any, say: Any, by: str) -> Any:
        written = await self._store.swap(stored, record, [], [])
        events = self._events(record, say(record), stored.version + 1, by)
        for event in events:
            await self._log.tell(event, None)
        return written

    assert swap is not careless
    monkeypatch.setattr(contents.AsyncContents, "_swap", careless)


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (unguarded, "it is accepted and blocked"),
        (unguarded, "both block"),
        (inserted_over, "two requests cross"),
        (told_apart, "it is accepted and blocked"),
    ],
)
def test_what_is_done_wrong_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive controls."""
    broken(monkeypatch)
    assert explore(MEETINGS[name], (Strike.CRASH,), 1, first_only=True).violations
