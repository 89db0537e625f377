"""Bad input is refused with a typed error that does not repeat it, quickly, and before anything is written.

For every public call of ``gamification`` and ``leaderboards``, every argument, and all that goes wrong in practice.
"""

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from tektree import (
    AsyncTekTree,
    Board,
    EntityRef,
    InvalidCursor,
    InvalidInput,
    InvalidTransition,
    NotFound,
    Policy,
    Principal,
    TekTree,
    TekTreeError,
)
from tektree._async.backends.memory.bundles import memory_backends as async_memory
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.models.areas import AreaDraft
from tektree.models.gamification import Outcome, Reason
from tektree.testing import ManualClock, SeededIds
from tektree.testing.explorer import digest
from tests.lanes import enter
from tests.protocol.worlds import ADA, PRINCIPAL, done, row_id

NOW = datetime(2025, 12, 16, 14, tzinfo=UTC)
MEGABYTES = 17 * 2**20
FAST = 0.05
"""Seconds that a refusal may take, whatever was passed."""

HUGE = {
    "17 MB": "a" * MEGABYTES,
    "17 MB of bytes": b"a" * MEGABYTES,
    "17 MB of accents": "é" * (MEGABYTES // 2),
    "an accent on accents": "a" + "\u0301\u0327" * 10_000,
    "a million numbers": [1] * 1_000_000,
    "a number of a million bits": 1 << 1_000_000,
}
STRANGE_TEXTS = {
    "NUL": "a\0b",
    "half a surrogate": "a\ud800",
    "the other half": "\udc00a",
}
NO_TEXTS = {
    "bytes": b"answer_posted",
    "a number": 5,
    "a list": ["answer_posted"],
    "an operator": {"$gt": ""},
    "a callable": lambda: "answer_posted",
    "not a number": float("nan"),
}
AMOUNTS = {
    "True": True,
    "a fraction": 1.5,
    "a float that is whole": 5.0,
    "a text": "5",
    "not a number": float("nan"),
    "infinity": float("inf"),
    "nothing": 0,
    "below nothing": -1,
    "too much": 2**53 + 1,
    "far too much": 10**30,
    "a decimal": Decimal("5"),
    "a ratio": Fraction(5),
    "a list": [5],
    "an operator": {"$inc": 5},
    "bytes": b"5",
}
IDS = {
    "None": None,
    "empty": "",
    "12 characters": "a" * 12,
    "12 bytes": b"a" * 12,
    "an operator": {"$gt": ""},
    "upper case": "A" * 24,
    "no hex": "g" * 24,
    "too long by one": "a" * 25,
    "a line behind": "a" * 24 + "\n",
    "other digits": "١" * 24,
    "full width": "ａ" * 24,
    "a number": 0xAAAA,
    "True": True,
    "a uid": "usr_ada",
    **STRANGE_TEXTS,
    **HUGE,
}
UIDS = {
    "None": None,
    "empty": "",
    "a prefix": "usr_",
    "no prefix": "ada",
    "a space": "usr_a da",
    "a colon": "usr_a:xp",
    "a line behind": "usr_ada\n",
    "61 characters": "usr_" + "a" * 61,
    "an accent": "usr_adá",
    **STRANGE_TEXTS,
    **NO_TEXTS,
    **HUGE,
}
NAMES = {
    "None": None,
    "empty": "",
    "upper case": "Answer_posted",
    "unknown": "no_such_source",
    "reserved": "reversal",
    "a dot": "answer.posted",
    "a dollar": "$where",
    "65 characters": "a" * 65,
    "a line behind": "manual\n",
    **STRANGE_TEXTS,
    **NO_TEXTS,
    **HUGE,
}
KEYS = {"empty": "", "kept for us": "~manual", "201 characters": "k" * 201, **STRANGE_TEXTS, **NO_TEXTS, **HUGE}
NOTES = {
    "None": None,
    "empty": "",
    "only spaces": " \t\n",
    "invisible": "\u200b\u200b",
    "501": "w" * 501,
    **STRANGE_TEXTS,
    **NO_TEXTS,
    **HUGE,
}
TIMES = {
    "no zone": datetime(2025, 12, 16),  # noqa: DTZ001 - that is the point
    "a number": 1_765_843_200,
    "a float": 1_765_843_200.5,
    "a text": "2025-12-16T14:00:00Z",
    "a date": date(2025, 12, 16),
    "True": True,
    "before 1970": datetime(1969, 12, 31, 23, 59, tzinfo=UTC),
    "year 1, far east": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
    "year 9999, far west": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-14))),
    "a list": [2025, 12, 16],
    **HUGE,
}
ZONES = {
    "None": None,
    "empty": "",
    "Mars": "Mars/Base",
    "a path": "../../etc/passwd",
    "an absolute path": "/etc/localtime",
    "this machine's": "localtime",
    "an offset": "+02:00",
    "a line behind": "Europe/Berlin\n",
    **STRANGE_TEXTS,
    **NO_TEXTS,
    **HUGE,
}
ROWS = {
    "None": None,
    "empty": "",
    "a prefix": "xp_txn_",
    "no prefix": "a" * 24,
    "a dollar": "xp_txn_$gt",
    "73": "xp_txn_" + "a" * 66,
    "a line behind": row_id("first") + "\n",
    "unknown": "xp_txn_" + "0" * 24,
    **STRANGE_TEXTS,
    **NO_TEXTS,
    **HUGE,
}
LIMITS = {
    "nothing": 0,
    "below nothing": -1,
    "a thousand millions": 10**9,
    "a text": "10",
    "True": True,
    "a float": 10.0,
    "None": None,
    "not a number": float("nan"),
    "a list": [10],
    **HUGE,
}
PRINCIPALS = {
    "None": None,
    "an id": ADA,
    "a map": {"id": ADA, "uid": "usr_ada"},
    "an id alone": SimpleNamespace(id=ADA),
    "a strange id": SimpleNamespace(id={"$gt": ""}, uid="usr_ada"),
    "no id": SimpleNamespace(id=None, uid="usr_ada"),
    "an endless id": SimpleNamespace(id="a" * MEGABYTES, uid="usr_ada"),
    "unknown": Principal(id="f" * 24, uid="usr_nobody"),
    **HUGE,
}
ENTITIES = {
    "a text": "answer:a1",
    "a pair": ("answer", "a1"),
    "a map": {"type": "answer", "id": "a1"},
    "a likeness": SimpleNamespace(type="answer", id="a1"),
    **HUGE,
}
BOARDS = {
    "None": None,
    "a text": "global",
    "a week": "2025-W51",
    "a date": date(2025, 12, 16),
    "a class": Board,
    "a likeness": SimpleNamespace(week=None),
    **HUGE,
}
FEATURED = {
    "None": None,
    "a text": "ach_first_steps",
    "not theirs": ["ach_level_10"],
    "twice": ["ach_first_steps", "ach_first_steps"],
    "eleven": ["ach_first_steps"] * 11,
    "numbers": [1],
    "nothing": [None],
    "operators": [{"$gt": ""}],
    "a number": 5,
    "a map": {"ach_first_steps": 1},
    "endless": ["a" * MEGABYTES],
    **HUGE,
}
PROGRESS = {"a number": 5, "a text": "tqdm", "a list": [print]}


