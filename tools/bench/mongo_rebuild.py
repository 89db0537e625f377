"""How fast ``rebuild`` reads a ledger back from MongoDB, and how much memory it takes, by how many rows there are.

Run it: ``python tools/bench/mongo_rebuild.py [--mongo URI] [--most 100000]``. The rows are made by awards in memory
and inserted in bulk, as they would stand in MongoDB. Once each user has a thousand, once one user has all of them:
that only up to ten thousand on the server that is started here, which looks at every row of a user for each page.
*From nothing* is with profiles that have seen none of the rows, as after a restored backup: then the ledger is read
twice, first to finish what may have been cut off. The peak is what Python holds more than before, by its own account
(tracemalloc), in a rebuild of its own, because it is slow. It should be flat.
"""

import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from measuring import arguments, show
from pymongo import MongoClient
from serving import MONGO, databases

from tektree import EntityRef, Policy, TekTree
from tektree._sync.sdk import memory_backends
from tektree.policy import XP
from tektree.wire.collections import GAMIFICATION_PROFILES, XP_TRANSACTIONS
from tektree.wire.documents import to_document

ABOUT = EntityRef("answer", "676000000000000000000007")
POLICY = Policy(xp=XP(daily_cap=1_000_000_000))
BULK = 1_000
EACH = 1_000
MOST_OF_ONE = 10_000


def main() -> None:
    """Prints the table."""
    most = {"type": int, "default": 10_000, "help": "rows of the largest ledger"}
    given = arguments(__doc__, mongo=MONGO, most=most)
    sizes = [1_000, 2_000] if given.quick else [size for size in (1_000, 10_000, 100_000) if size <= given.most]
    shapes = [(size, EACH) for size in sizes] + [(size, size) for size in sizes if given.mongo or size <= MOST_OF_ONE]
    with databases(given.mongo) as (uri, fresh), MongoClient[Any](uri) as client:
        table = [row for size, each in shapes for row in _rebuilt(client[fresh()], size, each)]
    show("rebuild", ("rows a second", "kB at the peak", "rows", "of"), table)


def _rebuilt(database: Any, size: int, each: int) -> list[tuple[int, int, int, str]]:
    """Of profiles that have seen nothing, and of those that have seen all."""
    tek = TekTree.connect(database, policy=POLICY)
    tek.setup()
    profiles = [_fill(database, f"usr_{number}", each) for number in range(size // each)]
    whose = f"{len(profiles):,} users" if len(profiles) > 1 else "one user"

    def emptied() -> None:
        database[GAMIFICATION_PROFILES].delete_many({})
        database[GAMIFICATION_PROFILES].insert_many([dict(profile) for profile in profiles])

    emptied()
    lost = _seconds(tek)
    emptied()
    figures = [(lost, _peak(tek), f"{whose}, from nothing"), (_seconds(tek), _peak(tek), whose)]
    user_id = str(profiles[0]["user_id"])
    parts = tek.gamification.verify(user_id).divergence  # the rows were filled in without telling their events
    if tek.gamification.profile(user_id).seq != each or (parts and not parts.field.startswith("events.")):
        raise RuntimeError("it was not rebuilt")
    return [(round(size / seconds), round(peak / 1024), size, name) for seconds, peak, name in figures]


def _seconds(tek: TekTree) -> float:
    start = time.perf_counter()
    tek.gamification.rebuild()
    return time.perf_counter() - start


def _peak(tek: TekTree) -> int:
    tracemalloc.start()
    tek.gamification.rebuild()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def _fill(database: Any, uid: str, rows: int) -> dict[str, Any]:
    """Writes the rows of a user; gives back a profile that has seen none of them."""
    start, numbers, backends = datetime(2025, 12, 16, tzinfo=UTC), count(), memory_backends()
    tek = TekTree(backends, POLICY, lambda: start + timedelta(milliseconds=next(numbers)))
    profile = tek.gamification.enroll(uid)
    for number in range(rows):
        tek.gamification.award(profile.user_id, "answer_posted", ABOUT, key=str(number))
    for after in range(0, rows, BULK):
        written = backends.ledger.rows(profile.user_id, after, min(BULK, rows - after))
        database[XP_TRANSACTIONS].insert_many([to_document(row) for row in written])
    return to_document(profile)


if __name__ == "__main__":
    main()
