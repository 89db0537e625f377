"""What is promised of events beyond this process: marks for sinks, leases, streams, and effects, check by check."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from tektree._async.conformance.samples import NOON, Check, Race, Together, delivery, event, fails, later, same
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.streams import AsyncEffects, AsyncLeases, AsyncStreams
from tektree.errors import NotFound
from tektree.models.events import PARTITIONS, Change, Effect, Entry, Event, Posting, in_line, line_of, partition_of

__all__ = ["EFFECTS", "SINKS", "STREAMS"]

_ALL: Final = range(PARTITIONS)
_NOW: Final = timedelta()


def _leases(backends: AsyncBackends) -> AsyncLeases:
    if backends.leases is None:
        fails("these storages have no leases")
    return backends.leases


def _streams(backends: AsyncBackends) -> AsyncStreams:
    if backends.streams is None:
        fails("these storages have no streams")
    return backends.streams


def _effects(backends: AsyncBackends) -> AsyncEffects:
    if backends.effects is None:
        fails("these storages have no effects")
    return backends.effects


def _for(sinks: tuple[str, ...], number: int = 1) -> Posting:
    return Posting([()] * number, "x", NOON, sinks)


# -- marks for sinks ---------------------------------------------------------------------------------------------------


async def what_is_marked_for_a_sink_is_given_until_it_is_published(backends: AsyncBackends) -> None:
    """``unpublished`` gives what ``append`` and ``tell`` marked, until ``published``; ``behind`` says where it is."""
    log = backends.events
    first, second = event("user:usr_a:xp", 1), event("user:usr_a:xp", 2)
    await log.append([first, second], _for(("one",), 2))
    alone = event("user:usr_a:xp", 0, "alone").evolve(metadata={"recorded_at": NOON.isoformat()})
    await log.tell(alone, _for(("one",)))
    await log.append([event("user:usr_a:xp", 3)])
    found = await log.unpublished("one", _ALL, 99)
    same("marked", {each.event_id for each in found}, {each.event_id for each in (first, second, alone)})
    same("behind", set(await log.behind("one")), {partition_of(line_of(each)) for each in (first, alone)})
    await log.published("one", [first.event_id, alone.event_id])
    await log.published("one", [first.event_id])
    await log.published("one", [])
    same("left", list(await log.unpublished("one", _ALL, 99)), [second])


async def sinks_do_not_know_of_each_other(backends: AsyncBackends) -> None:
    """What one sink has, another may still lack; what is marked for none is nobody's."""
    log, told = backends.events, event("user:usr_b:xp", 1)
    await log.append([told], _for(("one", "one-more")))
    await log.published("one", [told.event_id])
    same("of the first", list(await log.unpublished("one", _ALL, 9)), [])
    same("behind in the first", set(await log.behind("one")), set())
    same("of the other", list(await log.unpublished("one-more", _ALL, 9)), [told])
    same("of nobody", list(await log.unpublished("none", _ALL, 9)), [])


async def an_event_that_is_told_again_is_not_marked_again(backends: AsyncBackends) -> None:
    """A mark is written with the event, and with nothing else."""
    log, told = backends.events, event("user:usr_c:xp", 1)
    await log.append([told], _for(("one",)))
    await log.published("one", [told.event_id])
    await log.append([told], _for(("one",)))
    await log.tell(told, _for(("one",)))
    same("marked", list(await log.unpublished("one", _ALL, 9)), [])


async def of_a_line_nothing_is_given_before_what_comes_first(backends: AsyncBackends) -> None:
    """``unpublished`` gives a line from its first marked event on, in order, whatever arrived first."""
    log, stream = backends.events, "user:usr_d:xp"
    for seq in (3, 5, 1, 4, 2, 6):
        await log.append([event(stream, seq)], _for(("one",)))
    for limit in (1, 2, 3, 4, 6):
        found = [each.metadata["seq"] for each in await log.unpublished("one", _ALL, limit)]
        same(f"of {limit}", found, list(range(1, len(found) + 1)))
    await log.published("one", [event(stream, seq).event_id for seq in (1, 2)])
    found = [each.metadata["seq"] for each in await log.unpublished("one", _ALL, 9)]
    same("the rest", found, [3, 4, 5, 6])


async def partitions_that_are_not_asked_for_are_left(backends: AsyncBackends) -> None:
    """``unpublished`` gives events of these partitions only."""
    log = backends.events
    events = [event(f"user:usr_e{at}:xp", 1) for at in range(20)]
    await log.append(events, _for(("one",), len(events)))
    for partition in _ALL:
        found = {each.event_id for each in await log.unpublished("one", [partition], 99)}
        same("in it", found, {each.event_id for each in events if partition_of(line_of(each)) == partition})


