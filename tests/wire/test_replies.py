"""Replies of a Redis server: whatever they hold and however they are cut, they are read as they were said."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.wire.replies import Replies


class Refused(Exception):
    """What the server refused, in its own words."""

    def __eq__(self, other: object) -> bool:
        return type(other) is Refused and self.args == other.args

    __hash__ = Exception.__hash__


Reply = tuple[bytes, Any]
"""How a reply is written, and what it is read as."""

LINE = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=20)


def bulk(text: bytes, kind: bytes = b"$") -> bytes:
    return b"%b%d\r\n%b\r\n" % (kind, len(text), text)


def listed(kind: bytes, size: int, items: list[Reply]) -> Reply:
    head = b"%b%d\r\n" % (kind, size)
    return head + b"".join([written for written, _ in items]), [read for _, read in items]


SIMPLE: st.SearchStrategy[Reply] = st.one_of(
    st.binary(max_size=40).map(lambda text: (bulk(text), text)),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: (b":%d\r\n" % number, number)),
    st.integers().map(lambda number: (b"(%d\r\n" % number, number)),
    st.floats(allow_nan=False).map(lambda number: (f",{number!r}\r\n".encode(), number)),
    LINE.map(lambda text: (f"+{text}\r\n".encode(), text.encode())),
    LINE.map(lambda text: (f"-ERR {text}\r\n".encode(), Refused(f"ERR {text}"))),
    st.binary(max_size=20).map(lambda text: (bulk(b"txt:" + text, b"="), text)),
    LINE.map(lambda text: (bulk(text.encode(), b"!"), Refused(text))),
    st.sampled_from([(b"$-1\r\n", None), (b"*-1\r\n", None), (b"_\r\n", None), (b"#t\r\n", True), (b"#f\r\n", False)]),
)


def lists(items: st.SearchStrategy[Reply]) -> st.SearchStrategy[Reply]:
    some = st.lists(items, max_size=4)
    return st.one_of(
        some.map(lambda found: listed(b"*", len(found), found)),
        some.map(lambda found: listed(b"~", len(found), found)),
        st.lists(st.tuples(items, items), max_size=3).map(
            lambda pairs: listed(b"%", len(pairs), [each for pair in pairs for each in pair])
        ),
    )


REPLIES = st.lists(st.recursive(SIMPLE, lists, max_leaves=12), min_size=1, max_size=6)


def read(replies: Replies, sent: bytes, cuts: list[int], number: int) -> list[Any]:
    """What is read of what comes in pieces; it is asked for after each of them."""
    places = sorted({0, len(sent), *[cut % (len(sent) + 1) for cut in cuts]})
    for begin, end in pairwise(places):
        assert replies.take(number) is None
        replies.feed(sent[begin:end])
    found = replies.take(number)
    assert found is not None
    return found


@given(said=REPLIES, cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_however_they_are_cut(said: list[Reply], cuts: list[int]) -> None:
    sent = b"".join([written for written, _ in said])
    assert read(Replies(Refused), sent, cuts, len(said)) == [value for _, value in said]


@given(said=REPLIES)
def test_a_byte_at_a_time(said: list[Reply]) -> None:
    sent = b"".join([written for written, _ in said])
    assert read(Replies(Refused), sent, list(range(len(sent))), len(said)) == [value for _, value in said]


def test_what_comes_behind_waits() -> None:
    replies = Replies(Refused)
    replies.feed(b"+OK\r\n:1\r\n*2\r\n+a\r")
    assert replies.take(1) == [b"OK"]
    assert replies.take(1) == [1]
    assert replies.take(1) is None
    replies.feed(b"\n+b\r\n")
    assert replies.take(1) == [[b"a", b"b"]]


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\n", b"$x\r\n", b":\r\n", b"*1.5\r\n", b"\r\n", b"?1\r\n"]
)
def test_what_is_no_reply_breaks_off(said: bytes) -> None:
    replies = Replies(Refused)
    replies.feed(said)
    with pytest.raises(ConnectionAbortedError, match="no reply of Redis"):
        replies.take(1)


@given(said=REPLIES, cuts=st.lists(st.integers(0, 10_000), max_size=12), at=st.integers(0, 5))
def test_what_nobody_asked_for_is_passed_over(said: list[Reply], cuts: list[int], at: int) -> None:
    """Between replies, as a server sends it."""
    written = [each for each, _ in said]
    sent = b"".join([*written[:at], b">2\r\n+invalidate\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", *written[at:]])
    assert read(Replies(Refused), sent + b"+end\r\n", cuts, len(said) + 1) == [*[value for _, value in said], b"end"]


class ForgetsWhereItWas(Replies):
    """A reader that begins a list anew when more comes."""

    def feed(self, data: bytes) -> None:
        super().feed(data)
        self._open = []


def test_a_reader_that_forgets_where_it_was_is_caught() -> None:
    with pytest.raises(AssertionError):
        assert read(ForgetsWhereItWas(Refused), b"*2\r\n+a\r\n+b\r\n", [6], 1) == [[b"a", b"b"]]
