"""What the checks work with: users whose ledgers grow by the real rules, and how a difference is told.

Everything here is a value or a pure function. Ids are derived from names, so the same check writes the same things.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn, ParamSpec

from pydantic import BaseModel

from tektree._async.ports.bundles import AsyncBackends
from tektree.errors import TekTreeError
from tektree.ids import derived_id, event_id, user_id_of
from tektree.models.base import Frozen
from tektree.models.events import Delivery, Event
from tektree.models.gamification import AwardRequest, GamificationProfile, XPTransaction
from tektree.models.leaderboards import Board, BoardEntry, Standing
from tektree.policy import Policy
from tektree.rules import xp

__all__ = [
    "NOON",
    "NOW",
    "POLICY",
    "Check",
    "Race",
    "Story",
    "Together",
    "committed",
    "delivery",
    "enrolled",
    "entry",
    "event",
    "fails",
    "later",
    "newcomer",
    "occurrence",
    "one_of",
    "places",
    "refused",
    "row_of",
    "same",
]

P = ParamSpec("P")

Check = Callable[[AsyncBackends], Awaitable[None]]
"""One promise of a port: returns when it is kept by these storages, which must be empty; else ``AssertionError``."""

Together = Callable[[Sequence[Callable[[], Awaitable[object]]]], Awaitable[Sequence[object]]]
"""Makes calls at the same time. Gives what each returned or raised, in their order."""

Race = Callable[[AsyncBackends, Together], Awaitable[None]]
"""As `Check`, of calls that meet."""

POLICY: Final = Policy()
NOON: Final = datetime(2025, 12, 16, 12, tzinfo=UTC)
"""A Tuesday, in 2025-W51."""
NOW: Final = NOON + timedelta(days=1)
_DAY: Final = timedelta(days=1)


def later(days: float = 0, seconds: float = 0) -> datetime:
    """So long after `NOON`."""
    return NOON + timedelta(days=days, seconds=seconds)


def newcomer(name: str) -> GamificationProfile:
    """The profile of somebody who has nothing yet."""
    uid = f"usr_{name}"
    user_id = user_id_of(uid)
    return GamificationProfile(
        id=derived_id("profile", user_id), user_id=user_id, uid=uid, updated_at=NOON - _DAY, xp_to_next_level=200
    )


class Story:
    """A user whose ledger grows row by row. ``profile`` is the state after the newest."""

    def __init__(self, name: str, profile: GamificationProfile | None = None) -> None:
        self.profile = newcomer(name) if profile is None else profile

    @property
    def user_id(self) -> str:
        """Whose ledger it is."""
        return self.profile.user_id

    @property
    def uid(self) -> str:
        """The user's external name."""
        return self.profile.uid or ""

    def award(self, key: str, amount: int = 10, at: datetime = NOON, source: str = "manual") -> xp.Decision:
        """The decision of one more award; the story goes on from it."""
        request = AwardRequest(
            user_id=self.user_id, source=source, key=key, at=at, amount=amount if source == "manual" else None
        )
        return self._told(xp.award(self.profile, request, POLICY, max(NOW, at)))

    def turn(self, row: XPTransaction, linked: XPTransaction | None, at: datetime) -> xp.Decision:
        """The reversal of ``row``; or, if ``linked`` is one, its restoring."""
        day, week = row.day == self.profile.day, row.week == self.profile.week
        newest = linked or row
        standing = xp.Standing(
            row,
            linked,
            0 if day else newest.daily_total,
            0 if week else newest.weekly_xp,
            None if week else newest.weekly_reached_at,
        )
        request = xp.LinkRequest(standing, "a check", xp.link_key(standing))
        return self._told((xp.restore if standing.reversed else xp.reverse)(self.profile, request, POLICY, at))

    def _told(self, decision: xp.Decision) -> xp.Decision:
        self.profile = decision.profile
        return decision


async def enrolled(backends: AsyncBackends, name: str, *decisions: xp.Decision) -> GamificationProfile:
    """The stored profile of a newcomer; ``decisions`` are appended to the ledger."""
    profile = await backends.gamification.enroll(newcomer(name))
    for decision in decisions:
        await backends.ledger.append(*committed(decision))
    return profile


def committed(decision: xp.Decision) -> tuple[XPTransaction, Sequence[Event]]:
    """What a decision appends."""
    assert decision.row is not None, "a check asked the rules for a row and was denied; that is the check's fault"
    return decision.row, decision.events