async def lines_are_held_by_what_stands_in_them(backends: AsyncBackends) -> None:
    """``held`` names the lines in which something stands before; all of them where the handler is halted."""
    deliveries = backends.deliveries
    halting = delivery("halted", "h", "line 9", 1, state="dead", blocks="handler")
    skipped = delivery("waits", "s", "line 2", 1, state="dead", blocks="nothing")
    await deliveries.add([delivery("waits", "w", "line 1", 3), halting, skipped])
    same("of one that waits", set(await deliveries.held("waits", ["line 1", "line 2"])), {"line 1"})
    same("of one that is halted", set(await deliveries.held("halted", ["line 1", "line 2"])), {"line 1", "line 2"})
    same("of another", set(await deliveries.held("idle", ["line 1"])), set())


# -- leases ------------------------------------------------------------------------------------------------------------


async def a_partition_is_one_claimants_until_its_time_is_over(backends: AsyncBackends) -> None:
    """``claim`` gives what is free, and counts; what somebody has it gives when that is over."""
    leases = _leases(backends)
    first = await leases.claim("s", [1, 2], "t1", NOON, later(10), NOON)
    same("claimed", [(each.partition, each.token, each.attempts) for each in first], [(1, "t1", 1), (2, "t1", 1)])
    second = await leases.claim("s", [2, 3], "t2", later(9), later(20), later(9))
    same("of what is left", [(each.partition, each.attempts) for each in second], [(3, 1)])
    third = await leases.claim("s", [1, 2, 3], "t3", later(10), later(30), later(10))
    same("of what is over", [(each.partition, each.attempts) for each in third], [(1, 2), (2, 2)])
    other = await leases.claim("other", [1], "t4", NOON, later(10), NOON)
    same("of another name", [each.attempts for each in other], [1])


async def only_its_claimant_keeps_a_partition_or_gives_it_back(backends: AsyncBackends) -> None:
    """``renew`` and ``release`` do nothing to what is another's, or over."""
    leases = _leases(backends)
    await leases.claim("s", [1, 2], "t1", NOON, later(10), NOON)
    same("another's", set(await leases.renew("s", "t2", NOON, later(60))), set())
    same("its own", set(await leases.renew("s", "t1", later(9), later(20))), {1, 2})
    await leases.release("s", "t2", NOON, 7)
    same("kept", len(await leases.claim("s", [1], "t3", later(15), later(30), later(15))), 0)
    same("over", set(await leases.renew("s", "t1", later(20), later(60))), set())
    found = await leases.claim("s", [1], "t3", later(20), later(30), later(20))
    same("nothing was counted", [(each.attempts, each.failures) for each in found], [(2, 0)])


async def what_is_given_back_waits_until_it_is_due(backends: AsyncBackends) -> None:
    """``release`` sets attempts to nothing, failures as said, and nobody takes it before it is due."""
    leases = _leases(backends)
    await leases.claim("s", [4], "t1", NOON, later(10), NOON)
    await leases.release("s", "t1", later(5), 3)
    same("too early", len(await leases.claim("s", [4], "t2", later(4), later(20), later(4))), 0)
    found = await leases.claim("s", [4], "t2", later(4), later(20), later(5))
    same("in time", [(each.attempts, each.failures) for each in found], [(1, 3)])


async def of_many_who_claim_at_once_one_has_it(backends: AsyncBackends, together: Together) -> None:
    """``claim`` gives a partition to one."""
    leases = _leases(backends)
    calls = [partial(leases.claim, "s", [1, 2, 3], f"t{at}", NOON, later(10), NOON) for at in range(8)]
    found = [each for one in await together(calls) if isinstance(one, Sequence) for each in one]
    same("claimed", sorted([each.partition for each in found]), [1, 2, 3])


# -- streams -----------------------------------------------------------------------------------------------------------


