"""From what a host passes as ``mongo`` to our backends over it."""

from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from tektree._async.backends.mongo.driver import AsyncMongo, driver_of, warn_of_motor
from tektree._async.backends.mongo.events import AsyncMongoEventLog
from tektree._async.backends.mongo.gamification import AsyncMongoGamification, AsyncMongoLedger
from tektree._async.backends.mongo.leaderboards import AsyncMongoLeaderboards
from tektree._async.backends.mongo.setup import AsyncMongoSetup
from tektree._async.ports.bundles import AsyncBackends
from tektree._flavour import async_databases
from tektree.errors import ConfigurationError

__all__ = ["mongo_backends"]


def mongo_backends(mongo: Any, deadline: float = 10.0) -> AsyncBackends:
    """Our backends over a URI or a database. A client that is opened here is closed with the SDK, one that came with
       a database is not.

    Raises `ConfigurationError` for anything else, for a URI without a database, and for a client that asks for no
    confirmation.
    """
    client = None
    if isinstance(mongo, str):
        client, database = _opened(mongo)
    elif driver_of(mongo):
        database = mongo
    else:
        drivers = " or ".join(async_databases.values())
        raise ConfigurationError("mongo", f"must be a URI 'mongodb://host/name', or a database of {drivers}")
    if driver_of(database) == "Motor":
        warn_of_motor()
    if not getattr(database.write_concern, "acknowledged", True):
        raise ConfigurationError("mongo", "asks for no confirmation of writes (w=0); leave w out")
    found = AsyncMongo(database, deadline)
    ledger = AsyncMongoLedger(found)
    setup = AsyncMongoSetup(found)
    return AsyncBackends(
        AsyncMongoGamification(found),
        ledger,
        AsyncMongoLeaderboards(found, ledger),
        AsyncMongoEventLog(found),
        on_setup=setup,
        on_close=None if client is None else client.close,
        on_check=setup.drift,
    )


def _opened(uri: str) -> tuple[AsyncMongoClient[dict[str, Any]], Any]:
    """A client of our own. What is wrong with a URI is said without repeating it: it may hold a password."""
    try:
        name = parse_uri(uri, validate=True)["database"]
    except (PyMongoError, ValueError) as error:
        raise ConfigurationError("mongo", f"is no valid MongoDB URI ({type(error).__name__})") from None
    if not name:
        raise ConfigurationError("mongo", "must name a database: mongodb://host/name")
    try:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(uri, connect=False, serverSelectionTimeoutMS=5000)
    except (PyMongoError, ValueError) as error:
        raise ConfigurationError("mongo", f"holds an option that the driver refuses ({type(error).__name__})") from None
    return client, client[name]
