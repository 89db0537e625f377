"""What a user read over MongoDB costs beside the driver alone: medians of one run, in turns.

Run it: ``python tools/bench/mongo_users.py [--mongo URI]``. Each way sends the same command with the same concerns and
the same deadline, and reads the same document. The work is this process's own (CPU time), without the server.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pymongo
from bson import CodecOptions, DatetimeConversion, ObjectId
from measuring import Work, arguments, show, turns
from pymongo import MongoClient
from pymongo.read_concern import ReadConcern
from serving import MONGO, databases

from tektree import Policy, TekTree
from tektree.policy import Passwords

PASSWORD = "correct horse"  # noqa: S105 - everybody's
CONCERNS: dict[str, Any] = {
    "codec_options": CodecOptions(tz_aware=False, datetime_conversion=DatetimeConversion.DATETIME_AUTO),
    "read_concern": ReadConcern("majority"),
}


def main() -> None:
    """Prints the table."""
    given = arguments(__doc__, mongo=MONGO)
    rounds, calls = (3, 5) if given.quick else (60, 30)
    with databases(given.mongo) as (uri, fresh), MongoClient[Any](uri) as client:
        pairs = _pairs(client[fresh()])
        ways = {name: partial(_times, way, calls) for pair in pairs.values() for name, way in pair.items()}
        taken = turns(ways, rounds, calls)
    rows = []
    for alone, ours in [tuple(pair) for pair in pairs.values()]:
        (wall, work), (mine, own) = taken[alone], taken[ours]
        rows.append([round(wall), round(work), "1.00", "1.00", alone])
        rows.append([round(mine), round(own), f"{mine / wall:.2f}", f"{own / work:.2f}", ours])
    show("a user read", ["µs", "µs of work", "ratio", "ratio of work", "call"], rows)


def _pairs(database: Any) -> dict[str, dict[str, Callable[[], object]]]:
    """By what is read by, the driver alone and ours."""
    tek = TekTree.connect(database, policy=Policy(passwords=Passwords(bcrypt_cost=10)))
    tek.setup()
    user = tek.accounts.register(email="ada@example.com", handle="ada_l", password=PASSWORD)
    users = database.get_collection("users", **CONCERNS)

    def alone(query: dict[str, Any]) -> object:
        with pymongo.timeout(10):
            return users.find_one(query)

    return {
        "id": {
            "the driver alone, by _id": lambda: alone({"_id": ObjectId(user.id)}),
            "get": lambda: tek.accounts.get(user.id),
        },
        "uid": {
            "the driver alone, by uid": lambda: alone({"uid": user.uid}),
            "by_uid": lambda: tek.accounts.by_uid(user.uid),
        },
    }


def _times(call: Callable[[], object], times: int) -> Work:
    def work() -> None:
        for _ in range(times):
            call()

    return work


if __name__ == "__main__":
    main()
