"""What profiles and the ledger promise, check by check."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Final

from tektree._async.conformance.samples import (
    NOON,
    Check,
    Race,
    Story,
    Together,
    committed,
    enrolled,
    fails,
    later,
    newcomer,
    occurrence,
    refused,
    row_of,
    same,
)
from tektree._async.ports.bundles import AsyncBackends
from tektree.errors import Stale, Taken
from tektree.models.events import Event, Recipients
from tektree.models.gamification import Committed, Folded, GamificationProfile
from tektree.models.leaderboards import BoardEntry
from tektree.rules import xp

__all__ = ["CHECKS", "RACES"]

_FOLDED: Final = frozenset(Folded.model_fields)
_SETTINGS: Final = tuple([name for name in GamificationProfile.model_fields if name not in _FOLDED])


def _settings_of(profile: GamificationProfile) -> dict[str, object]:
    return {name: getattr(profile, name) for name in _SETTINGS}


def _folded_of(profile: Folded) -> dict[str, object]:
    """All of it but ``updated_at``, which a change of settings moves too."""
    return {name: getattr(profile, name) for name in _FOLDED - {"updated_at"}}


def _same_fields(what: str, found: dict[str, object], expected: dict[str, object]) -> None:
    for name, value in expected.items():
        same(f"{what}: {name}", found[name], value)


async def _stored(backends: AsyncBackends, user_id: str) -> GamificationProfile:
    found = await backends.gamification.profile(user_id)
    return found if found is not None else fails("the profile that was enrolled is not there")


def _moved(profile: GamificationProfile) -> GamificationProfile:
    """Every setting changed."""
    return profile.evolve(
        featured_achievements=("ach_first_steps",),
        leaderboard_opt_out=True,
        timezone="Pacific/Apia",
        tier="pro",
        settings_version=profile.settings_version + 1,
        skipped_dates=("2011-12-30",),
        updated_at=later(seconds=1),
    )


# Profiles


async def an_enrolled_profile_comes_back_whole(backends: AsyncBackends) -> None:
    """``enroll`` stores the profile and gives back the stored one; ``profile`` finds it."""
    profile = _moved(newcomer("whole"))
    same("what enroll gives back", await backends.gamification.enroll(profile), profile)
    same("what is stored", await _stored(backends, profile.user_id), profile)


async def a_user_who_is_not_enrolled_has_no_profile(backends: AsyncBackends) -> None:
    """``profile`` is None for somebody unknown."""
    await enrolled(backends, "somebody")
    same("the profile of a stranger", await backends.gamification.profile(newcomer("stranger").user_id), None)


async def enrolling_again_gives_back_the_stored_profile(backends: AsyncBackends) -> None:
    """``enroll`` stores nothing when one with its ``user_id`` is there."""
    first = await enrolled(backends, "again")
    same("the second enrolment", await backends.gamification.enroll(_moved(first)), first)
    same("what is stored", await _stored(backends, first.user_id), first)


async def a_uid_that_is_in_use_gives_back_whose_it_is(backends: AsyncBackends) -> None:
    """``enroll`` stores nothing when one with its ``uid`` is there."""
    first = await enrolled(backends, "owner")
    other = newcomer("other").evolve(uid=first.uid)
    same("the enrolment under a used uid", await backends.gamification.enroll(other), first)
    same("the profile under the other id", await backends.gamification.profile(other.user_id), None)


async def a_user_id_that_is_in_use_gives_back_whose_it_is(backends: AsyncBackends) -> None:
    """The same for a ``user_id`` that comes with another ``uid``, which stays free."""
    first = await enrolled(backends, "holder")
    other = first.evolve(uid="usr_other_name")
    same("the enrolment under a used id", await backends.gamification.enroll(other), first)
    free = newcomer("other_name")
    same("the other uid", await backends.gamification.enroll(free), free)


async def a_projection_sets_every_folded_field(backends: AsyncBackends) -> None:
    """``project`` sets all folded fields."""
    story = Story("projected")
    for day in range(8):
        story.award(f"k{day}", at=later(day), source="answer_posted")
    await enrolled(backends, "projected")
    await backends.gamification.project(story.user_id, story.profile)
    same("the profile", await _stored(backends, story.user_id), story.profile)


async def a_projection_leaves_settings_alone(backends: AsyncBackends) -> None:
    """Settings are never touched by ``project``, whatever the state that it is given was made from."""
    profile = await enrolled(backends, "kept")
    await backends.gamification.swap(profile, _moved(profile))
    state = row_of(Story("kept").award("k")).state or Folded()
    await backends.gamification.project(profile.user_id, state)
    await backends.gamification.project(profile.user_id, state, repair=True)
    found = await _stored(backends, profile.user_id)
    _same_fields("settings after a projection", _settings_of(found), _settings_of(_moved(profile)))
    same("the total", found.total_xp, 10)


async def an_older_projection_changes_nothing(backends: AsyncBackends) -> None:
    """``project`` does nothing when the profile has seen a row newer than ``state.seq``."""
    story = Story("monotonic")
    states = [row_of(story.award(f"k{number}")).state or Folded() for number in range(3)]
    await enrolled(backends, "monotonic")
    await backends.gamification.project(story.user_id, states[2])
    for older in (states[1], states[0], Folded()):
        await backends.gamification.project(story.user_id, older)
        same(f"after a projection of seq {older.seq}", await _stored(backends, story.user_id), story.profile)


async def a_projection_may_jump_over_rows(backends: AsyncBackends) -> None:
    """The state is complete, so ``project`` needs not have seen the rows between."""
    story = Story("jumping")
    for number in range(5):
        story.award(f"k{number}")
    await enrolled(backends, "jumping")
    await backends.gamification.project(story.user_id, story.profile)
    same("the profile", await _stored(backends, story.user_id), story.profile)


async def a_projection_of_the_same_row_changes_nothing(backends: AsyncBackends) -> None:
    """Without ``repair`` a state of the same ``seq`` is left alone."""
    story = Story("same")
    story.award("k")
    await enrolled(backends, "same")
    await backends.gamification.project(story.user_id, story.profile)
    await backends.gamification.project(story.user_id, story.profile.evolve(total_xp=999))
    same("the profile", await _stored(backends, story.user_id), story.profile)


async def a_repair_writes_over_the_same_row(backends: AsyncBackends) -> None:
    """``repair`` writes the folded fields also over a state of the same ``seq``."""
    story = Story("repaired")
    story.award("k")
    await enrolled(backends, "repaired")
    await backends.gamification.project(story.user_id, story.profile.evolve(total_xp=999, achievements=()))
    await backends.gamification.project(story.user_id, story.profile, repair=True)
    same("the profile", await _stored(backends, story.user_id), story.profile)


async def a_repair_never_takes_a_newer_row_back(backends: AsyncBackends) -> None:
    """``repair`` is bound by newer rows like any projection."""
    story = Story("ahead")
    older = row_of(story.award("k1")).state or Folded()
    story.award("k2")
    await enrolled(backends, "ahead")
    await backends.gamification.project(story.user_id, story.profile)
    await backends.gamification.project(story.user_id, older, repair=True)
    same("the profile", await _stored(backends, story.user_id), story.profile)


async def a_projection_makes_no_profile(backends: AsyncBackends) -> None:
    """``project`` sets fields of a profile; where there is none it makes none."""
    story = Story("nobody")
    story.award("k")
    await backends.gamification.project(story.user_id, story.profile)
    same("the profile", await backends.gamification.profile(story.user_id), None)


async def a_swap_sets_every_setting(backends: AsyncBackends) -> None:
    """``swap`` sets all settings at once."""
    old = await enrolled(backends, "settled")
    await backends.gamification.swap(old, _moved(old))
    _same_fields("settings", _settings_of(await _stored(backends, old.user_id)), _settings_of(_moved(old)))


async def a_swap_leaves_folded_fields_alone(backends: AsyncBackends) -> None:
    """Folded fields are never touched by ``swap``, though the profiles that it is given may lag behind."""
    story = Story("behind")
    old = await enrolled(backends, "behind")
    story.award("k")
    await backends.gamification.project(story.user_id, story.profile)
    await backends.gamification.swap(old, _moved(old))
    found = await _stored(backends, story.user_id)
    _same_fields("folded fields", _folded_of(found), _folded_of(story.profile))
    _same_fields("settings", _settings_of(found), _settings_of(_moved(old)))


async def a_stale_swap_changes_nothing(backends: AsyncBackends) -> None:
    """``swap`` raises `Stale` when ``old.settings_version`` is not the stored one."""
    old = await enrolled(backends, "stale")
    await backends.gamification.swap(old, _moved(old))
    stored = await _stored(backends, old.user_id)
    late = old.evolve(timezone="Europe/Berlin", settings_version=1)
    await refused("a swap of settings that are no longer in force", Stale, backends.gamification.swap, old, late)
    same("the profile", await _stored(backends, old.user_id), stored)


async def a_swap_of_nobody_is_stale(backends: AsyncBackends) -> None:
    """There is no stored version, so it is not the old one; and no profile is made."""
    old = newcomer("missing")
    await refused("a swap without a profile", Stale, backends.gamification.swap, old, _moved(old))
    same("the profile", await backends.gamification.profile(old.user_id), None)


async def what_a_swap_tells_stays_on_the_profile_until_it_is_told(backends: AsyncBackends) -> None:
    """``swap`` leaves ``events``, and whom they are for, with the settings; ``told`` takes off those it is given."""
    profile = await enrolled(backends, "teller")
    first, second, third = [occurrence(f"told{number}", number=number) for number in range(3)]
    following = _moved(profile)
    await backends.gamification.swap(profile, following, [first, second], [("mail", "audit"), ()])
    await backends.gamification.swap(following, _moved(following), [third], [("mail",)])
    left: list[tuple[Event, Recipients]] = [(first, ("mail", "audit")), (second, ()), (third, ("mail",))]
    same("the outbox", await _outbox(backends, profile.user_id), left)
    same("the profile", await _stored(backends, profile.user_id), _moved(following))
    for gone in ([], [second.event_id], [second.event_id], [third.event_id, "evt_never", first.event_id]):
        await backends.gamification.told(profile.user_id, gone)
        left = [each for each in left if each[0].event_id not in gone]
        same("what is left", await _outbox(backends, profile.user_id), left)
    same("the profile", await _stored(backends, profile.user_id), _moved(following))
    await backends.gamification.told(newcomer("nobody").user_id, [first.event_id])


async def a_swap_may_tell_nothing_or_nobody(backends: AsyncBackends) -> None:
    """``events`` may be none; with ``to`` empty, they are for nobody."""
    profile = await enrolled(backends, "quiet")
    same("the outbox of somebody new", await _outbox(backends, profile.user_id), [])
    same("the outbox of a stranger", await _outbox(backends, newcomer("stranger").user_id), [])
    following = _moved(profile)
    await backends.gamification.swap(profile, following)
    same("behind a swap that tells nothing", await _outbox(backends, profile.user_id), [])
    await backends.gamification.swap(following, _moved(following), [occurrence("for nobody")])
    same("behind one that tells nobody", await _outbox(backends, profile.user_id), [(occurrence("for nobody"), ())])


async def a_stale_swap_tells_nothing(backends: AsyncBackends) -> None:
    """Settings and events are one write: who loses leaves neither."""
    old = await enrolled(backends, "loser")
    winner, loser = occurrence("winner"), occurrence("loser")
    await backends.gamification.swap(old, _moved(old), [winner], [("mail",)])
    swap = backends.gamification.swap
    await refused("a swap of settings that are no longer in force", Stale, swap, old, _moved(old), [loser], [("mail",)])
    same("the outbox", await _outbox(backends, old.user_id), [(winner, ("mail",))])
    stranger = newcomer("stranger")
    await refused("a swap without a profile", Stale, swap, stranger, _moved(stranger), [loser], [("mail",)])
    same("the outbox of nobody", await _outbox(backends, stranger.user_id), [])


async def a_projection_leaves_what_was_told_alone(backends: AsyncBackends) -> None:
    """``project`` takes nothing off the profile."""
    old = await enrolled(backends, "both")
    await backends.gamification.swap(old, _moved(old), [occurrence("stays")], [("mail",)])
    state = row_of(Story("both").award("k")).state or Folded()
    await backends.gamification.project(old.user_id, state)
    await backends.gamification.project(old.user_id, state, repair=True)
    same("the outbox", await _outbox(backends, old.user_id), [(occurrence("stays"), ("mail",))])


async def _outbox(backends: AsyncBackends, user_id: str) -> list[tuple[Event, Recipients]]:
    return [(each.event, tuple(each.to)) for each in await backends.gamification.outbox(user_id)]


async def profiles_that_hold_events_are_unfinished(backends: AsyncBackends) -> None:
    """``unfinished`` gives up to ``limit`` users whose profiles hold events, each once, until all are told."""
    await enrolled(backends, "finished")
    holding = set()
    for number in range(4):
        profile = await enrolled(backends, f"holds{number}")
        events = [occurrence(f"left{number} {which}") for which in "ab"]
        await backends.gamification.swap(profile, _moved(profile), events, [("mail",), ()])
        holding.add(profile.user_id)
    for _ in range(4):
        found = list(await backends.gamification.unfinished(9))
        same("the users", sorted(found), sorted(holding))
        same("2 of them", len({*await backends.gamification.unfinished(2)} & holding), min(2, len(holding)))
        ids = [event.event_id for event, _ in await _outbox(backends, found[0])]
        await backends.gamification.told(found[0], ids[:1])
        same("the users, when one of two is told", sorted(await backends.gamification.unfinished(9)), sorted(holding))
        await backends.gamification.told(found[0], ids[1:])
        holding.discard(found[0])
    same("when all is told", list(await backends.gamification.unfinished(9)), [])


async def a_profile_is_found_by_its_uid(backends: AsyncBackends) -> None:
    """``by_uid`` gives the stored profile of a uid, as it is now; None when there is none."""
    profile = await enrolled(backends, "named")
    await enrolled(backends, "named_otherwise")
    same("the profile", await backends.gamification.by_uid("usr_named"), profile)
    await backends.gamification.swap(profile, _moved(profile))
    story = Story("named", _moved(profile))
    story.award("k")
    await backends.gamification.project(story.user_id, story.profile)
    same("as it is now", await backends.gamification.by_uid("usr_named"), await _stored(backends, profile.user_id))
    for uid in ("usr_nobody", "usr_name", profile.user_id):
        same(f"the profile of {uid}", await backends.gamification.by_uid(uid), None)


async def users_come_in_ascending_order_page_by_page(backends: AsyncBackends) -> None:
    """``users`` gives up to ``limit`` ids, ascending, beginning behind ``after``."""
    ids = sorted([(await enrolled(backends, f"user{number}")).user_id for number in range(7)])
    found: list[str] = []
    after = None
    while page := list(await backends.gamification.users(after, 3)):
        if len(page) > 3:
            fails(f"a page of 3 users holds {len(page)}")
        if after is not None and min(page) <= after:
            fails(f"a page behind {after} holds {min(page)}")
        found += page
        after = page[-1]
    same("all users", [id for id in found if id in ids], ids)
    same("their order, and none twice", found, sorted(set(found)))
    same("behind the last", list(await backends.gamification.users(found[-1], 10)), [])
    same("behind what is no user's id", list(await backends.gamification.users("f" * 24, 10)), [])


async def the_number_of_users_is_about_right(backends: AsyncBackends) -> None:
    """``count`` says about how many profiles there are."""
    before = await backends.gamification.count()
    for number in range(4):
        await enrolled(backends, f"counted{number}")
    count = await backends.gamification.count()
    if not before < count <= before + 8:
        fails(f"4 profiles more than {before} are counted as {count}")


# The ledger


async def an_appended_row_comes_back_whole(backends: AsyncBackends) -> None:
    """What ``append`` takes, ``row``, ``rows``, ``history`` and ``tail`` give."""
    story = Story("rows")
    decisions = [
        story.award("answer", source="answer_posted"),
        story.award("much", amount=2**53 - 100_000),
        story.award("down", source="answer_downvoted"),
    ]
    decisions.append(story.turn(row_of(decisions[0]), None, later(seconds=5)))
    await enrolled(backends, "rows", *decisions)
    rows = [row_of(each) for each in decisions]
    for row in rows:
        same(f"row {row.seq}", await backends.ledger.row(row.transaction_id), row)
    same("rows", list(await backends.ledger.rows(story.user_id, 0, 10)), rows)
    same("history", list(await backends.ledger.history(story.user_id, None, 10)), rows[::-1])
    tail = await backends.ledger.tail(story.user_id, 0, 9)
    same("the rows of the tail", [each.row for each in tail], rows)
    same("their events", [list(each.outbox) for each in tail], [list(each.events) for each in decisions])


async def a_row_that_is_not_there_is_none(backends: AsyncBackends) -> None:
    """``row`` is None for an id that no row has."""
    same("a row", await backends.ledger.row(row_of(Story("unwritten").award("k")).transaction_id), None)


async def a_user_without_rows_has_empty_lists(backends: AsyncBackends) -> None:
    """No rows, no sums; and nothing is raised."""
    user_id = (await enrolled(backends, "fresh")).user_id
    same("rows", list(await backends.ledger.rows(user_id, 0, 10)), [])
    same("history", list(await backends.ledger.history(user_id, None, 10)), [])
    same("tail", list(await backends.ledger.tail(user_id, 0, 9)), [])
    same("used", await backends.ledger.used(user_id, "2025-12-16"), 0)
    week = await backends.ledger.week(user_id, "2025-W51")
    same("the sum of a week, and when it was reached", (week.xp, week.reached_at), (0, None))


async def a_used_key_is_taken(backends: AsyncBackends) -> None:
    """``append`` raises `Taken` when the user's ledger has a row with this key."""
    story = Story("key")
    first = story.award("once")
    await enrolled(backends, "key", first)
    again = story.award("once", amount=20)
    await refused("a second row with the same key", Taken, backends.ledger.append, *committed(again))
    await _untouched(backends, story.user_id, first)


