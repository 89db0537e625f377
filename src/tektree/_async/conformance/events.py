"""What the event log promises, check by check."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from itertools import product
from typing import Final

from tektree._async.conformance.samples import NOON, Check, Race, Together, event, fails, later, occurrence, same
from tektree._async.ports.bundles import AsyncBackends
from tektree.models.events import Event, EventFilter, Posting

__all__ = ["CHECKS", "RACES"]

_ANY: Final = EventFilter()


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
    """An event that has not arrived yet does not hold back those behind it, whatever the ``limit``."""
    events = [event("user:usr_gap:xp", seq) for seq in (1, 3, 7)]
    await backends.events.append(events)
    same("the stream", list(await backends.events.stream("user:usr_gap:xp", 0, 99)), events)
    same("two of it", list(await backends.events.stream("user:usr_gap:xp", 0, 2)), events[:2])
    same("one behind the gap", list(await backends.events.stream("user:usr_gap:xp", 3, 1)), events[2:])


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


async def append_says_which_events_were_passed_over(backends: AsyncBackends) -> None:
    """``append`` gives back the ids of those whose ``event_id``, or whose number, was there, given a ``posting``."""
    first, second, third = [event("user:usr_h:xp", seq) for seq in (1, 2, 3)]
    rival, alone = event("user:usr_h:xp", 2, "rival"), occurrence("alone")
    for events, expected in (
        ([first], []),
        ([first], [first]),
        ([first, second, alone], [first]),
        ([third, rival, alone, second], [rival, alone, second]),
        ([], []),
    ):
        found = await backends.events.append(events, _post(events, "passer"))
        same("the ids that were passed over", sorted(found), sorted([each.event_id for each in expected]))
    same("one whose number is another's", await backends.events.event(rival.event_id), None)
    same("the stream", list(await backends.events.stream("user:usr_h:xp", 0, 9)), [first, second, third])


async def an_event_is_found_by_its_id(backends: AsyncBackends) -> None:
    """``event`` gives the event of an id, whole; None when there is none."""
    one, other = occurrence("found", note="é ∑ 𝄞", nested={"list": [1, None, True]}), event("user:usr_i:xp", 1)
    await backends.events.append([one, other])
    for each in (one, other):
        same("the event", await backends.events.event(each.event_id), each)
    same("one that is not there", await backends.events.event(occurrence("lost").event_id), None)


async def events_are_found_by_their_ids(backends: AsyncBackends) -> None:
    """``events`` gives those that are there, each once, in no order; of no ids it gives none."""
    stored = [occurrence(f"several{number}") for number in range(5)]
    await backends.events.append(stored)
    asked = [stored[3], occurrence("nowhere"), stored[1], stored[3]]
    found = await backends.events.events([each.event_id for each in asked])
    same("the events", _by_id(found), _by_id([stored[1], stored[3]]))
    same("of none", list(await backends.events.events([])), [])


async def the_number_of_events_is_about_right(backends: AsyncBackends) -> None:
    """``count`` says about how many events there are."""
    before = await backends.events.count()
    await backends.events.append([occurrence(f"counted{number}") for number in range(4)])
    count = await backends.events.count()
    if not before < count <= before + 8:
        fails(f"4 events more than {before} are counted as {count}")


# One event, told alone


async def an_event_that_is_told_alone_is_numbered_in_its_stream(backends: AsyncBackends) -> None:
    """``tell`` gives it the number behind the last one of its stream, and gives it back as it stands in the log."""
    await backends.events.append([event("shop:a", seq) for seq in (1, 2)])
    for stream, name, seq in (("shop:a", "a3", 3), ("shop:b", "b1", 1), ("shop:a", "a4", 4), ("shop:b", "b2", 2)):
        unnumbered = occurrence(name, stream=stream, colour=name)
        stored, new = await backends.events.tell(unnumbered)
        same(f"{name}: whether it is new", new, True)
        same(f"{name}: what is given back", stored, unnumbered.evolve(metadata={**unnumbered.metadata, "seq": seq}))
        same(f"{name}: what is in the log", await backends.events.event(stored.event_id), stored)
        same(f"{name}: the end of the stream", list(await backends.events.stream(stream, seq - 1, 9)), [stored])


async def an_event_without_a_stream_has_no_number(backends: AsyncBackends) -> None:
    """``tell`` numbers only events whose metadata name a stream."""
    for name in ("loose", "looser"):
        stored, new = await backends.events.tell(occurrence(name))
        same("whether it is new", new, True)
        same("what is given back", stored, occurrence(name))
        same("what is in the log", await backends.events.event(stored.event_id), stored)


async def an_id_that_is_told_again_gives_back_the_first(backends: AsyncBackends) -> None:
    """``tell`` of an ``event_id`` that is there adds nothing, and gives back the first one of it."""
    for stream in (None, "shop:again"):
        first = occurrence(f"again in {stream}", stream=stream, price=1)
        stored, _ = await backends.events.tell(first)
        found, new = await backends.events.tell(first.evolve(payload={**first.payload, "price": 2}))
        same("whether it is new", new, False)
        same("what is given back", found, stored)
        same("what is in the log", await backends.events.event(first.event_id), stored)
    following, _ = await backends.events.tell(occurrence("following", stream="shop:again"))
    same("the number behind it", following.metadata["seq"], 2)


# Marks


async def a_marked_event_is_posted_until_it_is_delivered(backends: AsyncBackends) -> None:
    """What is for somebody is marked in the write that adds it; ``delivered`` takes the mark off, and nothing else."""
    events = [occurrence(f"post{number}") for number in range(4)]
    told = occurrence("post4")
    await backends.events.append(events[:1], _post(events[:1], "me", ("mail", "audit")))
    await backends.events.append(events[1:], Posting([("mail",), (), ("audit",)], "me", later(9)))
    await backends.events.tell(told, _post([told], "me"))
    expected = [
        (events[0], ("mail", "audit")),
        (events[1], ("mail",)),
        (events[3], ("audit",)),
        (told, ("mail",)),
    ]
    same("what is posted", await _posted(backends, "me"), _by_name(expected))
    for gone in (
        [],
        [events[1].event_id],
        [events[1].event_id],
        [told.event_id, events[0].event_id, events[2].event_id],
    ):
        await backends.events.delivered(gone)
        expected = [each for each in expected if each[0].event_id not in gone]
        same("what is left", await _posted(backends, "me"), _by_name(expected))
    for each in (*events, told):
        same("the event itself", await backends.events.event(each.event_id), each)


async def an_event_is_awaited_by_those_behind_it_in_its_stream(backends: AsyncBackends) -> None:
    """``awaited`` says whether one with a lower number of the same stream is still marked."""
    events = [event("user:usr_await:xp", seq) for seq in (1, 2, 3)]
    await backends.events.append(events, _post(events, "me"))
    await backends.events.append([event("user:usr_other:xp", 9)])

    async def seen() -> list[bool]:
        return [await backends.events.awaited("user:usr_await:xp", before) for before in (1, 2, 3, 4)]

    same("who waits", await seen(), [False, True, True, True])
    await backends.events.delivered([events[0].event_id])
    same("who waits behind the second", await seen(), [False, False, True, True])
    same("another stream", await backends.events.awaited("user:usr_other:xp", 99), False)
    await backends.events.delivered([each.event_id for each in events])
    same("who waits in the end", await seen(), [False] * 4)


async def an_event_for_nobody_is_not_posted(backends: AsyncBackends) -> None:
    """Without ``posting``, or with nobody named, there is no mark."""
    plain, named, loose, told = [occurrence(name) for name in ("plain", "named", "loose", "told")]
    await backends.events.append([plain])
    await backends.events.append([named], _post([named], "me", ()))
    await backends.events.tell(loose)
    await backends.events.tell(told, _post([told], "me", ()))
    same("what is posted", await _posted(backends, "me", later(99)), [])


async def an_event_that_is_passed_over_is_not_marked_again(backends: AsyncBackends) -> None:
    """Who tells an event again leaves the first one's mark as it is; one that is off stays off."""
    kept, done, alone = occurrence("kept"), occurrence("done"), occurrence("lone")
    await backends.events.append([kept, done], _post([kept, done], "first", ("mail",)))
    await backends.events.tell(alone, _post([alone], "first"))
    await backends.events.delivered([done.event_id, alone.event_id])
    new = occurrence("new")
    await backends.events.append([kept, done, new], _post([kept, done, new], "second", ("audit",)))
    await backends.events.append([done], _post([done], "second", ("audit",)))
    await backends.events.tell(alone, _post([alone], "second"))
    same("of the first", await _posted(backends, "first"), [("kept", ("mail",))])
    same("of the second", await _posted(backends, "second"), [("new", ("audit",))])