def _no_history(cursor: str) -> Iterator[tuple[str, object]]:
    """What a cursor of a list may be made into."""
    for at, char in enumerate(cursor):
        yield f"char {at} flipped", cursor[:at] + ("0" if char != "0" else "1") + cursor[at + 1 :]
        yield f"char {at} left out", cursor[:at] + cursor[at + 1 :]
        yield f"cut at {at}", cursor[:at]
    for more in ("0", "\n", " ", "\0", "-", cursor):
        yield f"{len(more)} more", cursor + more
        yield f"{len(more)} more before", more + cursor
    yield "upper case", cursor.upper()


@dataclass(frozen=True)
class Case:
    """One call, one argument, one value that is wrong."""

    service: str
    call: str
    argument: str
    kind: str
    bad: object

    def __str__(self) -> str:
        return f"{self.service}.{self.call}({self.argument}: {self.kind})"


GOOD: dict[str, dict[str, dict[str, object]]] = {
    "gamification": {
        "enroll": {"uid": "usr_new", "user_id": "b" * 24, "timezone": "UTC"},
        "award": {"user_id": ADA, "source": "manual", "about": None, "amount": 5, "key": "new", "at": NOW},
        "record_activity": {"user_id": ADA, "at": NOW},
        "grant_freezes": {"user_id": ADA, "n": 3, "key": "new"},
        "reverse": {"transaction_id": row_id("first"), "reason": "a test", "key": "new"},
        "restore": {"transaction_id": row_id("second"), "reason": "a test", "key": "new"},
        "profile": {"user_id": ADA},
        "history": {"user_id": ADA, "after": None, "limit": 1},
        "users": {"after": None, "limit": 1},
        "explain": {"transaction_id": row_id("first")},
        "verify": {"user_id": ADA},
        "rebuild": {"user_id": ADA, "progress": None},
        "set_timezone": {"user_id": ADA, "timezone": "Asia/Tokyo"},
        "feature_achievements": {"principal": PRINCIPAL, "ids": ["ach_first_steps"]},
        "opt_out": {"principal": PRINCIPAL},
        "opt_in": {"principal": PRINCIPAL},
    },
    "leaderboards": {
        "top": {"board": Board.GLOBAL, "limit": 1},
        "rank": {"board": Board.GLOBAL, "uid": "usr_ada"},
        "around": {"board": Board.GLOBAL, "uid": "usr_ada", "span": 1},
        "rebuild": {"board": Board.GLOBAL, "progress": None},
    },
}