async def a_used_seq_is_stale(backends: AsyncBackends) -> None:
    """``append`` raises `Stale` when the user's ledger has a row with this ``seq``."""
    first, second = Story("seq").award("one"), Story("seq").award("two")
    await enrolled(backends, "seq", first)
    await refused("a second row with the same seq", Stale, backends.ledger.append, *committed(second))
    await _untouched(backends, row_of(first).user_id, first)
    same("the row that lost", await backends.ledger.row(row_of(second).transaction_id), None)


async def a_row_that_is_written_twice_is_refused(backends: AsyncBackends) -> None:
    """Key and ``seq`` are both used: either error will do."""
    first = Story("twice").award("k")
    await enrolled(backends, "twice", first)
    await refused("the same row again", (Taken, Stale), backends.ledger.append, *committed(first))
    await _untouched(backends, row_of(first).user_id, first)


async def _untouched(backends: AsyncBackends, user_id: str, decision: xp.Decision) -> None:
    """A refused append left neither a row nor events."""
    tail = await backends.ledger.tail(user_id, 0, 9)
    found = [(each.row, tuple(each.outbox)) for each in tail]
    same("the ledger after a refusal", found, [(decision.row, decision.events)])


async def keys_and_seqs_are_each_users_own(backends: AsyncBackends) -> None:
    """Another user's row may have the same key and the same ``seq``."""
    for name in ("left", "right"):
        decision = Story(name).award("shared")
        await enrolled(backends, name, decision)
        same(f"the rows of {name}", list(await backends.ledger.rows(row_of(decision).user_id, 0, 9)), [decision.row])


