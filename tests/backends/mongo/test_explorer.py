"""The write protocol as this backend sends it: every call of the driver is a point where another worker, a crash, a
lost reply or a cancellation may come in. And it finds what is known to be wrong.
"""

from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from tektree._async.backends.mongo.accounts import AsyncMongoAccounts
from tektree._async.backends.mongo.deliveries import AsyncMongoDeliveries
from tektree._async.backends.mongo.driver import AsyncMongo
from tektree._async.backends.mongo.events import AsyncMongoEventLog
from tektree._async.backends.mongo.gamification import AsyncMongoGamification, AsyncMongoLedger
from tektree._async.backends.mongo.leaderboards import AsyncMongoLeaderboards
from tektree._async.backends.mongo.subscriptions import AsyncMongoSubscriptions
from tektree._async.backends.mongo.uids import AsyncMongoUids
from tektree.models.events import Event, Recipients
from tektree.models.gamification import Folded, XPTransaction
from tektree.policy import Policy
from tektree.ports import AsyncBackends
from tektree.testing.explorer import EVERY_STRIKE, Strike, digest, explore
from tektree.testing.faults import around
from tektree.wire.documents import from_document, to_update
from tests.backends.mongo.model import Data, Database, fresh
from tests.lanes import enter
from tests.protocol import counts
from tests.protocol.worlds import (
    NOW,
    POLICY,
    Command,
    PlayedPlot,
    Plot,
    _run,
    award,
    done,
    move,
    opt_out,
    rebuild,
    restore,
    reverse,
    services,
)


class Log(AsyncMongoEventLog):
    """With a look at all that it holds."""

    @property
    def _by_id(self) -> dict[str, Event]:
        return {each["event_id"]: from_document(Event, each) for each in self._events._documents.values()}


class Anywhere(AsyncMongo):
    """The model belongs to no event loop."""

    def _at_home(self) -> None:
        pass


class Variant:
    """The backend, as it is or with one thing wrong."""

    name = "as it is"
    unguarded: tuple[tuple[str, ...], ...] = ()
    profiles = AsyncMongoGamification
    ledger = AsyncMongoLedger

    @classmethod
    def ports(cls, data: Data, stepping: bool) -> AsyncBackends:
        mongo = Anywhere(Database(data, stepping, cls.unguarded))
        uids = AsyncMongoUids(mongo)
        ledger = cls.ledger(mongo, uids)
        boards = AsyncMongoLeaderboards(mongo, ledger, uids)
        return AsyncBackends(
            cls.profiles(mongo, uids),
            ledger,
            boards,
            Log(mongo),
            AsyncMongoDeliveries(mongo),
            AsyncMongoAccounts(mongo),
            AsyncMongoSubscriptions(mongo),
        )


class MongoPlot(Plot):
    """A plot over the model's collections. Of the last ``lost`` commands before it the profile has seen nothing."""

    def __init__(
        self,
        name: str,
        *commands: Command,
        before: Sequence[Command] = (),
        policy: Policy = POLICY,
        variant: type[Variant] = Variant,
        lost: int = 0,
    ) -> None:
        self.name, self.commands, self.policy = name, commands, policy
        self.kind = variant
        self.data = fresh()
        ports = Variant.ports(self.data, stepping=False)
        self.user = done(services(ports).enroll("usr_ada")).user_id
        seen = self.data["gamification_profiles"]
        for number, command in enumerate(before):
            done(command(services(ports, policy)))
            if number < len(before) - lost:
                seen = dict(self.data["gamification_profiles"])
        self.data["gamification_profiles"].update(seen)

    def wrong(self, variant: type[Variant]) -> "MongoPlot":
        twin = object.__new__(MongoPlot)
        twin.__dict__ = {**self.__dict__, "kind": variant}
        return twin

    def __call__(self) -> PlayedPlot:
        return PlayedMongoPlot(self)


class PlayedMongoPlot(PlayedPlot):
    def __init__(self, plot: MongoPlot) -> None:
        self.plot = plot
        self.data = fresh(plot.data)
        self.amiss = False
        self.store = Variant.ports(self.data, stepping=False)
        self.plain = plot.kind.ports(self.data, stepping=False)
        self.workers: Sequence[Coroutine[Any, Any, object]] = [
            _run(command, services(around(each, self._noting), plot.policy))
            for command, each in [(command, plot.kind.ports(self.data, stepping=True)) for command in plot.commands]
        ]

    def state(self) -> object:
        return digest(self.data)


PLOTS = {
    plot.name: plot
    for plot in [
        MongoPlot("two awards at the cap", award(300, "a"), award(300, "b")),
        MongoPlot("one key twice", award(300, "a"), award(300, "a")),
        MongoPlot("one reversal twice", reverse("a"), reverse("a"), before=[award(300, "a")]),
        MongoPlot("a restoring and an award", restore("a"), award(300, "b"), before=[award(300, "a"), reverse("a")]),
        MongoPlot("an award and an opt-out", award(30, "b"), opt_out(), before=[award(100, "a")]),
        MongoPlot("an opt-out and a change of zone", opt_out(), move("Asia/Tokyo"), before=[award(100, "a")]),
        MongoPlot("an award and a rebuild", award(30, "b"), rebuild(), before=[award(100, "a")]),
        MongoPlot(
            "an award and an opt-out after two lost projections",
            award(30, "d"),
            opt_out(),
            before=[award(100, "a"), award(100, "b"), award(100, "c")],
            lost=2,
        ),
        MongoPlot("two days at once", award(400, "b", at=NOW - timedelta(days=1)), award(400, "c")),
    ]
}


