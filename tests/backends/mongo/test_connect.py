"""``connect``: what it takes and what it says, who closes what, one process, one event loop, an end to every wait."""

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo import AsyncMongoClient, MongoClient

from tektree import AsyncTekTree, ConfigurationError, TekTree, Unavailable
from tektree._sync.backends.mongo.connecting import mongo_backends
from tests.backends.mongo.worlds import MOCK, MOTOR, PYMONGO, PYMONGO_ASYNC, World, base_uri
from tests.lanes import enter

ADA = "06cdb4d44fc6dcb301ac337d"


@pytest.mark.parametrize(
    ("mongo", "said"),
    [
        ("mongodb://ada:hunter2@127.0.0.1:27017/", "must name a database"),
        ("mongodb://ada:hunter2@127.0.0.1:27017", "must name a database"),
        ("mongodb://ada:hunter2@@/x", "is no valid MongoDB URI"),
        ("mongodb://ada:hunter2@127.0.0.1:port/x", "is no valid MongoDB URI"),
        ("mongodb://ada:hunter2@127.0.0.1/a b/c", "is no valid MongoDB URI"),
        ("http://ada:hunter2@127.0.0.1/x", "is no valid MongoDB URI"),
        ("", "is no valid MongoDB URI"),
        ("mongodb://ada:hunter2@127.0.0.1/x?w=0", "asks for no confirmation"),
        (None, "must be a URI"),
        (5, "must be a URI"),
        (b"mongodb://127.0.0.1/x", "must be a URI"),
    ],
)
@pytest.mark.parametrize("flavour", [TekTree, AsyncTekTree])
def test_what_is_no_database_is_said_without_its_secrets(flavour: Any, mongo: Any, said: str) -> None:
    enter(MOCK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the driver's, of options that it leaves out
        with pytest.raises(ConfigurationError, match=said) as caught:
            flavour.connect(mongo)
    assert caught.value.field == "mongo"
    assert "hunter2" not in f"{caught.value!s} {caught.value!r} {vars(caught.value)}"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_a_database_of_the_other_flavour_names_the_class_to_use() -> None:
    enter(MOTOR)
    from motor.motor_asyncio import AsyncIOMotorClient

    with MongoClient[Any](connect=False) as client:
        with pytest.raises(ConfigurationError, match="database of PyMongo; TekTree takes it"):
            AsyncTekTree.connect(client["x"])
        with pytest.raises(ConfigurationError, match="must be a URI"):
            TekTree.connect(client)
        with pytest.raises(ConfigurationError, match="must be a URI"):
            TekTree.connect(client["x"]["a collection"])
    with pytest.raises(ConfigurationError, match="database of PyMongo Async; AsyncTekTree takes it"):
        TekTree.connect(AsyncMongoClient[Any](connect=False)["x"])
    with pytest.raises(ConfigurationError, match="database of Motor; AsyncTekTree takes it"):
        TekTree.connect(AsyncIOMotorClient(connect=False)["x"])


def test_a_client_that_asks_for_no_confirmation_is_refused() -> None:
    enter(PYMONGO)
    with MongoClient[Any](connect=False, w=0) as client, pytest.raises(ConfigurationError, match="w=0"):
        TekTree.connect(client["x"])
    with MongoClient[Any](connect=False) as client, pytest.raises(ConfigurationError, match="w=0"):
        TekTree.connect(client.get_database("x", write_concern=pymongo.WriteConcern(w=0)))
    with pytest.raises(ConfigurationError, match="w=0"):
        AsyncTekTree.connect(AsyncMongoClient[Any](connect=False, w=0)["x"])


def test_motor_is_told_once_and_of_the_line_that_connects() -> None:
    enter(MOTOR)
    from motor.motor_asyncio import AsyncIOMotorClient

    with pytest.warns(DeprecationWarning, match="Motor") as told:
        AsyncTekTree.connect(AsyncIOMotorClient(connect=False)["x"])
    [warning] = told
    assert "AsyncMongoClient" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR)
def test_what_is_passed_in_stays_open(world: World) -> None:
    async def scenario(world: World) -> None:
        client = world.client()
        tek = world.tek(client)
        user_id = (await tek.gamification.enroll("usr_ada")).user_id
        await tek.close()
        pong = client.admin.command("ping")
        assert (await pong if world.is_async else pong)["ok"]
        await tek.gamification.profile(user_id)

    world.run(scenario)


def test_what_is_opened_from_a_uri_is_closed() -> None:
    uri = f"{base_uri(PYMONGO)}tektree_opened"
    tek = TekTree.connect(uri)
    tek.setup()
    tek.gamification.enroll("usr_ada")
    with MongoClient[Any](uri) as client:
        client.drop_database("tektree_opened")
    tek.close()
    tek.close()
    with pytest.raises(ConfigurationError, match="is closed"):
        tek.gamification.enroll("usr_ada")


