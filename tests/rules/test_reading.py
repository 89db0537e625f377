"""Reading times: by words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.rules.reading import minutes, words


@given(st.text(), st.text())
def test_more_text_never_takes_less(text: str, more: str) -> None:
    assert words(text) <= words(text + more) <= words(text) + words(more)
    assert minutes(text, 200) <= minutes(text + more, 200)


@given(st.lists(st.text("abcé1", min_size=1), max_size=50), st.sampled_from([" ", "\n", "\n\n- ", "  \t"]))
def test_words_are_counted(each: list[str], between: str) -> None:
    assert words(between.join(each)) == len(each)


@given(st.text(max_size=500), st.integers(1, 10_000))
def test_any_word_takes_a_minute(text: str, per_minute: int) -> None:
    found = minutes(text, per_minute)
    assert (found > 0) is (words(text) > 0)
    assert (found - 1) * per_minute < max(words(text), 1) <= max(found, 1) * per_minute


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("# - > ***", 0),
        ("Don't panic", 2),
        ("well-known a/b", 2),
        ("नमस्ते दुनिया", 2),
        ("你好世界", 2),
        ("你好世", 2),
        ("Go 语言", 2),
        ("안녕하세요 세계", 2),
    ],
)
def test_texts(text: str, expected: int) -> None:
    assert words(text) == expected


def test_minutes_are_rounded_up() -> None:
    assert [minutes("word " * count, 200) for count in (0, 1, 200, 201, 2_000)] == [0, 1, 1, 2, 10]