async def events_stay_on_their_row_until_they_are_told(backends: AsyncBackends) -> None:
    """``told`` takes the events off the rows it is given, and off no other."""
    story = Story("outbox")
    decisions = [story.award(f"k{number}") for number in range(3)]
    await enrolled(backends, "outbox", *decisions)
    await backends.ledger.told([row_of(decisions[1])])
    left = [list(each.outbox) for each in await backends.ledger.tail(story.user_id, 0, 9)]
    same("the events left", left, [list(decisions[0].events), [], list(decisions[2].events)])


async def telling_again_does_nothing(backends: AsyncBackends) -> None:
    """``told`` again, or of a row that is not there, or of none: nothing happens, and rows stay as they are."""
    story = Story("told")
    decisions = [story.award(f"k{number}") for number in range(2)]
    await enrolled(backends, "told", *decisions)
    rows = [row_of(each) for each in decisions]
    unwritten = row_of(Story("told").award("elsewhere"))
    for _ in range(2):
        await backends.ledger.told([*rows, unwritten])
        await backends.ledger.told([])
        same("the rows", list(await backends.ledger.rows(story.user_id, 0, 9)), rows)
        same("the events left", [len(each.outbox) for each in await backends.ledger.tail(story.user_id, 0, 9)], [0, 0])
    same("the row that is not there", await backends.ledger.row(unwritten.transaction_id), None)


