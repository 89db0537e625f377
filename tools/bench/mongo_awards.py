"""What one award costs over MongoDB, beside the five commands that it sends: medians of one run, taken in turns.

Run it: ``python tools/bench/mongo_awards.py [--mongo URI]``. Twenty users earn XP, one after the other.

- *tektree*: ``gamification.award``, as in ``awards.py``.
- *the five commands*: what such an award was heard to send (find the profile, insert the row with its events, insert
  the event, take it off the row, update the profile), sent again by the driver alone: the same documents with fresh
  ids and numbers, made before the clock starts; the same concerns, indexes and users.

The time is that from call to return, the server's part included. The work is that of this process alone (CPU time):
what the server does, and how long it lets us wait, is not in it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from bson import CodecOptions, DatetimeConversion, ObjectId
from measuring import Prepare, Work, arguments, show, turns
from pymongo import AsyncMongoClient, MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern
from serving import MONGO, databases

from tektree import AsyncTekTree, EntityRef, Policy, TekTree
from tektree.policy import XP

USERS = 20
BATCH = 20
ABOUT = EntityRef("answer", "676000000000000000000007")
POLICY = Policy(xp=XP(daily_cap=1_000_000_000))
COLLECTIONS = ("gamification_profiles", "xp_transactions", "events")
CONCERNS: dict[str, Any] = {
    "codec_options": CodecOptions(tz_aware=False, datetime_conversion=DatetimeConversion.DATETIME_AUTO),
    "read_concern": ReadConcern("majority"),
    "write_concern": WriteConcern(w="majority", j=True),
}


class Heard(CommandListener):
    """The commands that were sent."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        """One was."""
        self.commands.append(dict(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not of interest."""


@dataclass
class Sent:
    """The documents of one award's commands."""

    profile: dict[str, Any]
    row: dict[str, Any]
    event: dict[str, Any]
    told: tuple[dict[str, Any], dict[str, Any]]
    projected: tuple[dict[str, Any], dict[str, Any]]

    def after(self, turn: int) -> "Sent":
        """The award that comes ``turn`` awards after this one."""
        seq, key, mark = self.row["seq"] + turn, f"raw:{turn}", self.row["user_id"]
        metadata = self.event["metadata"]
        stands = {"metadata": metadata | {"seq": metadata["seq"] + turn}, "event_id": f"evt_{mark}_{turn}"}
        event = self.event | stands | {"_id": ObjectId()}
        fresh = {"_id": ObjectId(), "transaction_id": f"xp_txn_{mark}_{turn}", "key": key, "seq": seq}
        query, update = self.projected
        return Sent(
            self.profile,
            self.row | fresh | {"_outbox": [event]},
            event,
            ({"user_id": mark, "key": key}, self.told[1]),
            (query | {"seq": {"$not": {"$gte": seq}}}, update | {"$set": update["$set"] | {"seq": seq}}),
        )


def heard(uri: str, name: str) -> list[Sent]:
    """What an award of each user sends, in a database made for it."""
    listener = Heard()
    with MongoClient[Any](uri, event_listeners=[listener]) as client:
        tek = TekTree.connect(client[name], policy=POLICY)
        tek.setup()
        found = []
        for at in range(USERS):
            user_id = tek.gamification.enroll(uid=f"usr_{at}").user_id
            tek.gamification.award(user_id, "answer_posted", ABOUT, key="first")  # marks, a streak: another award
            listener.commands.clear()
            tek.gamification.award(user_id, "answer_posted", ABOUT, key="plain")
            found.append(_sent(listener.commands))
    return found


def _sent(commands: list[dict[str, Any]]) -> Sent:
    read, row, events, told, projected = commands
    (event,) = events["documents"]
    return Sent(read["filter"], row["documents"][0], event, _update(told), _update(projected))


