"""Hypothesis strategies: every model valid by construction, time zones, and what people do over weeks in one of them.

>>> from hypothesis import given
>>> from tektree.models.gamification import XPTransaction
>>> @given(records(XPTransaction))
... def a_row_survives(row): ...

Raises `ConfigurationError` when it is imported without Hypothesis, which ``pip install "tektree[testing]"`` brings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo, available_timezones

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from tektree.errors import ConfigurationError, InvalidInput
from tektree.models.accounts import PasswordHash
from tektree.models.base import INT53, Frozen, StoredAs, Text, Value
from tektree.models.gamification import (
    AwardRequest,
    AwardResult,
    EntityRef,
    Explanation,
    GamificationProfile,
    Outcome,
    Reason,
    XPTransaction,
)
from tektree.models.leaderboards import Board, BoardEntry, Standing
from tektree.models.pages import Page
from tektree.rules.periods import zone
from tektree.testing.events import events, payloads

try:
    from hypothesis import strategies as st
    from hypothesis.strategies import DrawFn, SearchStrategy
except ImportError as error:
    raise ConfigurationError("tektree.testing", 'strategies need Hypothesis: pip install "tektree[testing]"') from error

__all__ = [
    "Deed",
    "History",
    "boards",
    "entries",
    "events",
    "histories",
    "ids",
    "instants",
    "pages",
    "payloads",
    "records",
    "requests",
    "results",
    "standings",
    "uids",
    "zones",
]

M = TypeVar("M", bound=Value)
T = TypeVar("T")

_CHARACTERS: Final = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_FIRST: Final = st.sampled_from("abcxyzÄé日𝄞09")
"""What a text that must show something begins with."""
_WORDS: Final = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
_NUMBERS: Final = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_JSON: Final = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(_CHARACTERS, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=6,
)

_ODD_ZONES: Final = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",  # half an hour of summer time
    "America/Santiago",  # midnights that do not exist
    "Asia/Beirut",
    "Africa/Cairo",
    "America/Havana",
    "Pacific/Apia",  # a date that does not exist
    "Pacific/Kiritimati",
    "Etc/GMT+12",
    "Antarctica/Troll",  # two hours of summer time
)


def ids() -> SearchStrategy[str]:
    """Ids: 24 lowercase hex digits."""
    return st.text("0123456789abcdef", min_size=24, max_size=24)


def uids() -> SearchStrategy[str]:
    """External names of users."""
    return st.from_regex(r"usr_[A-Za-z0-9_\-]{1,60}", fullmatch=True)


def zones() -> SearchStrategy[str]:
    """IANA time zones that the package accepts; those with odd calendars come often."""
    return st.sampled_from(_ODD_ZONES) | st.sampled_from(_all_zones())


@cache
def _all_zones() -> Sequence[str]:
    return [name for name in sorted(available_timezones()) if _is_zone(name)]


def _is_zone(name: str) -> bool:
    try:
        zone(name)
    except InvalidInput:
        return False
    return True


def instants(least: datetime | None = None, most: datetime | None = None) -> SearchStrategy[datetime]:
    """Moments in UTC, from 1970 on if nothing else is said."""
    start = (least or datetime(1970, 1, 1, tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None)
    end = (most or datetime(9999, 12, 30, tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None)
    return st.datetimes(start, end, timezones=st.just(UTC))


def records(model: type[M]) -> SearchStrategy[M]:
    """Sound values of ``model``, which is any class of `tektree.models` that is checked when it is made.

    Each field that may be left out is left out at times.
    """
    made: SearchStrategy[M] = _records(model)
    return made


@cache
def _records(model: type[Value]) -> SearchStrategy[Any]:
    hints = get_type_hints(model, include_extras=True)
    required: dict[str, SearchStrategy[Any]] = {}
    optional: dict[str, SearchStrategy[Any]] = {}
    for name, field in model.model_fields.items():
        values = zones() if name == "timezone" else _values(hints[name])
        if name == "timezone" and NoneType in get_args(hints[name]):
            values = st.none() | values
        (required if field.is_required() else optional)[name] = values
    return st.fixed_dictionaries(required, optional=optional).map(model.model_validate)


def _values(hint: Any) -> SearchStrategy[Any]:
    """What a field may hold, by its annotation."""
    if get_origin(hint) in {Union, UnionType}:
        return st.one_of([st.none() if option is NoneType else _values(option) for option in get_args(hint)])
    base, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    origin, parts = get_origin(base), get_args(base)
    if origin in {Union, UnionType}:
        return _values(base)
    if origin is Literal:
        return st.sampled_from(parts)
    if origin is tuple:
        limits = _limits(notes)
        least = next((limit.min_length for limit in limits if getattr(limit, "min_length", None)), 0)
        most = next((limit.max_length for limit in limits if getattr(limit, "max_length", None)), 3)
        return st.lists(_values(parts[0]), min_size=least, max_size=max(least, min(most, 3))).map(tuple)
    if origin is dict:
        return st.dictionaries(_WORDS, _JSON, max_size=3)
    if origin is Mapping:
        return st.dictionaries(_WORDS, _values(parts[1]), max_size=2).map(Frozen)
    return _plain(base, notes)


def _plain(base: Any, notes: list[Any]) -> SearchStrategy[Any]:
    limits = _limits(notes)
    if base is str:
        return _texts(notes, limits)
    if base is int:
        return st.integers(next((limit.ge for limit in limits if hasattr(limit, "ge")), -INT53), INT53)
    if base is Any:
        return _JSON
    known: dict[Any, SearchStrategy[Any]] = {bool: st.booleans(), datetime: instants(), float: _floats(limits)}
    if base in known:
        return known[base]
    if issubclass(base, SecretStr):
        return st.text(_CHARACTERS, max_size=60).map(PasswordHash)
    return st.sampled_from(list(base)) if issubclass(base, Enum) else _records(base)


def _limits(notes: list[Any]) -> list[Any]:
    """What the notes at an annotation say of sizes."""
    return [limit for note in notes for limit in (note.metadata if isinstance(note, FieldInfo) else [note])]


def _floats(limits: list[Any]) -> SearchStrategy[float]:
    least = next((limit.ge for limit in limits if hasattr(limit, "ge")), None)
    return st.floats(least, allow_nan=False, allow_infinity=False)


def _texts(notes: list[Any], limits: list[Any]) -> SearchStrategy[str]:
    if StoredAs.OBJECT_ID in notes:
        return ids()
    measure = next((note for note in notes if isinstance(note, Text)), None)
    if measure is not None:
        return _measured(measure, hex_too=StoredAs.OBJECT_ID_IF_HEX in notes)
    pattern = next((limit.pattern for limit in limits if getattr(limit, "pattern", None)), None)
    if pattern is not None:
        most = next((limit.max_length for limit in limits if getattr(limit, "max_length", None)), 64)
        found = st.from_regex(pattern.removeprefix("^").removesuffix("$"), fullmatch=True)
        return found.filter(lambda text: len(text) <= most)
    if any(getattr(limit, "max_length", None) == 10 for limit in limits):
        return st.dates().map(date.isoformat)
    return st.text(_CHARACTERS, max_size=12)


def _measured(measure: Text, hex_too: bool) -> SearchStrategy[str]:
    if not measure.least:
        return st.text(_CHARACTERS, max_size=min(measure.most, 12))
    rest = st.text(_CHARACTERS, min_size=measure.least - 1, max_size=min(measure.most, 12) - 1)
    shown = st.builds(lambda first, more: f"{first}{more}", _FIRST, rest)
    return ids() | shown if hex_too else shown


def requests() -> SearchStrategy[AwardRequest]:
    """What is asked of the rules of XP."""
    amounts, words = st.none() | st.integers(1, INT53), st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True)
    keys = _measured(Text(200, 1), hex_too=False)
    return st.builds(AwardRequest, ids(), words, keys, instants(), st.none() | records(EntityRef), amounts)


def boards() -> SearchStrategy[Board]:
    """The board of all time, and those of weeks."""
    return st.just(Board.GLOBAL) | st.dates(date(1970, 1, 5), date(9998, 12, 31)).map(Board.weekly)


def entries() -> SearchStrategy[BoardEntry]:
    """Entries of boards."""
    scores, counts = st.integers(-INT53, INT53), st.integers(0, INT53)
    return st.builds(BoardEntry, boards(), uids(), scores, st.none() | instants(), counts, counts, st.booleans())


def standings() -> SearchStrategy[Standing]:
    """Places on a board."""
    return st.builds(Standing, st.integers(1, INT53), uids(), st.integers(1, INT53))


def pages(items: SearchStrategy[T]) -> SearchStrategy[Page[T]]:
    """Pages of ``items``."""
    return st.builds(Page, st.lists(items, max_size=3).map(tuple), st.none() | _WORDS)


def results() -> SearchStrategy[AwardResult]:
    """What comes of an award: denied with a reason and without a row, or with a row."""
    profile, row = records(GamificationProfile), records(XPTransaction)
    said = records(Explanation).map(_said)
    denied = st.builds(
        AwardResult, st.just(Outcome.DENIED), profile, reason=st.sampled_from(list(Reason)), explain=said
    )
    written = st.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.DENIED])
    return denied | st.builds(AwardResult, written, profile, row, explain=said)


def _said(explanation: Explanation) -> Callable[[], Explanation]:
    return lambda: explanation


class Deed(NamedTuple):
    """One call of ``tek.gamification``: when it is made, which, and with what besides the user.

    ``of`` is the number of the deed whose row is meant, by ``reverse`` and ``restore``.
    """

    now: datetime
    call: str
    arguments: Mapping[str, Any]
    of: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What one user does, in the order in which it is done. ``now`` never goes back; facts may come late."""

    timezone: str
    deeds: tuple[Deed, ...]

    def play(self, tek: Any, clock: Any, uid: str = "usr_ada") -> list[Any]:
        """Does all of it on a ``TekTree`` that runs on ``clock``, a `ManualClock`, and gives the results in order.

        A deed that means the row of a deed that was denied gives None.
        """
        clock.set(self.deeds[0].now if self.deeds else clock.now)
        user_id = tek.gamification.enroll(uid, timezone=self.timezone).user_id
        results: list[Any] = []
        for deed in self.deeds:
            clock.set(deed.now)
            call = getattr(tek.gamification, deed.call)
            if deed.of is None:
                results.append(call(user_id, **deed.arguments))
                continue
            row = getattr(results[deed.of], "transaction", None)
            results.append(None if row is None else call(row.transaction_id, **deed.arguments))
        return results