async def whom_events_are_for_stays_with_them(backends: AsyncBackends) -> None:
    """``append`` takes for each event whom it is for; ``tail`` and ``unfinished`` give it back."""
    story = Story("addressed")
    decisions = [story.award(f"k{number}", amount=150) for number in range(4)]
    counts = [len(each.events) for each in decisions]
    if max(counts) < 2:
        fails("a check asked the rules for a row of several events and got none; that is the check's fault")
    mixed: list[list[Recipients]] = [[("mail", "audit"), (), ("mail",)][:count] for count in counts]
    tos: list[Sequence[Recipients]] = [mixed[0], mixed[1], [()] * counts[2], ()]
    await enrolled(backends, "addressed")
    for decision, to in zip(decisions, tos, strict=True):
        await backends.ledger.append(*committed(decision), to)
    expected = [list(to or [()] * count) for to, count in zip(tos, counts, strict=True)]
    tail = await backends.ledger.tail(story.user_id, 0, 9)
    same("of the tail", [_addressed(each) for each in tail], expected)
    same("their events", [list(each.outbox) for each in tail], [list(each.events) for each in decisions])
    same("of what is unfinished", [_addressed(each) for each in await backends.ledger.unfinished(9)], expected)
    await backends.ledger.told([row_of(decisions[0])])
    [first, *rest] = await backends.ledger.tail(story.user_id, 0, 9)
    same("behind told", (list(first.outbox), list(first.to)), ([], []))
    same("of the others", [_addressed(each) for each in rest], expected[1:])