def _update(command: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return command["updates"][0]["q"], command["updates"][0]["u"]


def following(users: list[Sent]) -> Callable[[], list[Sent]]:
    """What makes the documents of the next awards."""
    numbers = count(USERS)
    return lambda: [users[at % USERS].after(at // USERS) for at in (next(numbers) for _ in range(BATCH))]


def ours(client: MongoClient[Any], name: str) -> Work:
    """``gamification.award``, for a batch."""
    tek = TekTree.connect(client[name], policy=POLICY)
    tek.setup()
    users = [tek.gamification.enroll(uid=f"usr_{at}").user_id for at in range(USERS)]
    numbers, award = count(), tek.gamification.award

    def work() -> None:
        for _ in range(BATCH):
            at = next(numbers)
            award(users[at % USERS], "answer_posted", ABOUT, key=str(at))

    return work


def raw(client: MongoClient[Any], name: str, batch: Callable[[], list[Sent]]) -> Prepare:
    """The five commands, for a batch."""
    profiles, rows, events = [client[name].get_collection(each, **CONCERNS) for each in COLLECTIONS]

    def send(awards: list[Sent]) -> None:
        for each in awards:
            profiles.find_one(each.profile)
            rows.insert_one(each.row)
            events.insert_one(each.event)
            rows.update_one(*each.told)
            profiles.update_one(*each.projected)

    return lambda: partial(send, batch())


async def async_ours(client: AsyncMongoClient[Any], name: str) -> Callable[[], Awaitable[None]]:
    """`ours` for those who await."""
    tek = AsyncTekTree.connect(client[name], policy=POLICY)
    await tek.setup()
    users = [(await tek.gamification.enroll(uid=f"usr_{at}")).user_id for at in range(USERS)]
    numbers, award = count(), tek.gamification.award

    async def work() -> None:
        for _ in range(BATCH):
            at = next(numbers)
            await award(users[at % USERS], "answer_posted", ABOUT, key=str(at))

    return work


def async_raw(client: AsyncMongoClient[Any], name: str) -> Callable[[list[Sent]], Awaitable[None]]:
    """`raw` for those who await."""
    profiles, rows, events = [client[name].get_collection(each, **CONCERNS) for each in COLLECTIONS]

    async def send(awards: list[Sent]) -> None:
        for each in awards:
            await profiles.find_one(each.profile)
            await rows.insert_one(each.row)
            await events.insert_one(each.event)
            await rows.update_one(*each.told)
            await profiles.update_one(*each.projected)

    return send


def main() -> None:
    """Prints the tables."""
    given = arguments(__doc__, mongo=MONGO)
    rounds = 3 if given.quick else 25
    with databases(given.mongo) as (uri, fresh), asyncio.Runner() as runner, MongoClient[Any](uri) as client:
        run, opened = runner.run, AsyncMongoClient[Any](uri)
        names = [fresh(), fresh()]
        batches = [following(heard(uri, name)) for name in names]
        work, async_work = ours(client, fresh()), run(async_ours(opened, fresh()))
        send = async_raw(opened, names[1])
        ways: dict[str, Prepare] = {
            "PyMongo, the five commands": raw(client, names[0], batches[0]),
            "PyMongo, tektree": lambda: work,
            "PyMongo Async, the five commands": lambda: partial(_awaited, run, send, batches[1]()),
            "PyMongo Async, tektree": lambda: partial(_awaited, run, async_work),
        }
        turns(ways, 2)  # connections, and the first award of each user
        taken = turns(ways, rounds, BATCH)
        run(opened.close())
    for driver in ("PyMongo", "PyMongo Async"):
        measure, least = taken[f"{driver}, the five commands"]
        rows = [
            (wall, wall / measure, cpu, cpu / least, name)
            for name, (wall, cpu) in taken.items()
            if name.startswith(f"{driver},")
        ]
        show(f"one award by {driver}", ("µs", "ratio", "µs of work", "ratio", "way"), rows)


def _awaited(run: Callable[[Any], object], work: Callable[..., Awaitable[None]], *given: object) -> None:
    run(work(*given))


if __name__ == "__main__":
    main()