_STEPS: Final = st.sampled_from(
    [
        timedelta(milliseconds=1),
        timedelta(seconds=61),
        timedelta(hours=5, minutes=59),
        timedelta(hours=22, minutes=30),
        timedelta(hours=23, minutes=59, seconds=59),
        timedelta(days=1),
        timedelta(days=1, hours=1),
        timedelta(days=2),
        timedelta(days=3),
        timedelta(days=7),
        timedelta(days=12),
    ]
)
_TURNS: Final = (
    datetime(2011, 12, 27, 9, tzinfo=UTC),  # before Apia's missing date
    datetime(2012, 2, 26, 22, tzinfo=UTC),
    datetime(2025, 3, 28, 23, tzinfo=UTC),  # before clocks go forward
    datetime(2025, 10, 24, 1, tzinfo=UTC),  # before they go back
    datetime(2026, 12, 30, 11, tzinfo=UTC),  # at the end of a year of 53 weeks
)
_AWARDS: Final = ("answer_posted", "question_asked", "question_downvoted", "answer_accepted")


@st.composite
def histories(draw: DrawFn, most: int = 25, moves: bool = True) -> History:
    """What a user may legally do over days and weeks, in any IANA zone: up to ``most`` deeds.

    Awards of several sources, some of them late and some near the cap, activity, granted freezes, reversals and
    restorings of rows that are there, and, if ``moves``, changes of zone.
    """
    timezone = draw(zones())
    now = draw(st.sampled_from(_TURNS) | instants(datetime(1995, 1, 1, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)))
    deeds: list[Deed] = []
    kinds = ["award", "award", "manual", "activity", "grant_freezes", "turn", *(["set_timezone"] if moves else [])]
    for number in range(draw(st.integers(0, most))):
        now += draw(_STEPS)
        if draw(st.booleans()):
            now = _near_midnight(now, timezone)
        kind = draw(st.sampled_from(kinds))
        late = draw(
            st.sampled_from([timedelta(0), timedelta(0), timedelta(hours=20), timedelta(days=3), timedelta(days=9)])
        )
        deeds.append(_deed(draw, kind, number, now, now - late, deeds))
    return History(timezone, tuple(deeds))


