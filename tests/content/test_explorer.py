"""Two processes on the same areas: every interleaving of their calls, with one fault at every call.

After each the relay's sweep runs, every command that was cut off is repeated, and the sweep runs again. Then the tree
is a tree, what is stored of it is right, counts are what is there, and nothing that was confirmed is lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import product
from typing import Any

import pytest

from tektree import Policy
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.sdk import memory_backends
from tektree._async.services import areas, contents
from tektree._async.services import counts as counts_of
from tektree._async.services.areas import AsyncAreas
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.quotas import AsyncQuotas
from tektree.errors import BackendError, Conflict, Denied, NotFound
from tektree.models.areas import Area, AreaDraft
from tektree.rules import areas as rules
from tektree.rules.catalog import CATALOG
from tektree.testing import SeededIds
from tektree.testing.explorer import EVERY_STRIKE, End, Strike, _Run, _Worker, digest, explore, pause, stepping
from tests.content.worlds import principal
from tests.lanes import enter
from tests.protocol import counts
from tests.protocol.worlds import NOW, _copied, done

Command = Callable[[AsyncAreas, Any], Awaitable[object]]
Judge = Callable[["Played", Sequence[End]], Iterator[str]]

POLICY = Policy(events={"drain": "relay"}, quotas={"free": {"areas": None}})
"""What is told is brought to the log by the sweep: that steps of two tellings may mix is tried out with accounts."""
PORTS = ("gamification", "ledger", "leaderboards", "events", "deliveries", "accounts", "subscriptions")
MORE = ("areas", "follows")
ADA = principal("ada")


class NoQuotas(AsyncQuotas):
    """Units without end, and without calls."""

    def __init__(self) -> None:
        pass

    def reserve(self, *_: object) -> Any:
        from contextlib import nullcontext

        return nullcontext()


def services(backends: AsyncBackends, seed: int, policy: Policy = POLICY) -> AsyncAreas:
    ids = SeededIds(seed)
    handlers = AsyncHandlers(backends.events, backends.deliveries, CATALOG, policy, lambda: NOW, ids)
    assert backends.areas is not None
    assert backends.follows is not None
    return AsyncAreas(backends, backends.areas, backends.follows, NoQuotas(), handlers, policy, lambda: NOW, ids, pause)


async def swept(tek: AsyncAreas) -> None:
    await tek.contents.sweep()
    await tek.follows.sweep()


class Meeting:
    """A beginning, the commands that meet, and what must be true of the end."""

    calm = True
    """Whether a worker that ended well met no fault: else what follows may have been left to the sweep."""

    def __init__(
        self,
        before: Callable[[AsyncAreas], Awaitable[Any]],
        *commands: Command,
        judge: Judge,
        policy: Policy = POLICY,
    ) -> None:
        self.before, self.commands, self.judge, self.policy = before, commands, judge, policy

    @cached_property
    def begun(self) -> tuple[AsyncBackends, Any]:
        base = memory_backends()

        async def begin() -> Any:
            tek = services(base, 99, self.policy)
            found = await self.before(tek)
            await swept(tek)
            return found

        return base, done(begin())

    def __call__(self) -> "Played":
        return Played(self)


class Played:
    """One world of a meeting."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        base, self.start = meeting.begun
        self.parts = _copied([getattr(base, name) for name in (*PORTS, *MORE)], {})
        split = len(PORTS)
        self.store = AsyncBackends(*self.parts[:split], **dict(zip(MORE, self.parts[split:], strict=True)))
        self.workers: Sequence[Coroutine[Any, Any, object]] = [
            _run(command, services(stepping(self.store), seed, meeting.policy), self.start)
            for seed, command in enumerate(meeting.commands)
        ]
        self.plain = services(self.store, 50, meeting.policy)

    def state(self) -> object:
        return digest(self.parts)

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        for end in ends:
            if end.error is not None and not isinstance(end.error, Conflict | Denied | BackendError | NotFound):
                yield f"a worker raised {end.error!r}"
        if self.meeting.calm and not any(end.struck or end.error for end in ends):
            yield from [f"with nothing amiss: {said}" for said in self.tree()]
        done(swept(self.plain))
        yield from self.whole()
        for command, end in zip(self.meeting.commands, ends, strict=True):
            if end.struck or isinstance(end.error, BackendError):
                with suppress(Conflict, Denied, NotFound):
                    done(command(services(self.store, 51, self.meeting.policy), self.start))
        done(swept(self.plain))
        yield from self.whole()
        yield from self.meeting.judge(self, ends)

    def areas(self) -> dict[str, Area]:
        return {id: each.record for id, each in self.store.areas._stored.items()}  # type: ignore[union-attr]

    def tree(self) -> Iterator[str]:
        """What is amiss in the tree, and in what is counted."""
        every = self.areas()
        for area in every.values():
            chain = rules.above(area, every)
            if rules.lacking(area, every) is not None or (chain or [area])[0].parent_id is not None:
                yield "the tree has a circle"
            if rules.place(area, chain) is not area:
                yield f"{area.title} says it stands at {area.breadcrumbs}"
            followers = done(self.store.follows.followers(area.id))  # type: ignore[union-attr]
            if area.follower_count != followers:
                yield f"{area.title} counts {area.follower_count} followers, not {followers}"

    def whole(self) -> Iterator[str]:
        """What is amiss when nobody is at work."""
        yield from self.tree()
        for area in self.areas().values():
            numbers = [each.metadata["seq"] for each in done(self.store.events.stream(f"area:{area.id}", 0, 99))]
            if numbers != list(range(1, len(numbers) + 1)):
                yield f"events are numbered {numbers}"
        for port in (self.store.areas, self.store.follows):
            if done(port.unfinished(9)):  # type: ignore[union-attr]
                yield "events stand on a document"

    def told(self, area: Area) -> list[str]:
        return [each.event_type for each in done(self.store.events.stream(f"area:{area.id}", 0, 99))]