def _addressed(committed: Committed) -> list[Recipients]:
    """Whom each event of a row is for. Nobody of any may be said by nothing at all."""
    return [tuple(each) for each in committed.to] or [()] * len(committed.outbox)


async def rows_that_carry_events_are_unfinished(backends: AsyncBackends) -> None:
    """``unfinished`` gives up to ``limit`` rows with their events, those of a user in the order of ``seq``."""
    decisions = []
    for name in ("one", "two", "three"):
        story = Story(name)
        mine = [story.award(f"k{number}") for number in range(4)]
        await enrolled(backends, name, *mine)
        decisions += mine[1:]
        await backends.ledger.told([row_of(mine[0])])
    left = sorted([committed(each) for each in decisions], key=lambda each: (each[0].user_id, each[0].seq))
    found = await backends.ledger.unfinished(99)
    users = sorted({row.user_id for row, _ in left})
    for user_id in users:
        rows = [(each.row, tuple(each.outbox)) for each in found if each.row.user_id == user_id]
        same("a user's rows", rows, [(row, tuple(events)) for row, events in left if row.user_id == user_id])
    same("how many", len(found), len(left))
    grouped = [user_id for user_id, _ in groupby(found, lambda each: each.row.user_id)]
    same("whether a user's rows stand together", len(grouped), len(users))
    for number in range(5):
        page = await backends.ledger.unfinished(2)
        same("2 rows, or what is left", len(page), min(2, len(left) - 2 * number))
        for each in page:
            await backends.ledger.told([each.row])
    same("when all is told", list(await backends.ledger.unfinished(9)), [])


