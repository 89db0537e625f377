"""The index of words finds, whatever was put in and taken out, what one finds who looks at everything."""

import sys
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree._sync.backends.memory import documents
from tektree._sync.backends.memory.documents import Words
from tektree.models.pages import Position
from tektree.models.words import words
from tests.lanes import enter

TEXTS = st.lists(st.sampled_from(["a", "ab", "abc", "b", "ba", "é", "éb", "😀", "A.b", "-"]), max_size=4).map(" ".join)
POSITIONS = st.tuples(st.integers(0, 3), st.sampled_from("xyz"))
SOUGHT = st.lists(st.sampled_from(["a", "ab", "b", "é", "c", "😀", "ba", "éb"]), min_size=1, max_size=3)


class Scanned:
    """The same by a look at everything."""

    def __init__(self) -> None:
        self.said: dict[Position, list[str]] = {}

    def find(self, beginnings: list[str], before: Position | None) -> Iterator[Position]:
        for position in sorted(self.said, reverse=True):
            said = self.said[position]
            if (before is None or position < before) and all(
                any(word.startswith(start) for word in said) for start in beginnings
            ):
                yield position


@given(st.lists(st.tuples(POSITIONS, st.lists(TEXTS, max_size=2))), st.lists(st.tuples(SOUGHT, st.none() | POSITIONS)))
def test_the_index_is_the_scan(
    changes: list[tuple[Position, list[str]]], asked: list[tuple[list[str], Position]]
) -> None:
    enter("memory")
    index, scanned = Words(), Scanned()
    for position, texts in changes:
        index.take(position)
        scanned.said.pop(position, None)
        if texts:
            index.put(position, texts)
            scanned.said[position] = [word for text in texts for word in words(text)]
        for sought, before in asked:
            for few in (0, 64):  # one after the other where much is said; side by side
                with patch.object(documents, "_FEW", few):
                    assert list(index.find(sought, before)) == list(scanned.find(sought, before))
    for position in list(scanned.said):
        index.take(position)
    assert not any((index._lists, index._alphabet, index._said, index._every)), "nothing is kept of what is gone"


def test_a_page_is_found_without_a_look_at_the_rest() -> None:
    """However many have a word, who asks for one page looks at one page."""
    enter("memory")
    index = Words()
    for at in range(2_000):
        index.put((at, "x"), [f"common word{at % 7} n{at}"])
    looked: list[Position] = []

    class Counting(dict[Position, list[str]]):
        def __getitem__(self, position: Position) -> list[str]:
            looked.append(position)
            return super().__getitem__(position)

    index._said = Counting(index._said)
    found = index.find(["common", "wor"], None)
    assert [next(found)[0] for _ in range(20)] == list(range(1_999, 1_979, -1))
    assert len(looked) <= 20
    looked.clear()
    assert list(index.find(["common", "n1999"], None)) == [(1_999, "x")]
    assert list(index.find(["common", "nothing"], None)) == []
    assert len(looked) == 1


@pytest.mark.parametrize("more", [1, 20])
def test_what_it_holds_follows_the_content(more: int) -> None:
    """A word is kept once however often it is said, and a place once for each of its words."""
    enter("memory")
    index = Words()
    for at in range(100 * more):
        index.put((at, "x"), [f"Word{at % 50} and again Word{at % 50} AND"] * 2)
    assert len(index._alphabet) == 52
    assert sum(map(len, index._lists.values())) == sum(map(len, index._said.values())) == 300 * more
    kept = {id(word) for said in index._said.values() for word in said}
    assert kept == {id(word) for word in index._alphabet}
    assert sys.getsizeof(index._said[(0, "x")]) <= 56 + 8 * 8