BAD: dict[str, dict[str, Any]] = {
    "user_id": {"unknown": "f" * 24, **IDS},
    "uid": UIDS,
    "timezone": ZONES,
    "source": NAMES,
    "about": ENTITIES,
    "amount": {"missing": None, **AMOUNTS, **HUGE},
    "key": KEYS,
    "at": TIMES,
    "n": {"None": None, "1,001": 1001, **AMOUNTS, **HUGE},
    "transaction_id": ROWS,
    "reason": NOTES,
    "limit": LIMITS,
    "span": {name: value for name, value in LIMITS.items() if value != 0 or value is False},
    "after": {"a number": 1, "True": True, "a map": {"$gt": ""}, "a word": "next", **STRANGE_TEXTS, **HUGE},
    "principal": PRINCIPALS,
    "ids": FEATURED,
    "board": BOARDS,
    "progress": PROGRESS,
}
"""By argument."""

FINE = {
    ("enroll", "user_id", "None"),  # one is derived
    ("enroll", "user_id", "unknown"),  # the host's own
    ("rebuild", "user_id", "None"),  # all of them
}
"""What an argument takes in one call that it does not take in others."""

REQUIRED_KEY = {"None": None}


def cases() -> list[Case]:
    found = []
    for service, calls in GOOD.items():
        for call, arguments in calls.items():
            for argument in arguments:
                bad = BAD[argument] | (REQUIRED_KEY if (call, argument) == ("grant_freezes", "key") else {})
                found += [
                    Case(service, call, argument, kind, value)
                    for kind, value in bad.items()
                    if (call, argument, kind) not in FINE
                ]
    return found


CASES = cases()
ARGUMENTS = sorted({(case.service, case.call, case.argument) for case in CASES})


def world(flavour: str) -> tuple[Any, Any]:
    """A user with two awards, one of them reversed, and the storage."""
    if flavour == "sync":
        store: Any = memory_backends()
        tek: Any = TekTree(store, clock=ManualClock(NOW), ids=SeededIds(0))
    else:
        store = async_memory()
        tek = AsyncTekTree(store, clock=ManualClock(NOW), ids=SeededIds(0))
    value(tek.gamification.enroll("usr_ada"))
    value(tek.gamification.enroll("usr_bob"))
    for key in ("first", "second"):
        value(tek.gamification.award(ADA, "manual", amount=10, key=key))
    value(tek.gamification.reverse(row_id("second"), "a test"))
    return tek, store


def value(found: Any) -> Any:
    return done(found) if inspect.isawaitable(found) else found


def contents(store: Any) -> object:
    return digest([store.gamification, store.ledger, store.leaderboards, store.events])


def refusal(call: Callable[[], Any]) -> Exception | None:
    try:
        call()
    except Exception as error:
        return error
    return None