async def the_tail_begins_behind_a_seq(backends: AsyncBackends) -> None:
    """``tail`` gives up to ``limit`` of the user's rows behind ``seq``, oldest first."""
    story = Story("tail")
    decisions = [story.award(f"k{number}") for number in range(4)]
    await enrolled(backends, "tail", *decisions)
    await enrolled(backends, "bystander", Story("bystander").award("k"))
    for seq in range(6):
        for limit in (1, 3, 9):
            found = [each.row.seq for each in await backends.ledger.tail(story.user_id, seq, limit)]
            same(f"{limit} of the tail behind {seq}", found, list(range(seq + 1, 5))[:limit])


async def rows_come_oldest_first_page_by_page(backends: AsyncBackends) -> None:
    """``rows`` gives up to ``limit`` of the user's rows behind ``after``, oldest first."""
    story = Story("pages")
    await enrolled(backends, "pages", *[story.award(f"k{number}") for number in range(5)])
    await enrolled(backends, "neighbour", Story("neighbour").award("k"))
    for after, limit, expected in (
        (0, 2, [1, 2]),
        (2, 2, [3, 4]),
        (4, 2, [5]),
        (5, 2, []),
        (9, 2, []),
        (1, 99, [2, 3, 4, 5]),
    ):
        found = [row.seq for row in await backends.ledger.rows(story.user_id, after, limit)]
        same(f"{limit} rows behind {after}", found, expected)


async def history_comes_newest_first_page_by_page(backends: AsyncBackends) -> None:
    """``history`` gives up to ``limit`` of the user's rows before ``before``, newest first, by ``seq``, not by time."""
    story = Story("history")
    await enrolled(backends, "history", *[story.award(f"k{number}", at=later(seconds=-number)) for number in range(5)])
    await enrolled(backends, "passer_by", Story("passer_by").award("k"))
    for before, limit, expected in (
        (None, 2, [5, 4]),
        (4, 2, [3, 2]),
        (2, 2, [1]),
        (1, 2, []),
        (99, 9, [5, 4, 3, 2, 1]),
    ):
        found = [row.seq for row in await backends.ledger.history(story.user_id, before, limit)]
        same(f"{limit} rows before {before}", found, expected)


async def the_newest_link_of_a_row_is_found(backends: AsyncBackends) -> None:
    """``linked`` gives the newest row that reverses or restores a row; None when there is none."""
    story = Story("linked")
    award, other = story.award("turned"), story.award("left")
    await enrolled(backends, "linked", award, other)
    id = row_of(award).transaction_id
    same("the link of a row that has none", await backends.ledger.linked(story.user_id, id), None)
    linked = None
    for turn in range(3):
        decision = story.turn(row_of(award), linked, later(seconds=turn + 1))
        await backends.ledger.append(*committed(decision))
        linked = row_of(decision)
        same(f"after turn {turn + 1}", await backends.ledger.linked(story.user_id, id), linked)
        same("the link of a link", await backends.ledger.linked(story.user_id, linked.transaction_id), None)
    same("the link of another", await backends.ledger.linked(story.user_id, row_of(other).transaction_id), None)


async def what_is_used_of_a_day_is_what_its_newest_row_says(backends: AsyncBackends) -> None:
    """``used`` is ``daily_total`` of the newest row of that day, by ``seq``; 0 when there is none."""
    story = Story("used")
    first = story.award("monday", amount=100, at=later(-1))
    decisions = [first, story.award("more", amount=50, at=later(-1)), story.award("tuesday", amount=7)]
    await enrolled(backends, "used", *decisions)
    await enrolled(backends, "thrifty", Story("thrifty").award("k", amount=400))
    for day, expected in (("2025-12-15", 150), ("2025-12-16", 7), ("2025-12-17", 0)):
        same(f"used of {day}", await backends.ledger.used(story.user_id, day), expected)
    late = story.award("afterwards", amount=3, at=later(seconds=9))
    undone = story.turn(row_of(late), None, later(seconds=10))
    for decision in (late, undone):
        await backends.ledger.append(*committed(decision))
    same("used after a reversal", await backends.ledger.used(story.user_id, "2025-12-16"), row_of(undone).daily_total)


