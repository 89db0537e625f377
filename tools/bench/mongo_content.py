"""What content costs over MongoDB beside the same commands by the driver alone: medians of one run, in turns.

Run it: ``python tools/bench/mongo_content.py [--mongo URI]``. Each way sends the same commands with the same concerns,
deadline and documents, fresh ids apart. *get* reads one question, *list* the newest twenty as somebody may see them;
*models* is the page that storage makes of the same twenty. *ask* stores a question and tells of it: who asks, the
subscription from which its quota counts, the question, the last event of its stream, its event, and that it is told.
The work is this process's own (CPU time), without the server. The ratio of the time should be below 1.25, of *models*
below 1.3.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import pymongo
from bson import CodecOptions, DatetimeConversion, ObjectId
from codec import WRITTEN
from measuring import Work, arguments, show, turns
from pymongo import MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern
from serving import MONGO, databases

from tektree import Policy, Principal, TekTree
from tektree._sync.backends.mongo.connecting import mongo_backends
from tektree.models.questions import QuestionDraft, QuestionFilter
from tektree.rules import visibility

ADA = Principal("a" * 24, "usr_ada")
POLICY = Policy(reactions={}, quotas={"free": {"questions": None}})
PAGE = 20
CONCERNS: dict[str, Any] = {
    "codec_options": CodecOptions(tz_aware=False, datetime_conversion=DatetimeConversion.DATETIME_AUTO),
    "read_concern": ReadConcern("majority"),
    "write_concern": WriteConcern(w="majority", j=True),
}
Pair = tuple[Callable[[], object], Callable[[], object]]


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


def drafts(many: int, of: str) -> list[QuestionDraft]:
    """Questions to be asked, each under a title of its own, so that its slug is free."""
    body, tags = WRITTEN["body"], tuple(WRITTEN["tags"])
    return [QuestionDraft(title=f"How do I implement {of} {at}?", body=body, tags=tags) for at in range(many)]


def main() -> None:
    """Prints the table."""
    given = arguments(__doc__, mongo=MONGO)
    rounds, calls = (2, 2) if given.quick else (30, 5)
    heard = Heard()
    with databases(given.mongo) as (uri, fresh), MongoClient[Any](uri, event_listeners=[heard]) as listening:
        read, asked = fresh(), fresh()
        id, sent = _filled(listening[read]), _sent(listening[asked], heard)
        with MongoClient[Any](uri) as client:
            pairs = _reading(client[read], id) | _asking(client[asked], sent, drafts(rounds * calls, "events"))
            ways = {
                f"{way}, {what}": partial(_times, call, calls)
                for what, pair in pairs.items()
                for way, call in zip(("the driver alone", "tektree"), pair, strict=True)
            }
            taken = turns(ways, rounds, calls)
    rows = []
    for alone, ours in zip(list(taken)[::2], list(taken)[1::2], strict=True):
        (wall, work), (mine, own) = taken[alone], taken[ours]
        rows.append([round(wall), round(work), "1.00", "1.00", alone])
        rows.append([round(mine), round(own), f"{mine / wall:.2f}", f"{own / work:.2f}", ours])
    show("content", ("µs", "µs of work", "ratio", "ratio of work", "call"), rows)


def _filled(database: Any) -> str:
    """A few hundred questions; gives back the id of one."""
    begin, moments = datetime(2025, 1, 1, tzinfo=UTC), count()
    tek = TekTree.connect(database, policy=POLICY, clock=lambda: begin + timedelta(seconds=next(moments)))
    tek.setup()
    return [tek.questions.ask(ADA, draft).id for draft in drafts(60, "sources")][30]


def _sent(database: Any, heard: Heard) -> list[dict[str, Any]]:
    """What one more question sends."""
    tek = TekTree.connect(database, policy=POLICY)
    tek.setup()
    first, second = drafts(2, "anything")
    tek.questions.ask(ADA, first)
    heard.commands.clear()
    tek.questions.ask(ADA, second)
    return list(heard.commands)


def _reading(database: Any, id: str) -> dict[str, Pair]:
    """By what is read: the driver alone, and ours."""
    tek = TekTree.connect(database, policy=POLICY)
    questions = database.get_collection("questions", **CONCERNS)
    sight = visibility.sight(visibility.ANYBODY, datetime.now(UTC))
    store = mongo_backends(database).questions
    assert store is not None
    seen = {"deleted_at": None, "visibility": {"$in": ["public"]}}

    def one() -> object:
        with pymongo.timeout(10):
            return questions.find_one({"_id": ObjectId(id)})

    def page() -> object:
        with pymongo.timeout(10):
            return list(questions.find(seen).sort([("created_at", -1), ("_id", -1)]).limit(PAGE + 1))

    return {
        "get": (one, lambda: tek.questions.get(None, id)),
        "models": (page, lambda: store.page(QuestionFilter(), "newest", sight, None, PAGE)),
        "list": (page, lambda: tek.questions.list(None, limit=PAGE)),
    }


def _asking(database: Any, sent: list[dict[str, Any]], new: list[QuestionDraft]) -> dict[str, Pair]:
    """Sends again what a question sent, with ids of its own."""
    account, quota, stored, looked, told, _ = sent
    names = ("users", "subscriptions", "questions", "events")
    users, subscriptions, questions, events = [database.get_collection(name, **CONCERNS) for name in names]
    order, fields = list(looked["sort"].items()), looked["projection"]
    made = _made(stored["documents"][0], told["documents"][0])

    def ask() -> None:
        document, event = next(made)
        behind = {**looked["filter"], "metadata.stream": event["metadata"]["stream"]}
        with pymongo.timeout(10):
            list(users.aggregate(account["pipeline"]))
        with pymongo.timeout(10):
            subscriptions.find_one(quota["filter"])
        with pymongo.timeout(10):
            questions.insert_one(document)
        with pymongo.timeout(10):
            list(events.find(behind, fields).sort(order).limit(1))
        with pymongo.timeout(10):
            events.insert_one(event)
        with pymongo.timeout(10):
            told = {"$pull": {"_outbox": {"event_id": {"$in": [event["event_id"]]}}}}
            questions.update_one({"_id": document["_id"]}, told)

    tek, following = TekTree.connect(database, policy=POLICY), iter(new)
    return {"ask": (ask, lambda: tek.questions.ask(ADA, next(following)))}


def _made(document: dict[str, Any], event: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    while True:
        id = ObjectId()
        own = {"event_id": f"evt_{ObjectId()}", "metadata": event["metadata"] | {"stream": f"question:{id}"}}
        outbox = [document["_outbox"][0] | own]
        slug = {"slug": f"how-{id}", "slugs": [f"how-{id}"]}
        yield document | slug | {"_id": id, "_outbox": outbox}, event | own | {"_id": ObjectId()}


def _times(call: Callable[[], object], times: int) -> Work:
    def work() -> None:
        for _ in range(times):
            call()

    return work


if __name__ == "__main__":
    main()
