"""What one award costs in memory, beside less and beside others: medians of one run, all taken in turns.

Run it: ``python tools/bench/awards.py``. A hundred users earn XP on one day, one after the other, as time goes on.

- *tektree*: ``gamification.award``: validated, exactly once, capped, with level, streak, achievements, both boards,
  the event and the snapshot on the ledger row.
- *dict and pydantic*: the least that could be called an award: a validated row in a list, a sum in a dictionary.
- *eventsourcing, bare*: an event with two fields; ``Application.save``.
- *eventsourcing, a ledger row*: an event with the fields that the data model's ledger row and ours have in common,
  and the arithmetic of the cap and of the week; ``Application.save``.
- *eventsourcing, a command*: the same as its applications do it, and as ours does: the state comes from the repository
  (which keeps it in its cache, so no event is read again), and goes back with ``Application.save``.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from measuring import Work, arguments, medians, optional, show
from pydantic import BaseModel, ConfigDict

from tektree import EntityRef, Policy, TekTree
from tektree.policy import XP

USERS = 100
MILLISECOND = timedelta(milliseconds=1)
CAP = 1_000_000_000
"""No award of a long run is stopped by it, but all of them ask for it."""


class Clock:
    """Time goes on by a millisecond with each look."""

    def __init__(self) -> None:
        self.at = datetime(2025, 12, 16, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Now."""
        self.at += MILLISECOND
        return self.at


def ours() -> Work:
    """``gamification.award``."""
    tek = TekTree.in_memory(policy=Policy(xp=XP(daily_cap=CAP)), clock=Clock())
    users = [tek.gamification.enroll(uid=f"usr_{at}").user_id for at in range(USERS)]
    about, numbers, award = EntityRef("answer", "676000000000000000000007"), count(), tek.gamification.award

    def work() -> object:
        at = next(numbers)
        return award(users[at % USERS], "answer_posted", about, key=str(at))

    return work


class Row(BaseModel):
    """A ledger row of the least kind."""

    model_config = ConfigDict(frozen=True, strict=True)

    transaction_id: str
    user_id: str
    amount: int
    source: str
    related_entity_type: str
    related_entity_id: str
    daily_total: int
    daily_cap: int
    timestamp: datetime


def bare() -> Work:
    """A dictionary of sums, and a list of rows."""
    clock, numbers = Clock(), count()
    totals: dict[str, int] = {}
    daily: dict[tuple[str, str], int] = {}
    ledger: list[Row] = []
    users = [f"{at:024x}" for at in range(USERS)]

    def work() -> object:
        at, number = clock(), next(numbers)
        user, day = users[number % USERS], at.date().isoformat()
        used = daily.get((user, day), 0)
        amount = min(5, CAP - used)
        row = Row(
            transaction_id=f"xp_txn_{number}",
            user_id=user,
            amount=amount,
            source="answer_posted",
            related_entity_type="answer",
            related_entity_id="676000000000000000000007",
            daily_total=used + amount,
            daily_cap=CAP,
            timestamp=at,
        )
        ledger.append(row)
        daily[user, day] = used + amount
        totals[user] = totals.get(user, 0) + amount
        return row

    return work


Move = Callable[[Any, int, datetime], None]
"""Awards an aggregate: with which number, at what time."""


def eventsourced(kind: Callable[[Any], tuple[Any, Move]], name: str, cached: bool = False) -> Work | None:
    """``Application.save`` of an aggregate that is moved on by one event of that ``kind``."""
    application, domain = optional("eventsourcing.application"), optional("eventsourcing.domain")
    if application is None or domain is None:
        return None
    clock, numbers = Clock(), count()
    app = application.Application(env={"AGGREGATE_CACHE_MAXSIZE": str(USERS)} if cached else {})
    account, move = _account(domain, kind, name)
    accounts = [account() for _ in range(USERS)]
    app.save(*accounts)
    ids = [each.id for each in accounts]

    def save() -> object:
        number = next(numbers)
        each = accounts[number % USERS]
        move(each, number, clock())
        return app.save(each)

    def command() -> object:
        number = next(numbers)
        each = app.repository.get(ids[number % USERS])
        move(each, number, clock())
        return app.save(each)

    return command if cached else save


def _account(domain: Any, kind: Callable[[Any], tuple[Any, Move]], name: str) -> tuple[Any, Move]:
    """The class of aggregates, and what moves one of them on."""
    event, move = kind(domain.event)

    class Account(domain.Aggregate):  # type: ignore[misc] # what is not installed has no type
        __qualname__ = name  # it is registered by that

        def __init__(self) -> None:
            self.total_xp, self.used, self.day, self.seq = 0, 0, "", 0

        awarded = event

    return Account, move


def two_fields(event: Any) -> tuple[Any, Move]:
    """An event that says how much, and for what."""

    def awarded(self: Any, amount: int, source: str) -> None:
        self.total_xp += amount

    def move(account: Any, number: int, at: datetime) -> None:
        account.awarded(amount=5, source="answer_posted")

    return event("Awarded")(awarded), move


def ledger_row(event: Any) -> tuple[Any, Move]:
    """An event that says what a ledger row says."""

    def awarded(
        self: Any,
        transaction_id: str,
        user_id: str,
        amount: int,
        source: str,
        related_entity_type: str,
        related_entity_id: str,
        daily_total: int,
        daily_cap: int,
        timestamp: datetime,
        key: str,
        requested: int,
        day: str,
        week: str,
        seq: int,
    ) -> None:
        self.total_xp += amount
        self.used, self.day, self.seq = daily_total, day, seq

    def move(account: Any, number: int, at: datetime) -> None:
        day = at.date().isoformat()
        year, week, _ = at.isocalendar()
        used = account.used if account.day == day else 0
        amount = min(5, CAP - used)
        account.awarded(
            transaction_id=f"xp_txn_{number}",
            user_id="676000000000000000000001",
            amount=amount,
            source="answer_posted",
            related_entity_type="answer",
            related_entity_id="676000000000000000000007",
            daily_total=used + amount,
            daily_cap=CAP,
            timestamp=at,
            key=str(number),
            requested=5,
            day=day,
            week=f"{year}-W{week:02d}",
            seq=account.seq + 1,
        )

    return event("Awarded")(awarded), move


def main() -> None:
    """Prints the table."""
    quick = arguments(__doc__).quick
    ways = {
        "tektree": ours(),
        "dict and pydantic": bare(),
        "eventsourcing, bare": eventsourced(two_fields, "Bare"),
        "eventsourcing, a ledger row": eventsourced(ledger_row, "Ledger"),
        "eventsourcing, a command": eventsourced(ledger_row, "Command", cached=True),
    }
    works = {name: work for name, work in ways.items() if work is not None}
    medians(works, 2, USERS)  # the first award of a user is another one: marks, a streak, a level
    taken = medians(works, 3 if quick else 200, USERS)
    measure = taken["tektree"]
    show(
        "one award in memory (ratio: how many of ours fit into one)",
        ("µs", "a second", "ratio", "way"),
        [(each, round(1e6 / each), each / measure, name) for name, each in taken.items()],
    )


if __name__ == "__main__":
    main()