async def an_event_is_posted_to_its_own_at_once_and_to_others_when_its_time_is_up(backends: AsyncBackends) -> None:
    """``posted`` gives ``by``'s own events, and those of others from ``until`` on."""
    for name, by, until in (("mine", "me", 60), ("soon", "they", 60), ("later", "they", 120)):
        one = occurrence(name)
        await backends.events.append([one], Posting([("mail",)], by, later(seconds=until)))
    for by, seconds, names in (
        ("me", 0, ["mine"]),
        ("they", 0, ["later", "soon"]),
        ("nobody", 0, []),
        ("nobody", 59.999, []),
        ("nobody", 60, ["mine", "soon"]),
        ("me", 60, ["mine", "soon"]),
        ("me", 120, ["later", "mine", "soon"]),
        ("", 120, ["later", "mine", "soon"]),
    ):
        found = await _posted(backends, by, later(seconds=seconds))
        same(f"posted to {by or 'who has no name'} after {seconds} s", found, [(name, ("mail",)) for name in names])


async def what_is_posted_comes_oldest_first(backends: AsyncBackends) -> None:
    """``posted`` gives up to ``limit``: whose time is up first is in, and what was recorded first comes first."""
    events = [occurrence(f"age{number}", recorded=later(seconds=number)) for number in range(5)]
    for at in (3, 0, 4, 1, 2):
        await backends.events.append([events[at]], Posting([("mail",)], "me", later(seconds=at + 60)))
    for limit in (1, 3, 9):
        found = [each.event for each in await backends.events.posted("me", NOON, limit)]
        same(f"up to {limit}", found, events[:limit])
    same("up to 2 of others", [each.event for each in await backends.events.posted("x", later(9), 2)], events[:2])


