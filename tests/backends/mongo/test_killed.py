"""``kill -9`` of the server under eight writers, again and again: what was acknowledged is there, without a gap."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bson import ObjectId
from pymongo import MongoClient

from tektree import BackendError, TekTree
from tektree._sync.backends.mongo.connecting import mongo_backends
from tektree.testing import ManualClock
from tests.lanes import PYMONGO, close, enter
from tests.servers import DidNotStart, MongoServer

WRITERS, KILLS = 8, 3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MongoServer]:
    enter(PYMONGO)
    made = MongoServer(tmp_path / "data", "--sync-on-commit")
    try:
        made.start()
    except DidNotStart as reason:
        close(PYMONGO, str(reason))
    yield made
    made.stop()


def test_no_acknowledged_award_is_lost(server: MongoServer) -> None:
    acknowledged: dict[str, list[str]] = {}
    names = [f"usr_{number}" for number in range(WRITERS // 2)]  # two writers for each user
    keys = iter(range(1_000_000))
    lock = threading.Lock()
    users: dict[str, str] = {}

    def write(tek: TekTree, user_id: str, over: threading.Event) -> None:
        while not over.is_set():
            with lock:
                key = f"k{next(keys)}"
            try:
                tek.gamification.award(user_id, "manual", amount=1, key=key)
            except BackendError:
                continue
            with lock:
                acknowledged.setdefault(user_id, []).append(key)

    with MongoClient(server.uri) as client:
        tek = TekTree(mongo_backends(client["crash"], deadline=5), clock=ManualClock())
        tek.setup()
        users |= {name: tek.gamification.enroll(name).user_id for name in names}
    for _ in range(KILLS):
        with MongoClient(server.uri) as client:
            tek = TekTree(mongo_backends(client["crash"], deadline=0.5), clock=ManualClock())
            over = threading.Event()
            writers = [threading.Thread(target=write, args=[tek, users[name], over]) for name in names * 2]
            before = sum(map(len, acknowledged.values()))
            for writer in writers:
                writer.start()
            while sum(map(len, acknowledged.values())) < before + 8:
                over.wait(0.01)
            server.kill()
            over.set()
            for writer in writers:
                writer.join()
        server.start()
    with MongoClient(server.uri) as client:
        tek = TekTree(mongo_backends(client["crash"]), clock=ManualClock())
        healed(tek, users, acknowledged)
        assert client["crash"].xp_transactions.count_documents({"_outbox": {"$exists": True}}) <= len(names)
        # It would be noticed: an award that was acknowledged and is not there, and a number that is missing.
        first = min(users.values())
        with pytest.raises(AssertionError):
            healed(tek, users, acknowledged | {first: [*acknowledged[first], "never written"]})
        client["crash"].xp_transactions.delete_one({"user_id": ObjectId(first), "seq": 1})
        with pytest.raises(AssertionError):
            healed(tek, users, acknowledged)


def healed(tek: TekTree, users: dict[str, str], acknowledged: dict[str, list[str]]) -> None:
    for number, user_id in enumerate(users.values()):
        if number % 2:
            tek.gamification.rebuild(user_id)
        else:
            tek.gamification.award(user_id, "manual", amount=1, key="the next award")
        rows, after = [], None
        while True:
            page = tek.gamification.history(user_id, after, limit=100)
            rows += page.items
            after = page.next
            if after is None:
                break
        assert [row.seq for row in rows] == list(range(len(rows), 0, -1))
        assert set(acknowledged[user_id]) <= {row.key for row in rows}
        assert tek.gamification.verify(user_id)
        assert tek.gamification.profile(user_id).total_xp == sum(row.amount for row in rows)