def told(error: Exception, bad: object, usual: str = "") -> bool:
    """Whether an error gives away what was passed; ``usual`` is what it says to anybody."""
    if isinstance(bad, str | bytes) and len(bad) > 3:
        text = bad if isinstance(bad, str) else bad.decode()
        return any(part in str(error) and part not in usual for part in (text[:40], text[-40:]))
    return len(str(error)) > 1000


def faults(case: Case, tek: Any, store: Any, before: object) -> Iterator[str]:
    call, good = getattr(getattr(tek, case.service), case.call), GOOD[case.service][case.call]
    error = refusal(lambda: value(call(**{**good, case.argument: case.bad})))
    usual = str(refusal(lambda: value(call(**{**good, case.argument: object()}))))
    if not isinstance(error, InvalidInput | NotFound):
        yield f"{case}: {type(error).__name__}, not a refusal: {str(error)[:200]}"
    elif isinstance(error, InvalidInput) and told(error, case.bad, usual):
        yield f"{case}: the error repeats it: {str(error)[:200]}"
    elif len(str(error)) > 1000:
        yield f"{case}: an error of {len(str(error))} characters"
    if contents(store) != before:
        yield f"{case}: something was written"


@pytest.mark.parametrize("flavour", ["sync", "async"])
@pytest.mark.parametrize(("service", "call", "argument"), ARGUMENTS, ids=[".".join(each) for each in ARGUMENTS])
def test_what_is_wrong_is_refused(flavour: str, service: str, call: str, argument: str) -> None:
    enter("memory")
    tek, store = world(flavour)
    before = contents(store)
    mine = [case for case in CASES if (case.service, case.call, case.argument) == (service, call, argument)]
    assert len(mine) > 2
    assert [said for case in mine for said in faults(case, tek, store, before)] == []


@pytest.mark.parametrize(("service", "call", "argument"), ARGUMENTS, ids=[".".join(each) for each in ARGUMENTS])
def test_what_is_huge_is_refused_at_once(service: str, call: str, argument: str) -> None:
    """The best of three, so that what else the machine does is left out."""
    enter("memory")
    tek, _ = world("sync")
    made = getattr(getattr(tek, service), call)
    slow = []
    for kind, bad in {
        name: bad for name, bad in BAD[argument].items() if name in {*HUGE, "endless", "an endless id"}
    }.items():
        arguments = {**GOOD[service][call], argument: bad}
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            refusal(lambda arguments=arguments: made(**arguments))  # type: ignore[misc]
            seconds.append(time.perf_counter() - start)
        if min(seconds) > FAST:
            slow.append(f"{kind}: {min(seconds) * 1000:.0f} ms")
    assert slow == []


@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_the_good_arguments_are_good(flavour: str) -> None:
    """Or every refusal above would prove nothing."""
    for service, calls in GOOD.items():
        for call, arguments in calls.items():
            tek, _ = world(flavour)
            found = value(getattr(getattr(tek, service), call)(**arguments))
            assert found is not None, call
            assert getattr(found, "outcome", Outcome.GRANTED) is Outcome.GRANTED, call


FED = {"follow"}
"""What consumers call, with events that they have read."""


def test_every_public_call_and_argument_is_in_the_tables() -> None:
    for service, calls in GOOD.items():
        tek: Any = TekTree.in_memory()
        kind = type(getattr(tek, service))
        public = {
            name for name, member in vars(kind).items() if inspect.isfunction(member) and not name.startswith("_")
        }
        assert public - FED == set(calls)
        for call, arguments in calls.items():
            parameters = list(inspect.signature(getattr(kind, call)).parameters)[1:]
            assert parameters == list(arguments), call


def test_a_field_that_is_not_there_is_a_typed_error_of_drafts_and_a_type_error_of_calls() -> None:
    tek: Any = TekTree.in_memory()
    with pytest.raises(InvalidInput, match="colour: is not a field here"):
        AreaDraft(title="Areas", colour="red")
    with pytest.raises(TypeError):
        tek.gamification.award(ADA, "manual", amount=1, colour="red")


@pytest.mark.parametrize("kind", [kind for kind in NAMES if kind not in {"unknown", "reserved"}])
def test_an_entity_of_no_kind_cannot_be_made(kind: str) -> None:
    bad: Any = NAMES[kind]
    error = refusal(lambda: EntityRef(bad, "a1"))
    assert isinstance(error, InvalidInput)
    assert not told(error, bad)