def _post(events: Sequence[Event], by: str, to: tuple[str, ...] = ("mail",)) -> Posting:
    return Posting([to] * len(events), by, later(9))


async def _posted(backends: AsyncBackends, by: str, now: datetime = NOON) -> list[tuple[str, tuple[str, ...]]]:
    found = await backends.events.posted(by, now, 99)
    return _by_name([(each.event, tuple(each.to)) for each in found])


def _by_name(posted: Sequence[tuple[Event, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    return sorted([(str(event.payload["name"]), to) for event, to in posted])


# Reading


async def the_newest_events_come_first(backends: AsyncBackends) -> None:
    """``newest`` is by ``timestamp``, not by arrival; of one timestamp the greatest id comes first."""
    events = [occurrence(f"new{number}", at=later(seconds=number % 3)) for number in range(9)]
    await backends.events.append(events)
    expected = _newest_first(events)
    for limit in (1, 2, 4, 8, 9, 99):
        same(f"the newest {limit}", list(await backends.events.newest(_ANY, None, limit)), expected[:limit])


async def the_newest_events_are_read_page_by_page(backends: AsyncBackends) -> None:
    """``before`` is the place of the last one read, also within one timestamp; no page leaves one out or repeats."""
    moments = (0, 1, 1, 1, 1, 1, 2, 3, 3, 4)
    events = [occurrence(f"page{number}", at=later(seconds=at)) for number, at in enumerate(moments)]
    await backends.events.append(events)
    expected = _newest_first(events)
    for limit in (1, 2, 3, 4, 9):
        found: list[Event] = []
        before = None
        while page := list(await backends.events.newest(_ANY, before, limit)):
            found += page
            before = page[-1].timestamp, page[-1].id
            if len(found) > len(events):
                fails(f"pages of {limit} go on behind the last event")
        same(f"the pages of {limit}", found, expected)
    same("before a place that is empty", list(await backends.events.newest(_ANY, (later(-9), "f" * 24), 9)), [])


async def the_newest_events_are_chosen_by_all_that_is_asked(backends: AsyncBackends) -> None:
    """A filter's ``uid``, ``event_type`` and ``correlation_id`` all hold; None is any."""
    events = [
        occurrence(f"pick{number}", at=later(seconds=number // 2), uid=uid, type=type, correlation=correlation)
        for number, (uid, type, correlation) in enumerate(product(_UIDS, _TYPES, _CORRELATIONS))
    ]
    await backends.events.append(events)
    for which in [EventFilter(*each) for each in product((None, *_UIDS[:2]), (None, *_TYPES), (None, "c1", "c3"))]:
        expected = [each for each in _newest_first(events) if _chosen(each, which)]
        same(f"{which}", list(await backends.events.newest(which, None, 99)), expected)
        if len(expected) > 2:
            before = expected[0].timestamp, expected[0].id
            same(f"{which}, a page", list(await backends.events.newest(which, before, 2)), expected[1:3])


async def the_newest_events_of_who_left_an_address_are_found(backends: AsyncBackends) -> None:
    """A filter's ``traced`` is who acted; events without an ``ip_address`` in their metadata are passed over."""
    events = [
        occurrence(f"trace{number}", at=later(seconds=number // 2), uid=uid).evolve(
            metadata={"recorded_at": later(seconds=number).isoformat(), **trace}
        )
        for number, (uid, trace) in enumerate(product(_UIDS, _TRACES))
    ]
    await backends.events.append(events)
    for uid, actor in product((None, _UIDS[0]), ("usr_x", "usr_y", "usr_z")):
        which = EventFilter(uid, traced=actor)
        expected = [each for each in _newest_first(events) if _chosen(each, which)]
        same(f"{which}", list(await backends.events.newest(which, None, 99)), expected)


_TRACES: Final[tuple[dict[str, str], ...]] = (
    {"user_id": "usr_x", "ip_address": "203.0.113.42"},
    {"user_id": "usr_x"},
    {"user_id": "usr_y", "ip_address": "2001:db8::1"},
    {"ip_address": "203.0.113.42"},
)


async def events_are_read_in_the_order_of_recording(backends: AsyncBackends) -> None:
    """``recorded`` is by ``recorded_at``, not by ``timestamp`` or arrival; of one instant by stream, then number."""
    events = [
        event(stream, seq).evolve(
            timestamp=later(-seq), metadata={"stream": stream, "seq": seq, "recorded_at": later(seconds=at).isoformat()}
        )
        for stream, seq, at in (
            ("b", 1, 0),
            ("a", 1, 1),
            ("a", 2, 1),
            ("a", 10, 1),
            ("b", 2, 1),
            ("a", 11, 1.5),
            ("b", 3, 2),
        )
    ]
    for at in (5, 2, 0, 6, 4, 3, 1):
        await backends.events.append([events[at]])
    same("all of them", list(await backends.events.recorded(_ANY, "", 99)), events)
    same("behind one instant", list(await backends.events.recorded(_ANY, _said(events[0]), 99)), events[1:])
    same("behind the next", list(await backends.events.recorded(_ANY, _said(events[1]), 99)), events[5:])
    same("behind the last", list(await backends.events.recorded(_ANY, _said(events[6]), 99)), [])


async def what_was_recorded_at_one_instant_is_read_together(backends: AsyncBackends) -> None:
    """A page of ``recorded`` ends where an instant ends, so that the next one, behind that instant, leaves none out."""
    moments = (0, 0, 0, 0, 0, 1, 2, 2, 3, 4, 4, 4)
    events = [event("instants", at + 1).evolve(metadata=_place(at + 1, moments[at])) for at in range(len(moments))]
    await backends.events.append(events)
    for limit in (1, 2, 3, 5, 99):
        found: list[Event] = []
        after = ""
        while page := list(await backends.events.recorded(_ANY, after, limit)):
            found += page
            after = _said(page[-1])
            if len(found) > len(events):
                fails(f"pages of {limit} give events twice")
        same(f"the pages of {limit}", found, events)


def _place(seq: int, seconds: float) -> dict[str, object]:
    return {"stream": "instants", "seq": seq, "recorded_at": later(seconds=seconds).isoformat()}


async def what_was_recorded_is_chosen_by_all_that_is_asked(backends: AsyncBackends) -> None:
    """The same for ``recorded``. Events that do not say when they were recorded are passed over."""
    events = [
        occurrence(f"log{number:02}", recorded=later(seconds=number), uid=uid, type=type, correlation=correlation)
        for number, (uid, type, correlation) in enumerate(product(_UIDS, _TYPES, _CORRELATIONS))
    ]
    silent = occurrence("silent", uid="usr_a", type=_TYPES[0], correlation="c1").evolve(metadata={})
    await backends.events.append([silent, *events])
    for which in [EventFilter(*each) for each in product((None, *_UIDS[:2]), (None, *_TYPES), (None, "c1", "c3"))]:
        expected = [each for each in events if _chosen(each, which)]
        same(f"{which}", list(await backends.events.recorded(which, "", 99)), expected)
        if len(expected) > 1:
            found = await backends.events.recorded(which, _said(expected[0]), 1)
            same(f"{which}, a page", list(found), expected[1:2])


async def effects_are_those_that_name_an_event_as_their_cause(backends: AsyncBackends) -> None:
    """``effects`` gives up to ``limit`` of them, of all the causes together, in the order of recording."""
    causes = [occurrence(f"cause{number}") for number in range(3)]
    effects = [
        occurrence(f"effect{number}", recorded=later(seconds=number), cause=causes[number % 2].event_id)
        for number in range(6)
    ]
    further = occurrence("further", cause=effects[0].event_id)
    await backends.events.append([further, *effects[::-1], *causes])
    ids = [each.event_id for each in causes]
    same("of two", list(await backends.events.effects(ids, 99)), effects)
    same("the first ones", list(await backends.events.effects(ids, 4)), effects[:4])
    same("of one", list(await backends.events.effects([ids[1], ids[1]], 99)), effects[1::2])
    same("of an effect", list(await backends.events.effects([effects[0].event_id], 99)), [further])
    same("of one that has none", list(await backends.events.effects([ids[2], further.event_id], 99)), [])
    same("of nothing", list(await backends.events.effects([], 99)), [])


_UIDS: Final = ("usr_a", "usr_b", None)
_TYPES: Final = ("xp.awarded", "level.up")
_CORRELATIONS: Final = ("c1", "c2", "")


def _chosen(event: Event, which: EventFilter) -> bool:
    trace = event.metadata.get("user_id") if "ip_address" in event.metadata else None
    said = event.payload.get("user_id"), event.event_type, event.correlation_id, trace
    return all(asked is None or asked == value for asked, value in zip(which, said, strict=True))


def _newest_first(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.timestamp, event.id), reverse=True)


def _by_id(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.id)


def _said(event: Event) -> str:
    return str(event.metadata["recorded_at"])


# Calls that meet


async def events_that_many_tell_at_once_are_there_once(backends: AsyncBackends, together: Together) -> None:
    """The ``event_id`` is unique in the store, not by looking first."""
    events = [event("user:usr_g:xp", seq) for seq in (1, 2, 3)]
    ends = await together([partial(backends.events.append, events)] * 8)
    same("what failed", [end for end in ends if isinstance(end, BaseException)], [])
    same("the stream", list(await backends.events.stream("user:usr_g:xp", 0, 99)), events)


async def of_many_events_of_one_stream_each_has_its_number(backends: AsyncBackends, together: Together) -> None:
    """``tell`` numbers without a gap and without a twin, however many tell at once."""
    events = [occurrence(f"crowd{number}", stream="crowd") for number in range(8)]
    ends = await together([partial(backends.events.tell, each) for each in events])
    same("what failed", [end for end in ends if isinstance(end, BaseException)], [])
    stored = list(await backends.events.stream("crowd", 0, 99))
    same("the numbers", [each.metadata["seq"] for each in stored], list(range(1, 9)))
    given = [end[0] for end in ends if isinstance(end, tuple)]
    same("what they got and what is stored", _by_id(given), _by_id(stored))


async def of_many_events_of_one_id_one_is_new(backends: AsyncBackends, together: Together) -> None:
    """``tell`` looks and adds in one step: one is new, and all get that one."""
    for stream in (None, "one_id"):
        first = occurrence(f"one id in {stream}", stream=stream)
        events = [first.evolve(payload={**first.payload, "number": number}) for number in range(8)]
        ends = await together([partial(backends.events.tell, each) for each in events])
        same("what failed", [end for end in ends if isinstance(end, BaseException)], [])
        given = [end for end in ends if isinstance(end, tuple)]
        same("how many are new", sum([new for _, new in given]), 1)
        stored = await backends.events.event(first.event_id)
        same("what they got", [found for found, _ in given], [stored] * 8)
    same("the stream", len(await backends.events.stream("one_id", 0, 99)), 1)


CHECKS: Final[tuple[Check, ...]] = (
    a_stream_gives_back_its_events_whole,
    a_stream_is_in_the_order_of_its_numbers,
    an_event_that_is_told_twice_is_there_once,
    a_stream_is_read_page_by_page,
    a_gap_in_the_numbers_hides_nothing,
    streams_are_apart,
    appending_nothing_is_nothing,
    append_says_which_events_were_passed_over,
    an_event_is_found_by_its_id,
    events_are_found_by_their_ids,
    the_number_of_events_is_about_right,
    an_event_that_is_told_alone_is_numbered_in_its_stream,
    an_event_without_a_stream_has_no_number,
    an_id_that_is_told_again_gives_back_the_first,
    a_marked_event_is_posted_until_it_is_delivered,
    an_event_is_awaited_by_those_behind_it_in_its_stream,
    an_event_for_nobody_is_not_posted,
    an_event_that_is_passed_over_is_not_marked_again,
    an_event_is_posted_to_its_own_at_once_and_to_others_when_its_time_is_up,
    what_is_posted_comes_oldest_first,
    the_newest_events_come_first,
    the_newest_events_are_read_page_by_page,
    the_newest_events_are_chosen_by_all_that_is_asked,
    the_newest_events_of_who_left_an_address_are_found,
    events_are_read_in_the_order_of_recording,
    what_was_recorded_at_one_instant_is_read_together,
    what_was_recorded_is_chosen_by_all_that_is_asked,
    effects_are_those_that_name_an_event_as_their_cause,
)

RACES: Final[tuple[Race, ...]] = (
    events_that_many_tell_at_once_are_there_once,
    of_many_events_of_one_stream_each_has_its_number,
    of_many_events_of_one_id_one_is_new,
)
