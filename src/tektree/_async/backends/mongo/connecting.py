"""From what a host passes as ``mongo`` to our backends over it."""

from functools import partial
from typing import Any, Final

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from tektree._async.backends.mongo.accounts import AsyncMongoAccounts
from tektree._async.backends.mongo.answers import AsyncMongoAnswers
from tektree._async.backends.mongo.areas import AsyncMongoAreas, AsyncMongoFollows
from tektree._async.backends.mongo.connections import AsyncMongoConnections
from tektree._async.backends.mongo.deliveries import AsyncMongoDeliveries
from tektree._async.backends.mongo.driver import DEADLINE, AsyncMongo, driver_of, stranger, warn_of_motor
from tektree._async.backends.mongo.events import AsyncMongoEventLog
from tektree._async.backends.mongo.filings import AsyncMongoFilings
from tektree._async.backends.mongo.gamification import AsyncMongoGamification, AsyncMongoLedger
from tektree._async.backends.mongo.insights import AsyncMongoInsights
from tektree._async.backends.mongo.leaderboards import AsyncMongoLeaderboards
from tektree._async.backends.mongo.questions import AsyncMongoQuestions
from tektree._async.backends.mongo.setup import AsyncMongoSetup
from tektree._async.backends.mongo.streams import AsyncMongoEffects, AsyncMongoLeases, AsyncMongoNews
from tektree._async.backends.mongo.subscriptions import AsyncMongoSubscriptions
from tektree._async.backends.mongo.uids import AsyncMongoUids
from tektree._async.backends.mongo.votes import AsyncMongoVotes
from tektree._async.ports.bundles import AsyncBackends
from tektree._flavour import async_databases
from tektree.errors import ConfigurationError

__all__ = ["mongo_backends"]

_FORM: Final = "it must be like mongodb://host/name, with user and password percent-encoded"


def mongo_backends(mongo: Any, deadline: float = DEADLINE) -> AsyncBackends:
    """Our backends over a URI or a database.

    A client that is opened here is closed with the SDK, one that came with a database is not. No command takes
    longer than ``deadline`` seconds, nor than the client's own ``timeoutMS``. Raises `ConfigurationError` for anything
    else than a URI or a database, for a URI that names no database, and for a client that asks for no confirmation.
    """
    if isinstance(mongo, str):
        client, database = _opened(mongo)
        found = AsyncMongo(_confirmed(database), deadline, client.close)
    elif driver_of(mongo):
        if driver_of(mongo) == "Motor":
            warn_of_motor()
        found = AsyncMongo(_confirmed(mongo), deadline)
    else:
        drivers = " or ".join(async_databases.values())
        reason = stranger(mongo) or f"must be a URI 'mongodb://host/name', or a database of {drivers}: client['name']"
        raise ConfigurationError("mongo", reason)
    uids = AsyncMongoUids(found)
    ledger, setup = AsyncMongoLedger(found, uids), AsyncMongoSetup(found)
    accounts, areas, questions = AsyncMongoAccounts(found), AsyncMongoAreas(found), AsyncMongoQuestions(found)
    return AsyncBackends(
        AsyncMongoGamification(found, uids),
        ledger,
        AsyncMongoLeaderboards(found, ledger, uids),
        AsyncMongoEventLog(found),
        AsyncMongoDeliveries(found),
        accounts,
        AsyncMongoSubscriptions(found),
        on_setup=setup,
        on_close=found.close,
        on_check=setup.drift,
        areas=areas,
        follows=AsyncMongoFollows(found),
        questions=questions,
        answers=AsyncMongoAnswers(found),
        votes=AsyncMongoVotes(found),
        connections=AsyncMongoConnections(found),
        insights=AsyncMongoInsights(found),
        filings=AsyncMongoFilings(found, accounts, areas, questions),
        leases=AsyncMongoLeases(found),
        effects=AsyncMongoEffects(found),
        news=partial(AsyncMongoNews.opened, found),
    )


def _confirmed(database: Any) -> Any:
    if not getattr(database.write_concern, "acknowledged", True):
        raise ConfigurationError("mongo", "asks for no confirmation of writes (w=0); leave w out")
    return database


def _opened(uri: str) -> tuple[AsyncMongoClient[dict[str, Any]], Any]:
    """A client of our own. What is wrong with a URI is said without repeating it: it may hold a password."""
    try:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(uri, connect=False)
    except (PyMongoError, ValueError, TypeError, UnicodeError) as error:
        reason = f"is no valid MongoDB URI ({type(error).__name__}); {_FORM}"
        raise ConfigurationError("mongo", reason) from None
    try:
        return client, client.get_default_database()
    except PyMongoError:
        raise ConfigurationError("mongo", "must name a database: mongodb://host/name") from None
