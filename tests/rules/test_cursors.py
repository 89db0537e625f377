"""Page cursors: accepted as they were made, for the list that they were made for, and in no other form."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import InvalidCursor
from tektree.models.pages import Slice
from tektree.rules.cursors import cursor, page, place, position

positions = st.integers(1, 10**16 - 1)
ties = st.just("") | st.text("0123456789abcdef", min_size=24, max_size=24)
scopes = st.lists(st.text(max_size=5), max_size=3)


@given(positions, ties, scopes)
def test_a_cursor_comes_back(at: int, tie: str, scope: list[str]) -> None:
    assert position(cursor(at, *scope, tie=tie), *scope) == (at, tie)
    assert len(cursor(at, *scope, tie=tie)) <= 66


@given(positions, ties, scopes, scopes)
def test_a_cursor_fits_one_list(at: int, tie: str, scope: list[str], other: list[str]) -> None:
    """A cursor fits the one list it came from: same user, same filters."""
    if scope != other:
        with pytest.raises(InvalidCursor):
            position(cursor(at, *scope, tie=tie), *other)


@given(positions, ties, st.integers(0, 65), st.characters())
def test_a_flipped_character_is_noticed(at: int, tie: str, place: int, char: str) -> None:
    text = cursor(at, "history", "u", tie=tie)
    place %= len(text)
    changed = text[:place] + char + text[place + 1 :]
    if changed != text:
        with pytest.raises(InvalidCursor) as caught:
            position(changed, "history", "u")
        assert caught.value.field == "after"
        assert changed not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        5,
        True,
        b"1-" + b"0" * 24,
        "",
        "x" * 10**7,
        "0-" + "0" * 24,
        "1-" + "0" * 24,
        "1-" + "0" * 24 + "\n",
        "٣-" + "0" * 24,
        ["1"],
        {"$gt": ""},
    ],
)
def test_anything_else_is_no_cursor(wrong: Any) -> None:
    with pytest.raises(InvalidCursor):
        position(wrong, "history", "u")


def test_moving_along_is_not_allowed() -> None:
    """A cursor of another position is another cursor: its digest holds the position too."""
    text = cursor(5, "history", "u")
    with pytest.raises(InvalidCursor):
        position("6" + text[1:], "history", "u")
    text = cursor(5, "history", "u", tie="a" * 24)
    with pytest.raises(InvalidCursor):
        position(text.replace("aaaa", "aaab", 1), "history", "u")
    with pytest.raises(InvalidCursor):
        position(text.replace("." + "a" * 24, ""), "history", "u")
    assert position(cursor(6, "history", "u"), "history", "u") == (6, "")


@given(st.integers(-1, 10**15), st.text("0123456789abcdef", min_size=24, max_size=24), scopes)
def test_a_page_says_where_the_next_one_begins(at: int, id: str, scope: list[str]) -> None:
    following = page(Slice(("x",), (at, id)), *scope)
    assert following.items == ("x",)
    assert place(following.next, *scope) == (at, id)
    assert page(Slice(("x",)), *scope).next is None
    assert place(None, *scope) is None


def test_a_position_without_a_tie_is_behind_all_its_equals() -> None:
    assert place(cursor(8, "list"), "list") == (6, "f" * 24)


def test_a_page_is_read_like_a_list() -> None:
    found = page(Slice(("x", "y")), "list")
    assert [*found] == ["x", "y"]
    assert len(found) == 2
