"""Eight threads that award one user over MongoDB, beside the same with a transaction: medians of one run, in turns.

Run it: ``python tools/bench/mongo_hot_user.py [--mongo URI]``.

- *tektree*: one ``TekTree`` for all threads, as a process has it. Its threads wait for each other before they write.
- *tektree, one for each thread*: as eight processes have it. Nothing but the storage decides who is first.
- *a transaction*: the same rules and documents, but read, row, event and profile in one multi-document transaction, by
  ``with_transaction``: it is tried again on ``TransientTransactionError``, and here also on a duplicate key. The row
  carries no events, so nothing has to be taken off it.
- *a transaction, one at a time*: the same behind a lock of this process, so no two are ever in each other's way.

Commands are counted by a listener, commits and aborts among them. The floor of ours is five.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

from bson import CodecOptions, DatetimeConversion, ObjectId
from measuring import arguments, show, turns
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern
from serving import MONGO, databases

from tektree import Policy, TekTree
from tektree.models.gamification import AwardRequest, EntityRef, GamificationProfile
from tektree.policy import XP
from tektree.rules import xp
from tektree.wire.collections import EVENTS, GAMIFICATION_PROFILES, XP_TRANSACTIONS
from tektree.wire.documents import from_document, to_document, to_update

THREADS = 8
ABOUT = EntityRef("answer", "676000000000000000000007")
POLICY = Policy(xp=XP(daily_cap=1_000_000_000))
PLAIN: Any = CodecOptions(tz_aware=False, datetime_conversion=DatetimeConversion.DATETIME_AUTO)
CONCERNS: Any = {"read_concern": ReadConcern("snapshot"), "write_concern": WriteConcern(w="majority", j=True)}
Award = Callable[[str], object]
"""An award of the user, by a key."""


class Heard(CommandListener):
    """How many commands were sent."""

    def __init__(self) -> None:
        self.sent = 0
        self._lock = threading.Lock()

    def started(self, event: CommandStartedEvent) -> None:
        """One more."""
        with self._lock:
            self.sent += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not of interest."""


@dataclass
class Way:
    """An award for each thread, and what is heard of them."""

    heard: Heard
    awards: list[Award]
    keys: "count[int]" = field(default_factory=count)
    done: int = 0

    def __post_init__(self) -> None:
        self.awards[0]("first")  # marks, a streak: another award
        self.heard.sent = 0

    def burst(self, pool: ThreadPoolExecutor, each: int) -> None:
        """``each`` awards by every thread, all at once."""

        def work(award: Award) -> None:
            for _ in range(each):
                award(str(next(self.keys)))

        list(pool.map(work, self.awards))
        self.done += each * len(self.awards)


def ours(client: MongoClient[Any], name: str, teks: int) -> list[Award]:
    """``gamification.award``, for each thread."""
    made = [TekTree.connect(client[name], policy=POLICY) for _ in range(teks)]
    made[0].setup()
    user_id = made[0].gamification.enroll("usr_ada").user_id

    def of(tek: TekTree) -> Award:
        return lambda key: tek.gamification.award(user_id, "answer_posted", ABOUT, key=key)

    return [of(made[at % teks]) for at in range(THREADS)]


def transactional(client: MongoClient[Any], name: str, lock: AbstractContextManager[object]) -> list[Award]:
    """The same award in a transaction, for each thread."""
    tek = TekTree.connect(client[name], policy=POLICY)
    tek.setup()
    user_id, database = tek.gamification.enroll("usr_ada").user_id, client.get_database(name, PLAIN)
    profiles, rows, events = [database[each] for each in (GAMIFICATION_PROFILES, XP_TRANSACTIONS, EVENTS)]
    mine = {"user_id": ObjectId(user_id)}

    def written(session: ClientSession, key: str) -> None:
        now = datetime.now(UTC)
        request = AwardRequest(user_id=user_id, source="answer_posted", key=key, at=now, about=ABOUT)
        profile = from_document(GamificationProfile, profiles.find_one(mine, session=session) or {})
        decision = xp.award(profile, request, POLICY, now)
        if decision.row is None or decision.row.state is None:
            raise RuntimeError("denied")
        rows.insert_one(to_document(decision.row), session=session)
        profiles.update_one(mine, to_update(decision.row.state), session=session)
        events.insert_many([to_document(event) for event in decision.events], session=session)

    def award(key: str) -> None:
        with lock, client.start_session() as session:
            while True:
                try:
                    session.with_transaction(lambda session: written(session, key), **CONCERNS)
                    return
                except DuplicateKeyError:
                    continue  # what was read was older than the row that another one wrote

    return [award] * THREADS


def main() -> None:
    """Prints the table."""
    given = arguments(__doc__, mongo=MONGO)
    rounds, each = (2, 2) if given.quick else (20, 4)
    with databases(given.mongo) as (uri, fresh), ThreadPoolExecutor(THREADS) as pool, ExitStack() as clients:

        def way(make: Callable[..., list[Award]], *rest: Any) -> Way:
            heard = Heard()
            client = clients.enter_context(MongoClient[Any](uri, event_listeners=[heard]))
            return Way(heard, make(client, fresh(), *rest))

        ways = {
            "a transaction": way(transactional, nullcontext()),
            "a transaction, one at a time": way(transactional, threading.Lock()),
            "tektree": way(ours, 1),
            "tektree, one for each thread": way(ours, THREADS),
        }
        taken = turns({name: partial(partial, way.burst, pool, each) for name, way in ways.items()}, rounds)
    measure = taken["a transaction"][0]
    rows = [
        (THREADS * each / wall * 1e6, measure / wall, ways[name].heard.sent / ways[name].done, name)
        for name, (wall, _) in taken.items()
    ]
    show("one user, eight threads", ("awards a second", "ratio", "commands an award", "way"), rows)


if __name__ == "__main__":
    main()
