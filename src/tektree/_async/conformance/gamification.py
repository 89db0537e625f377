"""What profiles promise, check by check."""

from functools import partial
from typing import Final

from tektree._async.conformance.samples import (
    Check,
    Race,
    Story,
    Together,
    enrolled,
    fails,
    later,
    newcomer,
    occurrence,
    one_of,
    refused,
    row_of,
    same,
)
from tektree._async.ports.bundles import AsyncBackends
from tektree.errors import Stale
from tektree.models.events import Event, Recipients
from tektree.models.gamification import Folded, GamificationProfile

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


# Calls that meet


async def of_many_enrolments_one_is_stored(backends: AsyncBackends, together: Together) -> None:
    """``enroll`` decides and stores in one step: all who meet get the same profile back."""
    profiles = [newcomer("crowd").evolve(timezone=zone) for zone in ("UTC", "Europe/Berlin", "Asia/Tokyo") * 3]
    found = await together([partial(backends.gamification.enroll, profile) for profile in profiles])
    stored = await _stored(backends, profiles[0].user_id)
    for each in found:
        same("what one of them got", each, stored)


async def of_many_swaps_one_is_made(backends: AsyncBackends, together: Together) -> None:
    """``swap`` compares and sets in one step."""
    old = await enrolled(backends, "race_swap")
    news = [old.evolve(timezone=f"Etc/GMT+{number}", settings_version=1) for number in range(1, 9)]
    found = await together([partial(backends.gamification.swap, old, new) for new in news])
    one_of(found, Stale)
    won = [new.timezone for new, back in zip(news, found, strict=True) if back is None]
    same("who won and what is stored", won, [(await _stored(backends, old.user_id)).timezone])


async def of_many_swaps_the_one_that_is_made_tells(backends: AsyncBackends, together: Together) -> None:
    """Settings and events are one write, also where many meet."""
    old = await enrolled(backends, "race_told")
    news = [old.evolve(timezone=f"Etc/GMT+{number}", settings_version=1) for number in range(1, 9)]
    events = [occurrence(new.timezone) for new in news]
    calls = [partial(backends.gamification.swap, old, new, [told]) for new, told in zip(news, events, strict=True)]
    one_of(await together(calls), Stale)
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
)

RACES: Final[tuple[Race, ...]] = (
    of_many_enrolments_one_is_stored,
    of_many_swaps_one_is_made,
    of_many_swaps_the_one_that_is_made_tells,
    of_many_projections_the_newest_stays,
)
