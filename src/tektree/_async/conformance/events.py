"""What the event log promises, check by check."""

from functools import partial
from typing import Final

from tektree._async.conformance.samples import Check, Race, Together, event, same
from tektree._async.ports.bundles import AsyncBackends

__all__ = ["CHECKS", "RACES"]


async def a_stream_gives_back_its_events_whole(backends: AsyncBackends) -> None:
    """What ``append`` takes, ``stream`` gives."""
    events = [event("user:usr_a:xp", seq, amount=seq, note="é ∑ 𝄞", nested={"list": [1, None, True]}) for seq in (1, 2)]
    await backends.events.append(events)
    same("the stream", list(await backends.events.stream("user:usr_a:xp", 0, 10)), events)


async def a_stream_is_in_the_order_of_its_numbers(backends: AsyncBackends) -> None:
    """Not in the order of arrival."""
    events = [event("user:usr_b:xp", seq) for seq in range(1, 13)]
    for at in (4, 0, 11, 2, 1, 3, 10, 9, 5, 8, 7, 6):
        await backends.events.append([events[at]])
    same("the stream", list(await backends.events.stream("user:usr_b:xp", 0, 99)), events)


async def an_event_that_is_told_twice_is_there_once(backends: AsyncBackends) -> None:
    """``append`` passes over an ``event_id`` that is there already, alone or among new ones; the first one stays."""
    first, second, third = [event("user:usr_c:xp", seq) for seq in (1, 2, 3)]
    await backends.events.append([first, first])
    await backends.events.append([first, second, first])
    await backends.events.append([second, third])
    other = event("user:usr_c:xp", 1, changed=True)
    await backends.events.append([other])
    same("the stream", list(await backends.events.stream("user:usr_c:xp", 0, 99)), [first, second, third])


async def a_stream_is_read_page_by_page(backends: AsyncBackends) -> None:
    """``stream`` gives up to ``limit`` events behind number ``after``."""
    await backends.events.append([event("user:usr_d:xp", seq) for seq in range(1, 6)])
    for after, limit, expected in (
        (0, 2, [1, 2]),
        (2, 2, [3, 4]),
        (4, 2, [5]),
        (5, 2, []),
        (9, 2, []),
        (0, 99, [1, 2, 3, 4, 5]),
    ):
        found = [each.metadata["seq"] for each in await backends.events.stream("user:usr_d:xp", after, limit)]
        same(f"{limit} events behind {after}", found, expected)


async def a_gap_in_the_numbers_hides_nothing(backends: AsyncBackends) -> None:
    """An event that has not arrived yet does not hold back those behind it."""
    events = [event("user:usr_gap:xp", seq) for seq in (1, 3, 7)]
    await backends.events.append(events)
    same("the stream", list(await backends.events.stream("user:usr_gap:xp", 0, 99)), events)


async def streams_are_apart(backends: AsyncBackends) -> None:
    """Each stream has its own numbers; one that nobody wrote to is empty."""
    left, right = event("user:usr_e:xp", 1), event("user:usr_ee:xp", 1)
    await backends.events.append([left, right])
    same("one stream", list(await backends.events.stream("user:usr_e:xp", 0, 9)), [left])
    same("the other", list(await backends.events.stream("user:usr_ee:xp", 0, 9)), [right])
    same("a third", list(await backends.events.stream("user:usr_eee:xp", 0, 9)), [])


async def appending_nothing_is_nothing(backends: AsyncBackends) -> None:
    """``append`` takes an empty sequence."""
    await backends.events.append([])
    same("a stream", list(await backends.events.stream("user:usr_f:xp", 0, 9)), [])


async def events_that_many_tell_at_once_are_there_once(backends: AsyncBackends, together: Together) -> None:
    """The ``event_id`` is unique in the store, not by looking first."""
    events = [event("user:usr_g:xp", seq) for seq in (1, 2, 3)]
    ends = await together([partial(backends.events.append, events)] * 8)
    same("what failed", [end for end in ends if isinstance(end, BaseException)], [])
    same("the stream", list(await backends.events.stream("user:usr_g:xp", 0, 99)), events)


CHECKS: Final[tuple[Check, ...]] = (
    a_stream_gives_back_its_events_whole,
    a_stream_is_in_the_order_of_its_numbers,
    an_event_that_is_told_twice_is_there_once,
    a_stream_is_read_page_by_page,
    a_gap_in_the_numbers_hides_nothing,
    streams_are_apart,
    appending_nothing_is_nothing,
)

RACES: Final[tuple[Race, ...]] = (events_that_many_tell_at_once_are_there_once,)