async def a_week_adds_up_all_rows_that_are_booked_to_it(backends: AsyncBackends) -> None:
    """``week`` is what the user's rows of that ISO week come to, a later reversal of one of them included."""
    story = Story("week")
    first = story.award("before", amount=30, at=later(-7))
    decisions = [first, story.award("also", amount=5, at=later(-7, 60)), story.award("now", amount=9)]
    await enrolled(backends, "week", *decisions)
    await enrolled(backends, "busy", Story("busy").award("k", amount=400))
    for week, total, reached in (("2025-W50", 35, later(-7, 60)), ("2025-W51", 9, NOON), ("2025-W52", 0, None)):
        found = await backends.ledger.week(story.user_id, week)
        same(f"the sum of {week}", (found.xp, found.reached_at), (total, reached))
    decision = story.award("tuesday", amount=1, at=later(seconds=30))
    await backends.ledger.append(*committed(decision))
    undone = story.turn(row_of(decision), None, later(seconds=40))
    await backends.ledger.append(*committed(undone))
    found, row = await backends.ledger.week(story.user_id, "2025-W51"), row_of(undone)
    same("after a reversal", (found.xp, found.reached_at), (9, row.weekly_reached_at))


async def standings_are_every_users_sum_with_their_settings(backends: AsyncBackends) -> None:
    """``standings`` is what every user's rows of that week add up to, with their settings as they are now."""
    expected = {}
    for number, name in enumerate(("ann", "bob", "cleo")):
        story = Story(name)
        decisions = [story.award("old", at=later(-7)), story.award("a", amount=number + 1), story.award("b", amount=5)]
        profile = await enrolled(backends, name, *decisions)
        hidden = name == "bob"
        if hidden:
            await backends.gamification.swap(profile, _moved(profile))
        row = row_of(decisions[-1])
        expected[story.uid] = (number + 6, row.weekly_reached_at, row.seq, int(hidden), hidden)
    found = {each.uid: _said(each) for each in await backends.ledger.standings("2025-W51")}
    same("the standings", {uid: said for uid, said in found.items() if uid in expected}, expected)
    boards = {each.board.week for each in await backends.ledger.standings("2025-W51")}
    same("their board", boards, {"2025-W51"})
    same("a week without rows", list(await backends.ledger.standings("2024-W01")), [])


def _said(entry: BoardEntry) -> tuple[object, ...]:
    return entry.score, entry.reached_at, entry.seq, entry.settings_version, entry.hidden


# Calls that meet


async def of_many_enrolments_one_is_stored(backends: AsyncBackends, together: Together) -> None:
    """``enroll`` decides and stores in one step: all who meet get the same profile back."""
    profiles = [newcomer("crowd").evolve(timezone=zone) for zone in ("UTC", "Europe/Berlin", "Asia/Tokyo") * 3]
    found = await together([partial(backends.gamification.enroll, profile) for profile in profiles])
    stored = await _stored(backends, profiles[0].user_id)
    for each in found:
        same("what one of them got", each, stored)


async def of_many_rows_with_one_seq_one_is_appended(backends: AsyncBackends, together: Together) -> None:
    """The ``seq`` is unique in the store, not by looking first."""
    decisions = [Story("race_seq").award(f"k{number}") for number in range(8)]
    await enrolled(backends, "race_seq")
    found = await together([partial(backends.ledger.append, *committed(each)) for each in decisions])
    _one_of(found, Stale)
    [row] = await backends.ledger.rows(row_of(decisions[0]).user_id, 0, 9)
    same(
        "who won and what is stored",
        [each.row for each, back in zip(decisions, found, strict=True) if back is None],
        [row],
    )


async def of_many_rows_with_one_key_one_is_appended(backends: AsyncBackends, together: Together) -> None:
    """The key is unique in the store, not by looking first."""
    story = Story("race_key")
    decisions = []
    before = story.profile
    for seq in range(8):
        story.profile = before.evolve(seq=seq)
        decisions.append(story.award("one"))
    await enrolled(backends, "race_key")
    found = await together([partial(backends.ledger.append, *committed(each)) for each in decisions])
    won = [each.row for each, back in zip(decisions, found, strict=True) if back is None]
    if len(won) > 1:
        fails(f"{len(won)} rows with one key were appended")
    for back in found:
        if back is not None and not isinstance(back, Taken | Stale):
            fails(f"a loser got {back!r}, not Taken or Stale")
    same("what is stored", list(await backends.ledger.rows(story.user_id, 0, 9)), won)


