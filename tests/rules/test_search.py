"""Searches: words, each taken for itself. Row F7."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import InvalidInput
from tektree.models.words import BREAK, words
from tektree.rules.search import terms


@given(st.text(max_size=200))
def test_words_fall_apart_where_a_server_says_so(text: str) -> None:
    """The server's expression finds a word's beginning exactly where the index in memory has a word."""
    found = words(text)
    assert all(word and not re.search(BREAK, word) for word in found)
    for word in found[:3]:
        assert re.search(f"(?:^|{BREAK}){re.escape(word)}", text.lower(), re.IGNORECASE)


@given(
    st.lists(st.text("aé1", min_size=1, max_size=5), min_size=1, max_size=10), st.sampled_from([" ", "-", ".*", "\t("])
)
def test_nothing_is_an_operator(each: list[str], between: str) -> None:
    assert list(terms(between.join(each))) == list(dict.fromkeys(each))


@pytest.mark.parametrize(
    "text", ["", "  ", "-*-", "a" * 201, " ".join([str(at) for at in range(11)]), None, {"$gt": ""}, "a\0"]
)
def test_what_has_no_words_or_too_many_is_refused(text: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        terms(text)
    assert caught.value.field == "text"