def _events(name: str, number: int) -> list[Event]:
    return [event(f"user:usr_{name}{at % 3}:xp", at // 3 + 1, amount=at) for at in range(number)]


def _by_line(events: Sequence[Event]) -> dict[str, list[Event]]:
    lines: dict[str, list[Event]] = {}
    for each in events:
        lines.setdefault(in_line(each)[0], []).append(each)
    return lines


async def a_group_gets_every_event_once_in_the_order_of_lines(backends: AsyncBackends) -> None:
    """``take`` hands out what ``publish`` added, whole; each group gets all."""
    streams, events = _streams(backends), _events("a", 9)
    await streams.publish(events[:5], False)
    for group in ("g", "h"):
        same("missing", await streams.join(group), True)
        same("missing again", await streams.join(group), False)
    same("missing, and begun behind the last", await streams.join("late", True), True)
    await streams.publish(events[5:], False)
    for group in ("g", "h"):
        found = [*await streams.take(group, "c", 2), *await streams.take(group, "d", 99)]
        same("taken", _by_line([each.event for each in found]), _by_line(events))
        same("handed out", {each.times for each in found}, {1})
        same("anything left", list(await streams.take(group, "c", 99)), [])
    late = await streams.take("late", "c", 99)
    same("taken by who came late", _by_line([each.event for each in late]), _by_line(events[5:]))


async def what_is_taken_is_pending_until_it_is_acknowledged(backends: AsyncBackends) -> None:
    """``pending`` tells what a consumer has, ``again`` hands it out once more, to any consumer."""
    streams, events = _streams(backends), _events("b", 3)
    await streams.join("g")
    await streams.publish(events, False)
    found = await streams.take("g", "c", 9)
    await streams.acknowledge("g", found[:1])
    await streams.acknowledge("g", found[:1])
    left = await streams.pending("g", "c", _NOW, 9)
    same("pending", sorted([(each.id, each.times) for each in left]), sorted([(each.id, 1) for each in found[1:]]))
    same("of another", list(await streams.pending("g", "d", _NOW, 9)), [])
    same("of any", len(await streams.pending("g", None, _NOW, 9)), 2)
    same("for long", list(await streams.pending("g", None, timedelta(hours=1), 9)), [])
    same("not for long", list(await streams.again("g", "d", left, timedelta(hours=1))), [])
    again = await streams.again("g", "d", left, _NOW)
    same("handed out", {each.times for each in again}, {2})
    same("the events", _by_line([each.event for each in again]), _by_line([each.event for each in found[1:]]))
    same("its own now", len(await streams.pending("g", "d", _NOW, 9)), 2)
    await streams.acknowledge("g", again)
    same("done", list(await streams.pending("g", None, _NOW, 9)), [])


async def a_group_that_is_missing_is_said_to_be(backends: AsyncBackends) -> None:
    """``take`` and ``pending`` raise `NotFound` where there is no such group."""
    streams = _streams(backends)
    for call in (partial(streams.take, "none", "c", 9), partial(streams.pending, "none", "c", _NOW, 9)):
        try:
            await call()
        except NotFound as missing:
            same("what is missing", missing.kind, "group")
        else:
            fails("a group that is not there was read")


async def what_was_added_a_short_while_ago_is_known(backends: AsyncBackends) -> None:
    """``publish`` passes over it, where it is told that it may have been."""
    streams, events = _streams(backends), _events("d", 6)
    await streams.join("g")
    await streams.publish(events[:4], False)
    await streams.publish(events, True)
    found = await streams.take("g", "c", 99)
    same("taken", _by_line([each.event for each in found]), _by_line(events))


async def trimming_takes_nothing_that_a_group_has_not_done(backends: AsyncBackends) -> None:
    """``trim`` lets go of what all groups have acknowledged, and of nothing else."""
    streams, events = _streams(backends), [event("user:usr_e:xp", seq) for seq in range(1, 7)]
    await streams.publish(events, False)
    same("without a group", await streams.trim(99), 0)
    await streams.join("g")
    await streams.join("h")
    taken = await streams.take("g", "c", 9)
    same("what is there", [each.event for each in taken], events)
    await streams.acknowledge("g", taken)
    same("for one group", await streams.trim(0), 0)
    other = await streams.take("h", "c", 4)
    same("what is there still", [each.event for each in other], events[:4])
    await streams.acknowledge("h", [other[0], other[2]])
    await streams.trim(0)
    left = await streams.again("h", "c", await streams.pending("h", "c", _NOW, 9), _NOW)
    numbers = sorted([each.event.metadata["seq"] for each in (*left, *await streams.take("h", "c", 9))])
    same("what is not done", numbers, [2, 4, 5, 6])


async def consumers_who_take_at_once_share(backends: AsyncBackends, together: Together) -> None:
    """``take`` hands an entry out once."""
    streams, events = _streams(backends), _events("f", 24)
    await streams.join("g")
    await streams.publish(events, False)
    found = await together([partial(streams.take, "g", f"c{at}", 2) for at in range(8)])
    taken: list[Entry] = [each for one in found if isinstance(one, Sequence) for each in one]
    ids = [each.event.event_id for each in taken]
    same("taken twice", len(ids), len(set(ids)))


# -- effects -----------------------------------------------------------------------------------------------------------


async def an_effect_comes_back_whole(backends: AsyncBackends) -> None:
    """``read`` gives what ``write`` wrote, by name and line."""
    effects = _effects(backends)
    state = '{"é":[1,null],":":"∑ 𝄞"}'
    same("not made", set(await effects.write("g:a", [Change("s:1", 0, 3, state), Change("s:2", 0, 1)], NOON)), set())
    await effects.write("g:b", [Change("s:1", 0, 9)], NOON)
    same("of a", dict(await effects.read("g:a", ["s:1", "s:2", "s:3"])), {"s:1": Effect(3, state), "s:2": Effect(1)})
    same("of b", dict(await effects.read("g:b", ["s:1", "s:2"])), {"s:1": Effect(9)})
    same("of none", dict(await effects.read("g:a", [])), {})
    same("nothing", set(await effects.write("g:a", [], NOON)), set())


async def an_effect_changes_only_from_where_it_stands(backends: AsyncBackends) -> None:
    """``write`` makes a change at its ``old`` number, and says of the others that they were not made."""
    effects = _effects(backends)
    await effects.write("g:a", [Change("s:1", 0, 1, "[1]"), Change("s:2", 0, 5, "[5]")], NOON)
    changes = [Change("s:1", 1, 2, "[2]"), Change("s:2", 4, 6, "[6]"), Change("s:3", 2, 3, "[3]"), Change("s:4", 0, 1)]
    same("not made", set(await effects.write("g:a", changes, NOON)), {"s:2", "s:3"})
    found = dict(await effects.read("g:a", ["s:1", "s:2", "s:3", "s:4"]))
    same("stored", found, {"s:1": Effect(2, "[2]"), "s:2": Effect(5, "[5]"), "s:4": Effect(1)})


async def an_event_that_stands_alone_takes_effect_once(backends: AsyncBackends) -> None:
    """A line of one event goes from nothing to 1, and no further."""
    effects, line = _effects(backends), event("user:usr_f:xp", 1).event_id
    same("the first time", set(await effects.write("g:a", [Change(line, 0, 1)], later(1))), set())
    same("stored", dict(await effects.read("g:a", [line])), {line: Effect(1)})
    same("of another name", dict(await effects.read("g:b", [line])), {})


async def of_many_who_write_at_once_one_gets_further(backends: AsyncBackends, together: Together) -> None:
    """``write`` is guarded: of those who were at the same number one is made."""
    effects = _effects(backends)
    await effects.write("g:a", [Change("s:1", 0, 1, "[]")], NOON)
    calls = [partial(effects.write, "g:a", [Change("s:1", 1, 2 + at, f"[{at}]")], NOON) for at in range(8)]
    made = [at for at, left in enumerate(await together(calls)) if not isinstance(left, BaseException) and not left]
    same("made", len(made), 1)
    same("stored", dict(await effects.read("g:a", ["s:1"])), {"s:1": Effect(2 + made[0], f"[{made[0]}]")})


SINKS: Final[tuple[tuple[Check, ...], tuple[Race, ...]]] = (
    (
        what_is_marked_for_a_sink_is_given_until_it_is_published,
        sinks_do_not_know_of_each_other,
        an_event_that_is_told_again_is_not_marked_again,
        of_a_line_nothing_is_given_before_what_comes_first,
        partitions_that_are_not_asked_for_are_left,
        lines_are_held_by_what_stands_in_them,
        a_partition_is_one_claimants_until_its_time_is_over,
        only_its_claimant_keeps_a_partition_or_gives_it_back,
        what_is_given_back_waits_until_it_is_due,
    ),
    (of_many_who_claim_at_once_one_has_it,),
)
STREAMS: Final[tuple[tuple[Check, ...], tuple[Race, ...]]] = (
    (
        a_group_gets_every_event_once_in_the_order_of_lines,
        what_is_taken_is_pending_until_it_is_acknowledged,
        a_group_that_is_missing_is_said_to_be,
        what_was_added_a_short_while_ago_is_known,
        trimming_takes_nothing_that_a_group_has_not_done,
    ),
    (consumers_who_take_at_once_share,),
)
EFFECTS: Final[tuple[tuple[Check, ...], tuple[Race, ...]]] = (
    (
        an_effect_comes_back_whole,
        an_effect_changes_only_from_where_it_stands,
        an_event_that_stands_alone_takes_effect_once,
    ),
    (of_many_who_write_at_once_one_gets_further,),
)
