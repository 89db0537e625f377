"""What one more award costs a user who has many ledger rows: it must not depend on how many.

Run it: ``python tools/bench/growth.py``. One user of each size shares one store, and they are awarded in turns. To
make a million rows first takes a minute and some gigabytes; ``--most 100000`` stops earlier.
"""

from datetime import UTC, datetime, timedelta
from itertools import count

from measuring import Work, arguments, medians, show

from tektree import EntityRef, Policy, TekTree
from tektree.policy import XP

ABOUT = EntityRef("answer", "676000000000000000000007")


def main() -> None:
    """Prints the table."""
    given = arguments(__doc__, most={"type": int, "default": 1_000_000, "help": "rows of the largest user"})
    sizes = [10, 100] if given.quick else [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= given.most]
    start, numbers = datetime(2025, 12, 16, tzinfo=UTC), count()
    tek = TekTree.in_memory(
        policy=Policy(xp=XP(daily_cap=None)), clock=lambda: start + timedelta(milliseconds=next(numbers))
    )
    works = {f"{size:,} rows": _grown(tek, size) for size in sizes}
    taken = medians(works, 5 if given.quick else 300, 10)
    least = min(taken.values())
    show(
        f"one award (the slowest takes {max(taken.values()) / least:.2f} times the quickest)",
        ("µs", "ratio", "user"),
        [(each, each / least, name) for name, each in taken.items()],
    )


def _grown(tek: TekTree, size: int) -> Work:
    """An award of a user who has ``size`` rows by then."""
    award, user_id, numbers = tek.gamification.award, tek.gamification.enroll(uid=f"usr_{size}").user_id, count()

    def work() -> object:
        return award(user_id, "answer_posted", ABOUT, key=str(next(numbers)))

    for _ in range(size):
        work()
    return work


if __name__ == "__main__":
    main()