async def _run(command: Command, tek: AsyncAreas, start: Any) -> object:
    return await command(tek, start)


async def made(tek: AsyncAreas, title: str, parent: Area | None = None) -> Area:
    return await tek.create(ADA, AreaDraft(title=title, parent_id=None if parent is None else parent.id))


async def two_trees(tek: AsyncAreas) -> dict[str, Area]:
    """A over C, B over D: A goes below D and B below C."""
    a, b = await made(tek, "A"), await made(tek, "B")
    return {"A": a, "B": b, "C": await made(tek, "C", a), "D": await made(tek, "D", b)}


async def two_areas(tek: AsyncAreas) -> dict[str, Area]:
    return {"A": await made(tek, "A"), "B": await made(tek, "B")}


async def a_pair(tek: AsyncAreas) -> dict[str, Area]:
    a = await made(tek, "A")
    return {"A": a, "B": await made(tek, "B", a)}


def move(title: str, below: str | None) -> Command:
    return lambda tek, there: tek.move(ADA, there[title].id, None if below is None else there[below].id)


def rename(title: str, new: str) -> Command:
    return lambda tek, there: tek.edit(ADA, there[title].id, title=new)


def create(title: str, below: str) -> Command:
    return lambda tek, there: made(tek, title, there[below])


def follow(tek: AsyncAreas, there: Any) -> Awaitable[object]:
    return tek.follow(ADA, there["A"].id)


def unfollow(tek: AsyncAreas, there: Any) -> Awaitable[object]:
    return tek.unfollow(ADA, there["A"].id)


def follow_as_ben(tek: AsyncAreas, there: Any) -> Awaitable[object]:
    return tek.follow(principal("ben"), there["A"].id)


def at_least_one_failed(played: Played, ends: Sequence[End]) -> Iterator[str]:
    if all(isinstance(end.value, Area) for end in ends):
        yield "both were told that they moved"


def nothing_more(played: Played, ends: Sequence[End]) -> Iterator[str]:
    yield from ()


def once_each(played: Played, ends: Sequence[End]) -> Iterator[str]:
    """Whatever was repeated: an area of a title that was made twice is there at most twice, told once each."""
    for area in played.areas().values():
        if played.told(area).count("area.created") != 1:
            yield f"the making of {area.title} was told {played.told(area).count('area.created')} times"


def one_edit_or_both(played: Played, ends: Sequence[End]) -> Iterator[str]:
    """Of two edits of one field the one that was confirmed last stands, and each was told once."""
    area = played.areas()[played.start["A"].id]
    if area.title not in ("left", "right"):
        yield f"the title is {area.title}"
    if played.told(area).count("area.updated") != area.revision - 1:
        yield "not every edit was told once"


