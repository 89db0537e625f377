"""A process whose threads read one cold record: ``python -m tests.backends.redis.stampede URI BROKEN READERS ALL``.

Nobody's load ends before all readers of all processes have asked. What was loaded is counted in ``loads``; each reader
that got the record is counted in ``served``. With BROKEN ``yes`` there is no lease: everybody loads.
"""

import sys
import threading
from datetime import UTC, datetime
from typing import Final

import redis

from tektree import TekTree
from tektree._sync.backends.redis.caches import RedisCaches
from tektree.backends.memory import memory_backends
from tektree.backends.redis import with_redis
from tektree.ids import derived_id
from tektree.models.caches import Found, Place
from tektree.models.questions import Question

__all__ = ["main"]

GO: Final = "go"
NOW: Final = datetime(2025, 12, 16, 14, tzinfo=UTC)
RECORD: Final = Question(
    id=derived_id("question"),
    title="How?",
    slug="how",
    body="",
    visibility="public",
    created_by=derived_id("ada"),
    created_at=NOW,
    updated_at=NOW,
)


class EverybodyLoads(RedisCaches):
    """The control."""

    def begin(self, place: Place, token: str, lease: int) -> Found | bool:
        return super().begin(place, token, lease) or True


class Questions:
    """Where the question is kept for good."""

    def __init__(self, look: "redis.Redis[str]") -> None:  # type: ignore[type-arg]
        self._look = look

    def question(self, question_id: str) -> Question:
        self._look.incr("loads")
        if self._look.blpop([GO], timeout=20) is None:
            raise SystemExit("the readers did not all ask")
        self._look.rpush(GO, "again")  # for whoever loads as well
        return RECORD


def main(uri: str, broken: bool, readers: int, everybody: int) -> None:
    """Reads, in so many threads."""
    look = redis.Redis.from_url(uri, decode_responses=True)
    tek = TekTree(with_redis(memory_backends(), redis.Redis.from_url(uri), deadline=30))
    if broken:
        tek.caches._store = EverybodyLoads(tek._backends.caches._redis)  # type: ignore[union-attr]
    questions = tek.caches.questions(Questions(look))

    def read() -> None:
        if look.incr("asked") == everybody:
            look.rpush(GO, "first")
        if questions.question(RECORD.id) == RECORD:
            look.incr("served")

    threads = [threading.Thread(target=read) for _ in range(readers)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    tek.close()
    look.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "yes", int(sys.argv[3]), int(sys.argv[4]))
