"""When a session is over, and what a token says."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import InvalidSession
from tektree.models.sessions import Account, Marks, Rotated, Session
from tektree.policy import Policy
from tektree.rules import sessions
from tests.records import REDIS

NOW = datetime(2025, 12, 16, 14, 0, 0, 500_000, tzinfo=UTC)
ADA = Account("64b0c0ffee64b0c0ffee64b0", "usr_ada", "pro", "moderator", epoch=3)
IDLE = Policy(sessions={"idle": 3600})
MILLI = timedelta(milliseconds=1)


def opened(remember_me: bool = False, policy: Policy | None = None) -> Session:
    return sessions.opened(ADA, 7, remember_me, policy or Policy(), NOW)


@pytest.mark.parametrize(
    ("remember_me", "seconds"),
    [(False, REDIS["session"]["ttl_seconds"]), (True, REDIS["session"]["ttl_seconds_remember_me"])],
)
def test_lifetimes_are_the_data_models(remember_me: bool, seconds: int) -> None:
    found = opened(remember_me)
    assert found.expires_at - found.created_at == timedelta(seconds=seconds)
    assert (found.user_id, found.tier, found.role, found.id) == ("usr_ada", "pro", "moderator", ADA.id)
    assert (found.epoch, found.version, found.remembered, found.seen) == (3, 7, remember_me or None, None)


@given(st.lists(st.integers(-86_400_000, 86_400_000), max_size=30), st.booleans(), st.booleans())
def test_nothing_moves_the_end(pauses: list[int], remember_me: bool, idle: bool) -> None:
    """C8: whatever is done with it."""
    policy = IDLE if idle else Policy()
    found, now = opened(remember_me, policy), NOW
    ends = found.expires_at
    for pause in pauses:
        now += timedelta(milliseconds=pause)
        found = sessions.touched(found, now)
        found = sessions.refreshed(found, ADA, Marks(0, 8))
    assert found.expires_at == ends
    assert sessions.is_over(found, policy, ends)
    assert sessions.is_over(found, policy, ends + timedelta(days=1))


def test_it_ends_at_the_very_instant() -> None:
    found = opened()
    assert not sessions.is_over(found, Policy(), found.expires_at - MILLI)
    assert sessions.is_over(found, Policy(), found.expires_at)


def test_it_ends_by_rest_at_the_very_instant() -> None:
    """C7."""
    found = opened(policy=IDLE)
    assert not sessions.is_over(found, IDLE, NOW + timedelta(seconds=3600) - MILLI)
    assert sessions.is_over(found, IDLE, NOW + timedelta(seconds=3600))
    found = sessions.touched(found, NOW + timedelta(seconds=3000))
    assert not sessions.is_over(found, IDLE, NOW + timedelta(seconds=6600) - MILLI)
    assert sessions.is_over(found, IDLE, NOW + timedelta(seconds=6600))
    assert sessions.touched(found, NOW) == found  # a clock that goes back


def test_one_that_was_opened_before_rest_counted_rests_since_then() -> None:
    found = opened()
    assert not sessions.is_over(found, IDLE, found.created_at + timedelta(seconds=3600) - MILLI)
    assert sessions.is_over(found, IDLE, found.created_at + timedelta(seconds=3600))
    assert sessions.touched(found, NOW).seen == int(NOW.timestamp() * 1000)


def test_role_and_tier_are_read_anew() -> None:
    found = sessions.refreshed(opened(), ADA._replace(tier="free", role="user"), Marks(9, 8))
    assert (found.tier, found.role, found.version, found.epoch) == ("free", "user", 8, 3)


@pytest.mark.parametrize("account", [None, ADA._replace(enabled=False), ADA._replace(epoch=4)])
def test_who_may_not_have_one_has_it_no_more(account: Account | None) -> None:
    with pytest.raises(InvalidSession):
        sessions.refreshed(opened(), account, Marks())


def test_a_token_says_whose_it_is() -> None:
    secret = "aZ09_-" * 7 + "a"
    found = sessions.ticket(sessions.token("usr_ada-b_c", secret))
    assert found == ("usr_ada-b_c", sha256(secret.encode()).hexdigest())


@pytest.mark.parametrize(
    "wrong", [None, 5, b"x", "", ".", "usr_a." + "a" * 42, "usr_a." + "a" * 44, "usr_." + "a" * 43]
)
def test_what_is_no_token_says_nothing(wrong: Any) -> None:
    """C15."""
    with pytest.raises(InvalidSession):
        sessions.ticket(wrong)


@given(st.text(max_size=200))
def test_no_text_makes_it_stumble(text: str) -> None:
    with pytest.raises(InvalidSession):
        sessions.ticket(text)


def test_c4_a_token_is_late_when_the_grace_is_over() -> None:
    rotated = Rotated(NOW)
    for milliseconds, late in ((0, False), (9_999, False), (10_000, True)):
        assert sessions.is_late(rotated, Policy(), NOW + timedelta(milliseconds=milliseconds)) is late
    assert not sessions.is_late(rotated, Policy(), NOW - timedelta(days=1)), "a clock that goes back"