async def three_trees(tek: AsyncAreas) -> dict[str, Area]:
    """A over B, and C and D: with three levels, B may have something below it, and A may go below C, but not both."""
    a = await made(tek, "A")
    return {"A": a, "B": await made(tek, "B", a), "C": await made(tek, "C"), "D": await made(tek, "D")}


def none_too_deep(played: Played, ends: Sequence[End]) -> Iterator[str]:
    """What a process that ended in between has left is not looked at again."""
    every = played.areas()
    if any(end.struck for end in ends):
        return
    for area in every.values():
        if area.deleted_at is None and len(rules.above(area, every)) >= SHALLOW.content.area_depth:
            yield f"{area.title} stands at {area.breadcrumbs}"


SHALLOW = Policy(events={"drain": "relay"}, quotas={"free": {"areas": None}}, content={"area_depth": 3})
DEEP: dict[str, Meeting] = {
    "a child is made and what stands above it goes down": Meeting(
        three_trees, create("E", "B"), move("A", "C"), judge=none_too_deep, policy=SHALLOW
    ),
    "two go down together": Meeting(three_trees, move("A", "C"), move("C", "D"), judge=none_too_deep, policy=SHALLOW),
}

MEETINGS: dict[str, Meeting] = {
    "two moves below each other": Meeting(two_areas, move("A", "B"), move("B", "A"), judge=at_least_one_failed),
    "a move and a rename above": Meeting(a_pair, rename("A", "A2"), move("B", None), judge=nothing_more),
    "a rename and a child that is made": Meeting(a_pair, rename("A", "A2"), create("E", "B"), judge=once_each),
    "two edits": Meeting(two_areas, rename("A", "left"), rename("A", "right"), judge=one_edit_or_both),
    "two follow": Meeting(two_areas, follow, follow_as_ben, judge=nothing_more),
    "one follows twice": Meeting(two_areas, follow, follow, judge=nothing_more),
    "one follows and leaves": Meeting(two_areas, follow, unfollow, judge=nothing_more),
}
LARGE = ("two moves below each other", "a rename and a child that is made")
RENAMES = Meeting(a_pair, rename("A", "left"), rename("A", "right"), judge=one_edit_or_both)
CIRCLE = Meeting(two_trees, move("A", "D"), move("B", "C"), judge=at_least_one_failed)


@pytest.fixture(autouse=True)
def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loses again and again gives up soon: every further round is like the one before."""
    for module in (areas, contents, counts_of):
        monkeypatch.setattr(module, "_ATTEMPTS", 2)


@pytest.mark.parametrize("name", list(MEETINGS))
def test_two_processes(name: str) -> None:
    """J10, J32, J34: where one of them may crash, if not too much is to be tried out then."""
    explored(MEETINGS[name], *([] if name in LARGE else [Strike.CRASH]))


@pytest.mark.long
@pytest.mark.parametrize("name", list(MEETINGS))
def test_two_processes_and_one_fault(name: str) -> None:
    explored(MEETINGS[name], *EVERY_STRIKE)


@pytest.mark.parametrize("name", list(DEEP))
def test_nothing_stands_too_deep(name: str) -> None:
    """S22: wherever one of the two is held up while the other comes to its end."""
    assert list(held_up(DEEP[name])) == []


@pytest.mark.long
@pytest.mark.parametrize("name", list(DEEP))
def test_nothing_stands_too_deep_wherever_both_are_held_up(name: str) -> None:
    assert list(held_up(DEEP[name], both=True)) == []


def held_up(meeting: Meeting, *, both: bool = False) -> Iterator[str]:
    """What is amiss where one of two is held up at any call; ``both``: and the other at any of its own, meanwhile.

    Every interleaving of two that make so many calls would be too many.
    """
    enter("memory")
    for first, at in product((0, 1), range(60)):
        for other in range(60) if both else (60,):
            ends, beyond = asyncio.run(_held_up(meeting, first, at, other))
            yield from [f"{first} is held up at {at}, the other at {other}: {said}" for said in ends]
            if beyond:
                break


async def _held_up(meeting: Meeting, first: int, at: int, other: int) -> tuple[list[str], bool]:
    run = _Run(meeting(), 0)
    one, two = run.workers[first], run.workers[1 - first]
    _step(one, at)
    beyond = _step(two, other)
    _step(one, 200)
    _step(two, 200)
    assert one.end is not None
    assert two.end is not None
    return list(run.world.judge([each.end for each in run.workers if each.end is not None])), beyond


def _step(worker: _Worker, calls: int) -> bool:
    """Lets a worker make so many calls; gives back whether it ended before."""
    for _ in range(calls):
        if worker.point is None:
            return True
        worker.step(None)
    return False


@pytest.mark.long
def test_two_renames_above() -> None:
    explored(RENAMES)


@pytest.mark.long
def test_two_moves_that_would_make_a_longer_circle() -> None:
    """J32: none of them touches what the other one moves, but for what stands above."""
    explored(CIRCLE)


def explored(meeting: Meeting, *strikes: Strike) -> None:
    enter("memory")
    meeting.calm = set(strikes) <= {Strike.CRASH}
    found = explore(meeting, strikes, 1 if strikes else 0)
    counts.tell(found.told())
    assert not found.violations, found.story()
    assert found.schedules > found.states > 20, found.told()


def test_moves_that_guard_only_the_parent_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: what stands above the new parent must be as it was, too."""
    chain_to = AsyncAreas._chain_to

    async def parent_only(self: Any, *args: Any) -> Any:
        return (await chain_to(self, *args))[-1:]

    monkeypatch.setattr(AsyncAreas, "_chain_to", parent_only)
    assert "circle" in explore(CIRCLE, (), 0, first_only=True).story()