def row_of(decision: xp.Decision) -> XPTransaction:
    """The row of a decision."""
    return committed(decision)[0]


def event(stream: str, seq: int, name: str = "", **payload: object) -> Event:
    """Event number ``seq`` of ``stream``."""
    id = event_id(stream, "xp.awarded", name or str(seq))
    return Event(
        id=id[4:],
        event_id=id,
        event_type="xp.awarded",
        timestamp=later(seconds=seq),
        source_service="conformance",
        metadata=Frozen(stream=stream, seq=seq, recorded_at=later(seconds=seq).isoformat()),
        payload=Frozen(user_id="usr_conformance", **payload),
    )


def occurrence(
    name: str,
    at: datetime = NOON,
    recorded: datetime = NOON,
    uid: str | None = "usr_conformance",
    type: str = "shop.opened",
    correlation: str = "",
    stream: str | None = None,
    cause: str | None = None,
    **payload: object,
) -> Event:
    """An event that has no number yet; ``payload["name"]`` is its name."""
    id = event_id("conformance", type, name)
    metadata = {"recorded_at": recorded.isoformat(), "stream": stream, "causation_id": cause}
    said = {"name": name, "user_id": uid, **payload}
    return Event(
        id=id[4:],
        event_id=id,
        event_type=type,
        timestamp=at,
        correlation_id=correlation,
        source_service="conformance",
        metadata=Frozen({key: value for key, value in metadata.items() if value is not None}),
        payload=Frozen({key: value for key, value in said.items() if value is not None}),
    )


def delivery(handler: str, name: str, line: str = "", seq: int = 0, due: datetime = NOON, **more: Any) -> Delivery:
    """A delivery of the event of that name; without a ``line`` it stands in one of its own."""
    id = event_id("conformance", "shop.opened", name)
    made = Delivery(
        id=derived_id("delivery", handler, id),
        handler=handler,
        line=line or id,
        seq=seq,
        event_id=id,
        event_type="shop.opened",
        due=due,
        until=NOON,
    )
    return made.evolve(**more) if more else made


def entry(uid: str, score: int, seq: int = 1, board: Board = Board.GLOBAL, at: float = 0, **more: Any) -> BoardEntry:
    """An entry whose score was reached ``at`` so many seconds after `NOON`."""
    return BoardEntry(board, uid, score, later(seconds=at), seq)._replace(**more)


def places(found: Sequence[Standing]) -> list[tuple[int, str, int]]:
    """Standings as plain tuples of rank, uid and score."""
    return [(each.rank, each.uid, each.score) for each in found]


def fails(message: str) -> NoReturn:
    """Raises the ``AssertionError`` that says which promise is broken; ``python -O`` does not silence it."""
    raise AssertionError(message)


def same(what: str, found: object, expected: object) -> None:
    """Raises ``AssertionError`` unless both are equal. Of records it names the fields that differ."""
    if found != expected:
        fails(f"{what}: {_difference(found, expected)}")


def _difference(found: object, expected: object) -> str:
    if isinstance(found, BaseModel) and isinstance(expected, BaseModel):
        ours, theirs = dict(expected), dict(found)
        parted = [name for name in ours if ours[name] != theirs.get(name)]
        if parted:
            return "; ".join([f"{name} is {theirs.get(name)!r}, not {ours[name]!r}" for name in parted])
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        if len(found) != len(expected):
            return f"{len(found)} came, not {len(expected)}: {found!r}"
        at = next((at for at, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1]), None)
        if at is not None:
            return f"number {at + 1}: {_difference(found[at], expected[at])}"
    return f"found {found!r}, expected {expected!r}"


async def refused(
    what: str,
    errors: type[TekTreeError] | tuple[type[TekTreeError], ...],
    call: Callable[P, Awaitable[object]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> TekTreeError:
    """The error that ``call`` raises, which must be one of ``errors``."""
    try:
        await call(*args, **kwargs)
    except errors as error:
        return error
    except Exception as error:
        raise AssertionError(f"{what}: raised {type(error).__name__}, not {errors!r}") from error
    fails(f"{what}: went through; it must raise {errors!r}")


def one_of(found: Sequence[object], loser: type[Exception]) -> None:
    """Of calls that met one must have gone through, and all others have raised ``loser``."""
    results = list(found)
    wins, losses = results.count(None), sum([isinstance(each, loser) for each in results])
    if (wins, losses) != (1, len(results) - 1):
        fails(f"of {len(results)} calls that met {wins} went through and {losses} got {loser.__name__}: {results!r}")