def _near_midnight(now: datetime, timezone: str) -> datetime:
    """The same moment or a later one, a second before or at the next local midnight."""
    local = now.astimezone(ZoneInfo(timezone))
    midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), local.tzinfo).astimezone(UTC)
    return max(now, midnight - timedelta(seconds=now.second % 2))


def _deed(draw: DrawFn, kind: str, number: int, now: datetime, at: datetime, before: Sequence[Deed]) -> Deed:
    rows = [at for at, deed in enumerate(before) if deed.call == "award"]
    if kind == "turn" and rows:
        call = draw(st.sampled_from(["reverse", "restore"]))
        return Deed(now, call, {"reason": "as it was decided"}, draw(st.sampled_from(rows)))
    if kind == "set_timezone":
        return Deed(now, kind, {"timezone": draw(zones())})
    if kind == "grant_freezes":
        return Deed(now, kind, {"n": draw(st.integers(1, 12)), "key": f"freezes-{number}"})
    if kind == "activity":
        return Deed(now, "record_activity", {"at": at})
    if kind == "manual":
        amount = draw(st.sampled_from([1, 7, 120, 499, 500, 501, 2**40]))
        return Deed(now, "award", {"source": "manual", "amount": amount, "key": f"key-{number}", "at": at})
    return Deed(now, "award", {"source": draw(st.sampled_from(_AWARDS)), "key": f"key-{number}", "at": at})
