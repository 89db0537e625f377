"""How fast ``rebuild`` reads a ledger back from MongoDB, and how much memory it takes, by how many rows there are.

Run it: ``python tools/bench/mongo_rebuild.py [--mongo URI] [--most 1000000]``. The rows are made by awards in memory and
inserted in bulk, as they would stand in MongoDB. Once one user has all of them, once each user has a hundred. Time
and memory are of two rebuilds: the peak is what Python holds more than before, by its own account (tracemalloc), which makes
it slow. It should be flat.
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
POLICY = Policy(xp=XP(daily_cap=None))
BULK = 1_000
EACH = 100


def main() -> None:
    """Prints the table."""
    most = {"type": int, "default": 100_000, "help": "rows of the largest ledger"}
    given = arguments(__doc__, mongo=MONGO, most=most)
    sizes = [100, 1_000] if given.quick else [size for size in (10_000, 100_000, 1_000_000) if size <= given.most]
    with databases(given.mongo) as (uri, fresh), MongoClient[Any](uri) as client:
        table = [
            (*_rebuilt(client[fresh()], size, size // users), size, f"{users:,} users" if users > 1 else "one user")
            for each in (None, EACH)
            for size in sizes
            for users in [size // (each or size)]
        ]
    show("rebuild", ("rows a second", "kB at the peak", "rows", "of"), table)


def _rebuilt(database: Any, size: int, each: int) -> tuple[int, int]:
    tek = TekTree.connect(database, policy=POLICY)
    tek.setup()
    for number in range(size // each):
        _fill(database, f"usr_{number}", each)
    start = time.perf_counter()
    done = tek.gamification.rebuild()
    seconds = time.perf_counter() - start
    tracemalloc.start()
    tek.gamification.rebuild()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    user_id = tek.gamification.users(limit=1).items[0]
    if done != size // each or tek.gamification.profile(user_id).seq != each:
        raise RuntimeError("it was not rebuilt")
    return round(size / seconds), round(peak / 1024)


def _fill(database: Any, uid: str, rows: int) -> None:
    """A user with so many rows, and a profile that has seen none of them."""
    start, numbers, backends = datetime(2025, 12, 16, tzinfo=UTC), count(), memory_backends()
    tek = TekTree(backends, POLICY, lambda: start + timedelta(milliseconds=next(numbers)))
    profile = tek.gamification.enroll(uid)
    for number in range(rows):
        tek.gamification.award(profile.user_id, "answer_posted", ABOUT, key=str(number))
    database[GAMIFICATION_PROFILES].insert_one(to_document(profile))
    for after in range(0, rows, BULK):
        written = backends.ledger.rows(profile.user_id, after, min(BULK, rows - after))
        database[XP_TRANSACTIONS].insert_many([to_document(row) for row in written])


if __name__ == "__main__":
    main()
