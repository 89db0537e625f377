"""The names of Redis keys: the data model's for ordinary input, and never the same for two inputs."""

import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import InvalidInput
from tektree.models.leaderboards import Board
from tektree.wire import keys
from tests.records import REDIS

PARTS = st.text(st.sampled_from(":{}%/aZ0-_. é\ud800"), min_size=1, max_size=8) | st.text(min_size=1, max_size=30)


def test_the_samples_are_met_to_the_letter() -> None:
    assert keys.ratelimit("usr_abc123", "/api/v1/questions") in REDIS["ratelimit"]["sample"]
    assert keys.quota("usr_abc123", "questions", "2025-12") in REDIS["quota"]["sample"]
    assert keys.leaderboard(Board.weekly(date(2025, 12, 14))) == REDIS["leaderboard_weekly"]["sample"]
    assert keys.leaderboard(Board.GLOBAL) == REDIS["leaderboard_global"]["key"]
    assert keys.leaderboard(Board.weekly(date(2025, 12, 29))) == "leaderboard:weekly:2026-W01"


@pytest.mark.parametrize(
    ("made", "pattern"),
    [
        (keys.session("abc"), REDIS["session"]["key"]),
        (keys.ratelimit("abc", "abc"), REDIS["ratelimit"]["key"]),
        (keys.quota("abc", "abc", "abc"), REDIS["quota"]["key"]),
        (keys.cache_user("abc"), REDIS["cache_user"]["key"]),
        (keys.cache_question("abc"), REDIS["cache_question"]["key"]),
    ],
)
def test_keys_follow_the_data_models_patterns(made: str, pattern: str) -> None:
    assert made == re.sub(r"\{[a-z_]+\}", "abc", pattern)


@given(st.lists(st.tuples(PARTS, PARTS, PARTS), min_size=2, max_size=2, unique=True))
def test_no_two_inputs_share_a_key(inputs: list[tuple[str, str, str]]) -> None:
    (a, b, c), (d, e, f) = inputs
    assert keys.quota(a, b, c) != keys.quota(d, e, f)
    if (a, b) != (d, e):
        assert keys.ratelimit(a, b) != keys.ratelimit(d, e)
    if a != d:
        assert len({keys.session(a), keys.session(d), keys.cache_user(a), keys.cache_user(d)}) == 4


@given(PARTS, PARTS)
def test_a_part_stays_in_its_place_and_decides_no_slot(user: str, endpoint: str) -> None:
    key = keys.ratelimit(user, endpoint)
    assert key.count(":") == 2
    assert not set("{}") & set(key)
    assert key.isascii()
    assert key.isprintable()


def test_a_long_endpoint_is_its_digest() -> None:
    """I8, I9: 10 kB of an endpoint, or of braces, make no key of 10 kB, and no two of them one."""
    long = ["a" * 257, "a" * 10_000, "a" * 10_001, "{" * 86, "\x00" * 10_000, "\ud800" * 90]
    made = {keys.ratelimit("usr_a", endpoint) for endpoint in [*long, "a" * 256, "%~" + "a" * 64, "~"]}
    assert len(made) == 9
    assert max(map(len, made)) < 300
    assert keys.ratelimit("usr_a", "a" * 256).endswith(":" + "a" * 256)


def test_a_companion_shares_the_slot_of_its_key() -> None:
    assert keys.companion(keys.ratelimit("usr_a", "{x}"), "log") == "{ratelimit:usr_a:%7Bx%7D}:log"


@pytest.mark.parametrize("wrong", ["", None, 5, b"x", True])
def test_what_is_no_part_is_refused(wrong: Any) -> None:
    for make in (keys.session, keys.cache_user, keys.cache_question):
        with pytest.raises(InvalidInput):
            make(wrong)
        with pytest.raises(InvalidInput):
            make("x" * 513)
    with pytest.raises(InvalidInput, match="endpoint"):
        keys.ratelimit("usr_a", wrong)
    with pytest.raises(InvalidInput, match="period"):
        keys.quota("usr_a", "questions", wrong)
    with pytest.raises(InvalidInput, match="board"):
        keys.leaderboard(wrong)