def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No guard on what was read."""
    from tektree._async.backends.memory.areas import AsyncMemoryAreas

    swap = AsyncMemoryAreas.swap

    async def careless(self: Any, old: Any, new: Any, *more: Any) -> Any:
        return await swap(self, self._stored[old.record.id], new, *more)

    monkeypatch.setattr(AsyncMemoryAreas, "swap", careless)


def placed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands below is placed by what was known, and not looked at again."""

    async def once(self: Any, area_id: str) -> None:
        stored = await self._areas.by_id(area_id)
        placed = rules.place(stored.record, await self._above(stored.record))
        with suppress(Conflict):
            await self._areas.swap(stored, placed)

    monkeypatch.setattr(AsyncAreas, "place", once)


def a_child_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who makes an area looks at what stands above only before."""

    async def nothing(self: Any, *_: Any) -> None:
        pass

    monkeypatch.setattr(AsyncAreas, "_look_again", nothing)


def a_move_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who moves an area looks at what stands below only before."""

    async def nothing(self: Any, *_: Any) -> None:
        pass

    monkeypatch.setattr(AsyncAreas, "_fits", nothing)


def nothing_after_a_child_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new area is not looked at again."""
    after = AsyncAreas._after

    async def only_below(self: Any, stored: Any) -> None:
        if any(each.event.event_type != "area.created" for each in stored.left):
            await after(self, stored)

    monkeypatch.setattr(AsyncAreas, "_after", only_below)


def counted_without_tally(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count is written whoever counted since."""
    from tektree._async.backends.memory.areas import AsyncMemoryAreas

    counted = AsyncMemoryAreas.counted

    async def careless(self: Any, id: str, tally: int, **found: int) -> bool:
        return await counted(self, id, self._tallies.get(id, 0), **found)

    monkeypatch.setattr(AsyncMemoryAreas, "counted", careless)


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (unguarded, "two edits"),
        (unguarded, "two moves below each other"),
        (placed_once, "two renames above"),
        (nothing_after_a_child_is_made, "a rename and a child that is made"),
        (counted_without_tally, "two follow"),
    ],
)
def test_what_is_done_wrong_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive controls."""
    broken(monkeypatch)
    meeting = {**MEETINGS, "two renames above": RENAMES}[name]
    meeting.calm = True
    assert explore(meeting, (), 0, first_only=True).violations


@pytest.mark.parametrize(
    ("broken", "name", "both"),
    [
        (a_child_is_not_looked_at_again, "a child is made and what stands above it goes down", False),
        (a_move_is_not_looked_at_again, "a child is made and what stands above it goes down", False),
        (a_move_is_not_looked_at_again, "two go down together", True),
    ],
)
def test_what_is_not_looked_at_again_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], name: str, both: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive controls."""
    broken(monkeypatch)
    assert "stands at" in next(held_up(DEEP[name], both=both))