LENGTHY = {"one reversal twice", "a restoring and an award", "two days at once"}
NAMES = [pytest.param(name, marks=[pytest.mark.long] if name in LENGTHY else []) for name in PLOTS]


@pytest.mark.parametrize(
    "strikes", [(Strike.CRASH,), pytest.param(EVERY_STRIKE, marks=pytest.mark.long)], ids=["crash", "any"]
)
@pytest.mark.parametrize("name", NAMES)
def test_two_workers_and_one_fault(name: str, strikes: Sequence[Strike]) -> None:
    enter("memory")
    found = explore(PLOTS[name], strikes)
    counts.tell(f"MongoDB: {name}: {found.told()}")
    assert not found.violations, found.story()
    assert found.schedules > found.states > 20, found.told()


@pytest.mark.long
@pytest.mark.parametrize("name", PLOTS)
def test_two_workers_and_two_faults(name: str) -> None:
    enter("memory")
    found = explore(PLOTS[name], (Strike.CRASH, Strike.LOST), 2)
    counts.tell(f"MongoDB, two faults: {name}: {found.told()}")
    assert not found.violations, found.story()


class NoUniqueSeq(Variant):
    name = "no unique seq"
    unguarded = (("user_id", "seq"),)


class GuardOnEquality(Variant):
    """``seq: n − 1``: when the projection of the row between is lost, no later one gets through."""

    name = "a guard on equality"

    class profiles(AsyncMongoGamification):  # noqa: N801 - in place of an attribute
        async def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
            query = {"user_id": ObjectId(user_id), "seq": {"$in": [state.seq - 1, None]}}
            with self._mongo.writing("gamification_profiles"):
                await self._profiles.update_one(query, to_update(state))


class NoGuard(Variant):
    name = "no guard"

    class profiles(AsyncMongoGamification):  # noqa: N801
        async def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
            with self._mongo.writing("gamification_profiles"):
                await self._profiles.update_one({"user_id": ObjectId(user_id)}, to_update(state))


class Upsert(Variant):
    name = "upsert"

    class profiles(AsyncMongoGamification):  # noqa: N801
        async def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
            query = {"user_id": ObjectId(user_id), "seq": {"$not": {"$gt" if repair else "$gte": state.seq}}}
            with self._mongo.writing("gamification_profiles"):
                await self._profiles.update_one(query, to_update(state), upsert=True)


class IncrementFirst(Variant):
    """The total is raised, then the row is written; the projection leaves the total alone."""

    name = "increment first"

    class ledger(AsyncMongoLedger):  # noqa: N801
        async def append(self, row: XPTransaction, events: Sequence[Event], to: Sequence[Recipients] = ()) -> None:
            profiles = self._mongo.collection("gamification_profiles")
            with self._mongo.writing("gamification_profiles"):
                await profiles.update_one({"user_id": ObjectId(row.user_id)}, {"$inc": {"total_xp": row.amount}})
            await super().append(row, events, to)

    class profiles(AsyncMongoGamification):  # noqa: N801
        async def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
            update = to_update(state)
            del update["$set"]["total_xp"]
            query = {"user_id": ObjectId(user_id), "seq": {"$not": {"$gte": state.seq}}}
            with self._mongo.writing("gamification_profiles"):
                await self._profiles.update_one(query, update)


WRONG: list[tuple[type[Variant], str, str]] = [
    (NoUniqueSeq, "two awards at the cap", "the seqs are"),
    (GuardOnEquality, "an award and an opt-out after two lost projections", "the profile's"),
    (NoGuard, "two awards at the cap", "the profile's"),
    (Upsert, "two awards at the cap", "DuplicateKeyError"),
    (IncrementFirst, "two awards at the cap", "the profile's total_xp is"),
]
"""What is wrong, where that shows, and as what: another complaint could be one about the variant itself."""


@pytest.mark.parametrize(("variant", "name", "what"), WRONG, ids=[f"{each[0].name}, {each[1]}" for each in WRONG])
def test_what_is_known_to_be_wrong_is_found(variant: type[Variant], name: str, what: str) -> None:
    enter("memory")
    found = explore(PLOTS[name].wrong(variant), first_only=True)
    assert found.violations, f"nothing wrong was found with {variant.name!r}: {found.told()}"
    said, path = found.violations[0]
    assert what in said
    counts.tell(f"MongoDB: found: {variant.name}: {said} (after {len(path)} calls, {found.ends} ends)")


@pytest.mark.parametrize("variant", [variant for variant, _, _ in WRONG], ids=lambda variant: variant.name)
def test_what_is_wrong_goes_well_when_nobody_meets(variant: type[Variant]) -> None:
    """So it takes an explorer to find it; but to increment first goes wrong with any call that is repeated."""
    enter("memory")
    alone = MongoPlot("alone", award(30, "b"), before=[award(100, "a")])
    found = explore(alone.wrong(variant), strikes=())
    assert bool(found.violations) is (variant is IncrementFirst), found.story()
