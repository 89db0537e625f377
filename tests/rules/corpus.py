"""Texts that break rules about text: for every string rule about people."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from tektree.errors import InvalidInput

HOSTILE: tuple[str, ...] = (
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "user\ud83d@example.com",
    "\u200b",
    "a\u200bb",
    "\u202eadmin",
    "\u2066x\u2069",
    "\ufeffuser",
    "\u00ad",
    "\U000e0001\U000e0041",
    "\u2028line",
    "a\r\nb",
    "\x1b[31mred",
    "\u212aevin",
    "\u017fam",
    "\ufb01sh",
    "ＵＳＥＲ",
    "ＵＳＥＲ@example.com",
    "раураl",
    "ß",
    "İstanbul",
    "m\u0131ke@example.org",
    "e\u0301" * 50,
    "a" + "\u0301\u0327" * 10_000,
    "a" + "\u0301\u0327" * 120,
    "\ufdfa" * 250,
    "\U0001d160" * 90,
    "\u0f73\u0f75\u0f81" * 80,
    "q\u0307\u0323" * 80,
    "中" * 250,
    "x" * 1_000_000,
    "@" * 1_000,
    "a@" + "b." * 120 + "co",
    "a@" + "xn--" * 60 + ".com",
    "user@xn--zzzzzzzzzzzz.com",
    "Name <u@x.co>",
    " u@x.co ",
    "a@x.co,b@y.co",
    '"a b"@example.com',
    "u@[127.0.0.1]",
    "u@localhost",
    "abc\n",
    "a٣b",
    "²²²",
    "..",
    ".",
    "$set",
    "a.b",
    "_id",
    "javascript:alert(1)",
    "//evil.example",
    "\tjava\nscript:x",
    "https://user@host/",
    "https://[::1",
    "https://host:99999/",
    "https://host:0/",
    "https://",
    "https:\\\\evil.example",
    "%00",
    "*",
    "../x",
)
"""Surrogates, NUL, what does not show, what turns the writing, what only looks like something, what grows when it is
normalised, what is long, and what means something to somebody else."""


def judged(rule: Callable[[Any], Any], value: Any) -> Any:
    """What ``rule`` makes of ``value``, or the `InvalidInput` that it raises. Any other error is one."""
    try:
        return rule(value)
    except InvalidInput as error:
        return error


def refused(rule: Callable[..., object], *arguments: Any) -> InvalidInput:
    """The `InvalidInput` that a rule raises, which is short and shows no cause."""
    with pytest.raises(InvalidInput) as caught:
        rule(*arguments)
    assert caught.value.__cause__ is None
    assert len(str(caught.value)) < 250
    return caught.value


def texts(most: int = 300) -> st.SearchStrategy[str]:
    """Any text at all, halves of surrogate pairs included, and pieces of the hostile ones with others around."""
    anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=most)
    pieces = st.sampled_from([text for text in HOSTILE if len(text) <= most])
    ordinary = st.text("abcXYZ019_@.-+ é", max_size=40)
    return st.one_of(anything, pieces, ordinary, st.tuples(ordinary, pieces, ordinary).map("".join))
