"""What callers pass: every refusal names the argument, and none repeats the value."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import InvalidInput
from tektree.models.accounts import Principal
from tektree.models.base import INT53
from tektree.models.gamification import EntityRef
from tektree.models.leaderboards import Board
from tektree.rules import inputs
from tests.rules.ledgers import NOON

HUGE = "secret" * 3_000_000
ID = "a" * 24


class Text(str):
    """A text that could say one thing and be another."""


class Five(IntEnum):
    FIVE = 5


ANYTHING: tuple[Any, ...] = (
    True,
    1.5,
    float("nan"),
    float("inf"),
    b"secret",
    object(),
    ["secret"],
    {"$ne": "secret"},
    ("secret",),
    Five.FIVE,
    Text("secret"),
    HUGE,
    10**400,
    NOON,
)
TEXTS: tuple[Any, ...] = ("", "secret\0", "secret\ud800", "x" * 501, *ANYTHING[:-1], 5)

REFUSED: dict[str, tuple[Callable[[Any], object], str, tuple[Any, ...]]] = {
    "whole": (lambda value: inputs.whole(value, "n", 1, 10), "n", (0, 11, -1, None, "5", *ANYTHING)),
    "amount": (inputs.amount, "amount", (0, -1, INT53 + 1, "5", *ANYTHING)),
    "name": (
        lambda value: inputs.name(value, "source"),
        "source",
        ("Secret", "1secret", "_secret", "secret-x", "sécret", "secret\n", "s" * 65, None, *TEXTS),
    ),
    "text": (lambda value: inputs.text(value, "title", 1, 500), "title", (None, *TEXTS)),
    "key": (inputs.key, "key", ("~secret", "s" * 201, *TEXTS)),
    "required_key": (inputs.required_key, "key", (None, "~secret", *TEXTS)),
    "note": (inputs.note, "reason", (None, " ", "\u200b\n\t", *TEXTS)),
    "at": (
        lambda value: inputs.at(value, NOON),
        "at",
        (
            datetime(2025, 1, 1),  # noqa: DTZ001
            date(2025, 1, 1),
            "2025-12-16T12:00:00Z",
            1_765_886_400,
            datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
            datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))),
            *ANYTHING[:-1],
        ),
    ),
    "entity": (
        inputs.entity,
        "about",
        ("answer:secret", ("answer", "secret"), SimpleNamespace(type="a", id="b"), *ANYTHING),
    ),
    "transaction_id": (
        inputs.transaction_id,
        "transaction_id",
        (None, "xp_txn_", "xp_txn_" + "s" * 65, "xp_txn_secret!", "secret", "xp_txn_secret\n", *TEXTS),
    ),
    "principal": (inputs.principal, "principal", (None, ID, SimpleNamespace(id=ID), *ANYTHING)),
    "principal.id": (
        inputs.principal,
        "principal.id",
        tuple([SimpleNamespace(uid="usr_a", id=id) for id in (None, "secret", 5, "A" * 24, HUGE)]),
    ),
    "board": (inputs.board, "board", (None, "global", "weekly:secret", *ANYTHING)),
}


@pytest.mark.parametrize(
    ("check", "field", "value"),
    [
        pytest.param(check, field, value, id=f"{name}-{at}")
        for name, (check, field, values) in REFUSED.items()
        for at, value in enumerate(values)
    ],
)
def test_refusals_name_the_argument_and_never_the_value(check: Callable[[Any], object], field: str, value: Any) -> None:
    """`award()` takes integers `1 … 2^53`; `True`, `1.5`, `"5"`, `NaN`, negatives and larger are typed errors before
    anything is written. Its message says what to do; the input is never part of it."""
    with pytest.raises(InvalidInput) as caught:
        check(value)
    assert caught.value.field == field
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value)
    assert len(str(caught.value)) < 200
    assert caught.value.__cause__ is None


class Echo(InvalidInput):
    """An error that repeats the value, for the control below."""

    def __init__(self, value: object) -> None:
        super().__init__("n", f"must be a number, not {value!r}")


def test_the_check_catches_an_echo() -> None:
    def echoes(value: object) -> None:
        raise Echo(value)

    with pytest.raises(AssertionError):
        test_refusals_name_the_argument_and_never_the_value(echoes, "n", "secret")


@given(st.integers())
def test_whole_numbers(value: int) -> None:
    if 1 <= value <= 10:
        assert inputs.whole(value, "n", 1, 10) == value
    else:
        with pytest.raises(InvalidInput, match=r"^n: must be a whole number from 1 to 10$"):
            inputs.whole(value, "n", 1, 10)


def test_what_is_taken() -> None:
    """Positive controls of the table above."""
    assert inputs.amount(None) is None
    assert inputs.amount(INT53) == INT53
    assert inputs.name("answer_posted", "source") == "answer_posted"
    assert inputs.name("a" * 64, "source") == "a" * 64
    assert inputs.key(None) is None
    assert inputs.key("k" * 200) == inputs.required_key("k" * 200) == "k" * 200
    assert inputs.key("a~") == "a~"
    assert inputs.note("spam 🧹") == "spam 🧹"
    assert inputs.entity(None) is None
    about = EntityRef("answer", "a1")
    assert inputs.entity(about) is about
    assert inputs.transaction_id("xp_txn_abc-_9") == "xp_txn_abc-_9"
    assert inputs.principal(Principal(id=ID, uid="usr_a")) == ID
    assert inputs.principal(SimpleNamespace(id=ID, uid="usr_a")) == ID
    assert inputs.board(Board.GLOBAL) is Board.GLOBAL


def test_instants_are_utc_and_whole_milliseconds() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    given_at = datetime(2025, 12, 16, 17, 30, 0, 123_999, tzinfo=east)
    assert inputs.at(given_at, NOON) == NOON.replace(microsecond=123_000)
    assert inputs.at(None, NOON) is NOON
    assert inputs.at(datetime(1970, 1, 1, tzinfo=UTC), NOON).year == 1970