ENTITY_IDS = {"None": None, "empty": "", "129 characters": "a" * 129, **STRANGE_TEXTS, **NO_TEXTS, **HUGE}


@pytest.mark.parametrize("kind", ENTITY_IDS)
def test_an_entity_without_a_sound_id_cannot_be_made(kind: str) -> None:
    bad: Any = ENTITY_IDS[kind]
    error = refusal(lambda: EntityRef("answer", bad))
    assert isinstance(error, InvalidInput)
    assert not told(error, bad)


@pytest.mark.parametrize("kind", IDS)
def test_a_principal_without_a_sound_id_cannot_be_made(kind: str) -> None:
    bad: Any = IDS[kind]
    error = refusal(lambda: Principal(id=bad, uid="usr_ada"))
    assert isinstance(error, InvalidInput)
    assert not told(error, bad)


@pytest.mark.parametrize(
    "bad",
    ["2025-W54", "2025-W00", "2025-w51", "٢٠٢٥-W51", "2025-W511", b"2025-W51", 202551, {}, HUGE["17 MB"]],
    ids=lambda bad: str(bad)[:20],
)
def test_a_week_that_is_none_makes_no_board(bad: Any) -> None:
    error = refusal(lambda: Board(bad))
    assert isinstance(error, InvalidInput)
    assert not told(error, bad)


# Cursors


def test_a_cursor_that_was_changed_is_refused() -> None:
    enter("memory")
    tek, store = world("sync")
    cursor = tek.gamification.history(ADA, limit=1).next
    assert tek.gamification.history(ADA, after=cursor, limit=1).items
    before = contents(store)
    for kind, bad in _no_history(cursor):
        error = refusal(lambda bad=bad: tek.gamification.history(ADA, after=bad))  # type: ignore[misc]
        if bad == cursor:
            continue
        assert isinstance(error, InvalidCursor), kind
        assert not told(error, bad), kind
    assert contents(store) == before


def test_a_cursor_of_somebody_elses_list_is_refused() -> None:
    enter("memory")
    tek, _ = world("sync")
    cursor = tek.gamification.history(ADA, limit=1).next
    bob = tek.gamification.enroll("usr_bob").user_id
    with pytest.raises(InvalidCursor):
        tek.gamification.history(bob, after=cursor)
    with pytest.raises(InvalidInput):
        tek.gamification.users(after=cursor)


# What rules refuse


def test_a_total_beyond_what_numbers_hold_is_refused() -> None:
    """F12, F13: 2**53 once is fine where there is no cap; once more is not, and nothing is written."""
    enter("memory")
    store = memory_backends()
    tek = TekTree(store, Policy(xp={"daily_cap": "unlimited"}), ManualClock(NOW))
    user = tek.gamification.enroll("usr_ada").user_id
    assert tek.gamification.award(user, "manual", amount=2**53, key="all").amount == 2**53
    before = contents(store)
    with pytest.raises(InvalidInput, match="past 2"):
        tek.gamification.award(user, "manual", amount=1, key="more")
    assert contents(store) == before


def test_an_amount_is_not_the_callers_to_name_where_xp_is_taken() -> None:
    enter("memory")
    tek, store = world("sync")
    before = contents(store)
    with pytest.raises(InvalidInput, match="not the caller's"):
        tek.gamification.award(ADA, "answer_downvoted", amount=5, key="new")
    assert contents(store) == before


def test_what_has_not_happened_yet_is_denied_and_not_written() -> None:
    enter("memory")
    tek, store = world("sync")
    before = contents(store)
    result = tek.gamification.award(ADA, "manual", amount=5, key="new", at=NOW + timedelta(milliseconds=1))
    assert (result.outcome, result.reason) == (Outcome.DENIED, Reason.FUTURE_EVENT)
    assert contents(store) == before


def test_a_reversal_cannot_be_reversed() -> None:
    enter("memory")
    tek, store = world("sync")
    reversal = tek.gamification.history(ADA).items[0]
    assert reversal.reverses
    before = contents(store)
    with pytest.raises(InvalidTransition):
        tek.gamification.reverse(reversal.transaction_id, "again")
    assert contents(store) == before
    assert issubclass(InvalidTransition, TekTreeError)