async def of_many_swaps_one_is_made(backends: AsyncBackends, together: Together) -> None:
    """``swap`` compares and sets in one step."""
    old = await enrolled(backends, "race_swap")
    news = [old.evolve(timezone=f"Etc/GMT+{number}", settings_version=1) for number in range(1, 9)]
    found = await together([partial(backends.gamification.swap, old, new) for new in news])
    _one_of(found, Stale)
    won = [new.timezone for new, back in zip(news, found, strict=True) if back is None]
    same("who won and what is stored", won, [(await _stored(backends, old.user_id)).timezone])


async def of_many_swaps_the_one_that_is_made_tells(backends: AsyncBackends, together: Together) -> None:
    """Settings and events are one write, also where many meet."""
    old = await enrolled(backends, "race_told")
    news = [old.evolve(timezone=f"Etc/GMT+{number}", settings_version=1) for number in range(1, 9)]
    events = [occurrence(new.timezone) for new in news]
    calls = [partial(backends.gamification.swap, old, new, [told]) for new, told in zip(news, events, strict=True)]
    _one_of(await together(calls), Stale)
    told = [event.payload["name"] for event, _ in await _outbox(backends, old.user_id)]
    same("who won and what is told", told, [(await _stored(backends, old.user_id)).timezone])


async def of_many_projections_the_newest_stays(backends: AsyncBackends, together: Together) -> None:
    """``project`` compares and sets in one step, and beside a ``swap`` neither undoes the other."""
    story = Story("race_project")
    states = [row_of(story.award(f"k{number}", amount=1)).state or Folded() for number in range(8)]
    old = await enrolled(backends, "race_project")
    calls = [partial(backends.gamification.project, old.user_id, state) for state in (*states[::2], *states[1::2])]
    found = await together([*calls, partial(backends.gamification.swap, old, _moved(old))])
    same("what they returned", list(found), [None] * 9)
    stored = await _stored(backends, old.user_id)
    _same_fields("folded fields", _folded_of(stored), _folded_of(story.profile))
    _same_fields("settings", _settings_of(stored), _settings_of(_moved(old)))


def _one_of(found: Sequence[object], loser: type[Exception]) -> None:
    results = list(found)
    wins, losses = results.count(None), sum([isinstance(each, loser) for each in results])
    if (wins, losses) != (1, len(results) - 1):
        fails(f"of {len(results)} calls that met {wins} went through and {losses} got {loser.__name__}: {results!r}")


CHECKS: Final[tuple[Check, ...]] = (
    an_enrolled_profile_comes_back_whole,
    a_user_who_is_not_enrolled_has_no_profile,
    enrolling_again_gives_back_the_stored_profile,
    a_uid_that_is_in_use_gives_back_whose_it_is,
    a_user_id_that_is_in_use_gives_back_whose_it_is,
    a_projection_sets_every_folded_field,
    a_projection_leaves_settings_alone,
    an_older_projection_changes_nothing,
    a_projection_may_jump_over_rows,
    a_projection_of_the_same_row_changes_nothing,
    a_repair_writes_over_the_same_row,
    a_repair_never_takes_a_newer_row_back,
    a_projection_makes_no_profile,
    a_swap_sets_every_setting,
    a_swap_leaves_folded_fields_alone,
    a_stale_swap_changes_nothing,
    a_swap_of_nobody_is_stale,
    what_a_swap_tells_stays_on_the_profile_until_it_is_told,
    a_swap_may_tell_nothing_or_nobody,
    a_stale_swap_tells_nothing,
    a_projection_leaves_what_was_told_alone,
    profiles_that_hold_events_are_unfinished,
    a_profile_is_found_by_its_uid,
    users_come_in_ascending_order_page_by_page,
    the_number_of_users_is_about_right,
    an_appended_row_comes_back_whole,
    a_row_that_is_not_there_is_none,
    a_user_without_rows_has_empty_lists,
    a_used_key_is_taken,
    a_used_seq_is_stale,
    a_row_that_is_written_twice_is_refused,
    keys_and_seqs_are_each_users_own,
    events_stay_on_their_row_until_they_are_told,
    telling_again_does_nothing,
    whom_events_are_for_stays_with_them,
    rows_that_carry_events_are_unfinished,
    the_tail_begins_behind_a_seq,
    rows_come_oldest_first_page_by_page,
    history_comes_newest_first_page_by_page,
    the_newest_link_of_a_row_is_found,
    what_is_used_of_a_day_is_what_its_newest_row_says,
    a_week_adds_up_all_rows_that_are_booked_to_it,
    standings_are_every_users_sum_with_their_settings,
)

RACES: Final[tuple[Race, ...]] = (
    of_many_enrolments_one_is_stored,
    of_many_rows_with_one_seq_one_is_appended,
    of_many_rows_with_one_key_one_is_appended,
    of_many_swaps_one_is_made,
    of_many_swaps_the_one_that_is_made_tells,
    of_many_projections_the_newest_stays,
)