def test_what_is_opened_from_a_uri_is_closed_with_the_block() -> None:
    uri = f"{base_uri(PYMONGO_ASYNC)}tektree_block"

    async def scenario() -> None:
        async with AsyncTekTree.connect(uri) as tek:
            await tek.gamification.enroll("usr_ada")
        with pytest.raises(ConfigurationError, match="is closed"):
            await tek.gamification.profile(ADA)

    asyncio.run(scenario())
    with MongoClient[Any](uri) as client:
        client.drop_database("tektree_block")


def test_nothing_is_sent_before_the_first_call() -> None:
    enter(PYMONGO)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        tek = TekTree.connect(f"mongodb://127.0.0.1:{listening.getsockname()[1]}/x")
        with pytest.raises(TimeoutError):
            listening.accept()
        tek.close()


@pytest.mark.parametrize("lane", [PYMONGO_ASYNC, MOTOR])
def test_another_event_loop_is_an_error_not_a_hang(lane: str) -> None:
    world = World.made(lane).indexed()
    try:
        loop = asyncio.new_event_loop()
        client = world.client()
        tek = world.tek(client)
        user_id = loop.run_until_complete(tek.gamification.enroll("usr_ada")).user_id
        with pytest.raises(ConfigurationError, match="once per event loop"):
            asyncio.run(asyncio.wait_for(tek.gamification.profile(user_id), 5))
        # And so it is for a second tek over a client that the first loop has used.
        other = world.tek(client)
        with pytest.raises(ConfigurationError, match="once per event loop"):
            asyncio.run(asyncio.wait_for(other.gamification.profile(user_id), 5))
        assert loop.run_until_complete(tek.gamification.profile(user_id)).uid == "usr_ada"
        if lane == PYMONGO_ASYNC:
            loop.run_until_complete(client.close())
        else:
            client.close()
        loop.close()
    finally:
        world.over()


_FORKED = """
import os, sys, warnings
from tektree import ConfigurationError, TekTree
warnings.simplefilter("ignore")
uri = sys.argv[1]
tek = TekTree.connect(uri)
tek.setup()
user_id = tek.gamification.enroll("usr_ada").user_id
child = os.fork()
if child == 0:
    try:
        tek.gamification.profile(user_id)
    except ConfigurationError as error:
        again = TekTree.connect(uri)
        found = again.gamification.profile(user_id)
        again.close()
        tek.close()
        os._exit(7 if "forked" in str(error) and found.uid == "usr_ada" else 1)
    os._exit(2)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert tek.gamification.profile(user_id).uid == "usr_ada"
tek.close()
sys.exit(code)
"""


def test_a_forked_child_is_told_to_connect_again(tmp_path: Path) -> None:
    uri = f"{base_uri(PYMONGO)}tektree_forked"
    script = tmp_path / "forked.py"
    script.write_text(_FORKED, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script), uri], timeout=30, capture_output=True, text=True, check=False)
    with MongoClient[Any](uri) as client:
        client.drop_database("tektree_forked")
    assert done.returncode == 7, done.stderr


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    taken.append(listening.accept()[0])

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()
    for each in taken:
        each.close()


@pytest.mark.usefixtures("swept")
@pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR)
def test_a_server_that_never_answers(world: World, mute: int) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(world.client(f"mongodb://127.0.0.1:{mute}/"), deadline=0.3)
        began = time.monotonic()
        for call in (tek.gamification.profile(ADA), tek.gamification.enroll("usr_ada"), tek.setup(), tek.check()):
            with pytest.raises(Unavailable):
                await call
        assert time.monotonic() - began < 4

    world.run(scenario)


@pytest.fixture
def swept() -> Iterator[None]:
    """PyMongo Async drops sockets that it could not connect, for the collector to close."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("swept")
@pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR)
def test_a_server_that_is_not_there(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(world.client("mongodb://127.0.0.1:9/"), deadline=0.3)
        with pytest.raises(Unavailable):
            await tek.gamification.profile(ADA)

    world.run(scenario)


def test_the_deadline_is_ten_seconds_or_the_clients_own() -> None:
    enter(PYMONGO)

    def deadline(uri: str) -> float:
        ports: Any = mongo_backends(uri)
        found: float = ports.gamification._mongo.deadline
        ports.on_close()
        return found

    assert deadline("mongodb://127.0.0.1/x") == 10
    assert deadline("mongodb://127.0.0.1/x?timeoutMS=250") == 0.25
    assert deadline("mongodb://127.0.0.1/x?timeoutMS=90000") == 10


@pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR)
@pytest.mark.parametrize("options", [{"retryWrites": False}, {"tz_aware": True}, {"uuidRepresentation": "standard"}])
def test_options_of_the_hosts_client_change_nothing(world: World, options: dict[str, Any]) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(world.client(**options))
        user_id = (await tek.gamification.enroll("usr_ada")).user_id
        found = await tek.gamification.award(user_id, "manual", amount=7, key="k")
        again = await tek.gamification.award(user_id, "manual", amount=7, key="k")
        assert (again.outcome, again.transaction) == ("duplicate", found.transaction)
        assert await tek.gamification.verify(user_id)

    world.run(scenario)
