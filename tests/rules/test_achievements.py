"""Achievements, §5: against a naive oracle, and each sentence by example."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import ConfigurationError, InvalidInput
from tektree.models.base import Frozen
from tektree.models.gamification import Counter, Folded, Streak, Unlock
from tektree.policy import Achievement, Policy
from tektree.rules import achievements
from tests.rules.ledgers import DAY, HOUR, NOON, STEPS, Ledger, enrolled, play

POSTS = Achievement(
    id="ach_posts", name="Posts", metric="count", source="answer_posted", tiers=(1, 3, 10), xp=(5, 0, 7)
)


def state(xp: int = 0, level: int = 1, current: int = 0, longest: int = 0, posts: int = 0, **fields: Any) -> Folded:
    counters = {"answer_posted": Counter(count=posts, day="2025-12-16", last_at=NOON)} if posts else {}
    return Folded(
        total_xp=xp,
        current_level=level,
        streak=Streak(current=current, longest=longest),
        counters=Frozen(counters),
        **fields,
    )


@pytest.mark.parametrize(
    ("definition", "reached"),
    [
        (Achievement(id="ach_a", name="A", metric="total_xp"), 50),
        (Achievement(id="ach_a", name="A", metric="level"), 4),
        (Achievement(id="ach_a", name="A", metric="streak"), 2),
        (Achievement(id="ach_a", name="A", metric="longest_streak"), 9),
        (POSTS, 3),
        (Achievement(id="ach_a", name="A", metric="count", source="insight_liked"), 0),
        (Achievement(id="ach_a", name="A", metric=lambda state: state.total_xp // 7), 7),
    ],
)
def test_what_is_measured(definition: Achievement, reached: int) -> None:
    """A catalog of definitions in the policy: condition over the profile and counters, optional tiers, secret or not,
    an XP reward or none."""
    assert achievements.progress(definition, state(50, 4, 2, 9, 3)) == reached


def test_a_total_below_zero_measures_as_zero() -> None:
    """Levels, boards and everything shown use `max(0, total)`."""
    assert achievements.progress(Achievement(id="ach_a", name="A", metric="total_xp"), state(-5)) == 0


@pytest.mark.parametrize("wrong", [True, 1.0, None, "1"])
def test_a_metric_of_the_host_gives_whole_numbers(wrong: Any) -> None:
    definition = Achievement(id="ach_own", name="Own", metric=lambda state: wrong)
    with pytest.raises(ConfigurationError) as caught:
        achievements.progress(definition, state())
    assert caught.value.field == "achievements.ach_own.metric"


def test_tiers() -> None:
    """All tiers crossed are granted, once each per user."""
    assert achievements.tier_ids(POSTS) == ("ach_posts:1", "ach_posts:2", "ach_posts:3")
    assert achievements.tier_ids(Achievement(id="ach_a", name="A", metric="level")) == ("ach_a",)
    assert list(achievements.holds([POSTS], state(posts=3))) == ["ach_posts:1", "ach_posts:2"]
    found = achievements.changes([POSTS], state(), state(posts=4))
    assert found == achievements.Changes(gained=("ach_posts:1", "ach_posts:2"))
    found = achievements.changes([POSTS], state(posts=4), state(posts=10, achievements=("ach_posts:1", "ach_posts:2")))
    assert found.gained == ("ach_posts:3",)
    assert [achievements.xp_of([POSTS], f"ach_posts:{at}") for at in (1, 2, 3)] == [5, 0, 7]
    assert achievements.xp_of([POSTS], "ach_other") == 0
    assert achievements.xp_of([Achievement(id="ach_a", name="A", metric="level")], "ach_a") == 0


def test_what_a_tier_asks_for() -> None:
    own = Achievement(id="ach_own", name="Own", metric=lambda state: 1)
    assert achievements.criteria([own, POSTS], "ach_posts:2") == {
        "metric": "count",
        "source": "answer_posted",
        "at_least": 3,
    }
    assert achievements.criteria([own, POSTS], "ach_own")["metric"] == "custom"
    assert achievements.criteria([own, POSTS], "ach_gone") == {}
    assert achievements.reached([own, POSTS], "ach_own", state()) == 1
    assert achievements.reached([own, POSTS], "ach_gone", state()) == 0


def naive(definitions: Sequence[Achievement], have: tuple[str, ...], after: Folded) -> tuple[set[str], set[str]]:
    """What is gained and lost, tier by tier, from the law alone."""
    gained, lost = set(), set()
    for definition in definitions:
        for at, tier in enumerate(definition.tiers, start=1):
            id = f"{definition.id}:{at}" if len(definition.tiers) > 1 else definition.id
            true = achievements.progress(definition, after) >= tier
            if true and id not in have:
                gained.add(id)
            if not true and id in have and definition.revoke == "while_true":
                lost.add(id)
    return gained, lost


tiers = st.sets(st.integers(1, 12), min_size=1, max_size=3).map(lambda found: tuple(sorted(found)))
keep = st.sampled_from(["keep", "while_true"])
catalogs = st.lists(
    st.one_of(
        st.builds(
            lambda metric, tiers, revoke: {"metric": metric, "tiers": tiers, "revoke": revoke},
            st.sampled_from(["total_xp", "level", "streak", "longest_streak"]),
            tiers,
            keep,
        ),
        st.builds(
            lambda tiers, revoke: {"metric": "count", "source": "answer_posted", "tiers": tiers, "revoke": revoke},
            tiers,
            keep,
        ),
        st.builds(
            lambda tiers, revoke: {"metric": lambda state: state.total_xp % 13, "tiers": tiers, "revoke": revoke},
            tiers,
            keep,
        ),
    ),
    max_size=4,
).map(lambda found: tuple([Achievement(id=f"ach_{at}", name="A", **each) for at, each in enumerate(found)]))
states = st.builds(
    state, st.integers(-5, 15), st.integers(1, 12), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12)
)


@given(catalogs, states, states, st.data())
def test_changes_are_what_the_conditions_say(
    definitions: tuple[Achievement, ...], before: Folded, after: Folded, data: st.DataObject
) -> None:
    """All tiers crossed are granted, once each per user. Revocation policy per achievement: `keep` (default) or
    `while_true`."""
    ids = [id for definition in definitions for id in achievements.tier_ids(definition)]
    have = tuple(data.draw(st.lists(st.sampled_from(ids), unique=True))) if ids else ()
    after = after.evolve(achievements=have)
    found = achievements.changes(definitions, before, after)
    assert (set(found.gained), set(found.lost)) == naive(definitions, have, after)
    assert len(set(found.gained)) == len(found.gained)


def test_the_check_catches_marks_that_are_granted_again() -> None:
    """Positive control: a rule that forgets what the user has."""
    have = ("ach_posts:1",)
    forgetful = achievements.changes([POSTS], state(), state(posts=4))
    assert set(forgetful.gained) != naive([POSTS], have, state(posts=4))[0]
    assert set(achievements.changes([POSTS], state(), state(posts=4, achievements=have)).gained) == {"ach_posts:2"}


@given(STEPS)
def test_each_once_per_user(steps: list[tuple[str, int, int, int]]) -> None:
    """All tiers crossed are granted, once each per user."""
    catalog = [
        {"id": "ach_xp", "name": "XP", "metric": "total_xp", "tiers": [10, 40, 90], "xp": [1, 2, 3]},
        {"id": "ach_now", "name": "Now", "metric": "total_xp", "tiers": [20], "revoke": "while_true", "xp": [4]},
    ]
    ledger = Ledger(Policy(achievements=catalog))
    play(ledger, steps)
    gained = [each.id for row in ledger.rows for each in row.unlocked]
    paid = [row.related_entity_id for row in ledger.rows if row.pays and row.source == "achievement_unlocked"]
    assert len(set(paid)) == len(paid)
    kept = [id for id in gained if id.startswith("ach_xp")]
    assert len(set(kept)) == len(kept)
    assert len({each.id for each in ledger.profile.unlocked}) == len(ledger.profile.unlocked)
    assert set(kept) == {id for id in ledger.profile.achievements if id.startswith("ach_xp")}


def test_keep_and_while_true() -> None:
    """Revocation policy per achievement: `keep` (default) or `while_true`."""
    assert Achievement(id="ach_a", name="A", metric="level").revoke == "keep"
    catalog = [
        {"id": "ach_kept", "name": "Kept", "metric": "total_xp", "tiers": [10], "xp": [1]},
        {"id": "ach_now", "name": "Now", "metric": "total_xp", "tiers": [10], "revoke": "while_true", "xp": [2]},
    ]
    ledger = Ledger(Policy(achievements=catalog))
    row = ledger.gives("manual", NOON, amount=20)
    assert ledger.profile.achievements == ("ach_kept", "ach_now")
    ledger.reverse(row, NOON)
    assert ledger.profile.achievements == ("ach_kept",)
    assert ledger.rows[-1].lost == ("ach_now",)
    ledger.restore(row, NOON + HOUR)
    assert ledger.profile.achievements == ("ach_kept", "ach_now")
    assert ledger.profile.total_xp == 23, "the XP of a mark is owed once per user"
    assert [each.at for each in ledger.profile.unlocked] == [NOON, NOON]
    types = [event.event_type for event in ledger.events if event.event_type.startswith("achievement")]
    assert types == ["achievement.unlocked"] * 2 + ["achievement.revoked", "achievement.unlocked"]


def test_a_definition_that_is_added_later() -> None:
    """Adding a definition later backfills from the ledger, silently, dated when the condition became true."""
    ledger = Ledger(Policy(achievements=()))
    for day in range(4):
        ledger.gives("answer_posted", NOON + day * DAY, about=str(day))
    said = len(ledger.events)
    ledger.policy = Policy(achievements=[POSTS.model_dump() | {"metric": "count"}])
    ledger.gives("manual", NOON + 9 * DAY, amount=1)
    assert ledger.profile.achievements == ("ach_posts:1", "ach_posts:2")
    assert ledger.profile.unlocked == (Unlock(id="ach_posts:1", at=NOON), Unlock(id="ach_posts:2", at=NOON + 2 * DAY))
    types = [event.event_type for event in ledger.events[said:]]
    assert types == ["xp.awarded", "xp.daily_reset", "xp.awarded"]  # the mark's XP is told, the mark is not
    for day in range(10, 17):
        ledger.gives("answer_posted", NOON + day * DAY, about=str(day))
    assert ledger.profile.unlocked[-1] == Unlock(id="ach_posts:3", at=NOON + 15 * DAY)
    assert any(event.payload.get("achievement_id") == "ach_posts:3" for event in ledger.events)


def test_when_conditions_came_true() -> None:
    """Dated when the condition became true: the first row after which it held."""
    ledger = Ledger()
    for hour in range(3):
        ledger.gives("answer_posted", NOON + hour * HOUR, about=str(hour))
    ids = ["ach_posts:1", "ach_posts:2", "ach_posts:3"]
    rows = [*ledger.rows, ledger.rows[0].evolve(state=None)]
    assert achievements.since([POSTS], ids, rows) == {"ach_posts:1": NOON, "ach_posts:2": NOON + 2 * HOUR}
    assert achievements.since([POSTS], ids[:1], rows) == {"ach_posts:1": NOON}
    assert achievements.since([POSTS], [], rows) == {}
    assert achievements.since([POSTS], ids, []) == {}


def test_marks_of_a_late_fact_are_dated_by_it() -> None:
    ledger = Ledger()
    at = NOON - timedelta(days=3)
    ledger.gives("answer_posted", NOON, about="a", at=at)
    assert ledger.profile.unlocked == (Unlock(id="ach_first_steps", at=at),)


HAS = ("ach_a", "ach_b", *[f"ach_c:{at}" for at in range(1, 12)])


def test_featured_are_had() -> None:
    """`featured ⊆ achievements` is enforced when featuring."""
    assert achievements.featured(["ach_b", "ach_a"], HAS) == ("ach_b", "ach_a")
    assert achievements.featured((), HAS) == ()
    assert achievements.featured(HAS[:10], HAS) == HAS[:10]


@pytest.mark.parametrize(
    "wrong",
    [
        "ach_a",
        None,
        5,
        {"ach_a"},
        ["ach_x"],
        ["ach_a", "ach_a"],
        [1],
        [None],
        list(HAS),
        [["ach_a"]],
        b"ach_a",
        {"ach_a": 1},
    ],
)
def test_what_cannot_be_featured(wrong: Any) -> None:
    """`featured ⊆ achievements` is enforced when featuring."""
    with pytest.raises(InvalidInput) as caught:
        achievements.featured(wrong, HAS)
    assert caught.value.field == "ids"
    assert "ach_" not in str(caught.value)


def test_stored_documents_that_break_it_are_read() -> None:
    """(stored documents that break it are read, not rejected: the data model's own example does)."""
    assert enrolled().evolve(featured_achievements=("ach_x",)).achievements == ()
