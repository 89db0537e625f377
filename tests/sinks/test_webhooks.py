"""Webhooks: signed, in order for each endpoint and stream, tried again, given up by age; nobody waits for another."""

import asyncio
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from tektree import AsyncTekTree, ConfigurationError, Policy, TekTree
from tektree.catalog import Payload, Personal
from tektree.rules import webhooks
from tektree.sinks import Endpoint, Request
from tektree.testing import ManualClock, SeededIds
from tests.lanes import enter

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
POLICY = Policy(events={"sinks": ["webhooks"]}, reactions={}, achievements=())


class Joined(Payload, event="club.joined", by="club", stream="club:{club_id}"):
    """Somebody joined a club."""

    club_id: str
    number: int
    email: Personal[str] = None


@dataclass
class Receiver:
    """Endpoints, as a sender finds them."""

    answers: dict[str, Any] = field(default_factory=dict)
    """By URL the status, or what is raised."""
    requests: list[Request] = field(default_factory=list)
    addresses: dict[str, Sequence[str]] = field(default_factory=dict)

    def send(self, request: Request) -> int:
        self.requests.append(request)
        answer = self.answers.get(request.url, 200)
        if isinstance(answer, Exception):
            raise answer
        return int(answer)

    def resolve(self, host: str, port: int) -> Sequence[str]:
        return self.addresses.get(host, ["93.184.216.34"])

    def numbers(self, url: str) -> list[tuple[str, int]]:
        """Club and number of what came there."""
        bodies = [json.loads(each.body)["data"] for each in self.requests if each.url == url]
        return [(each["club_id"], each["number"]) for each in bodies]


def endpoint(name: str, **changes: Any) -> Endpoint:
    fields: dict[str, Any] = {"url": url(name), "secret": SECRET, "events": ("club.*",)}
    return Endpoint(name, **{**fields, **changes})


def url(name: str) -> str:
    return f"https://{name}.example.com/hook"


@dataclass
class World:
    receiver: Receiver = field(default_factory=Receiver)
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        enter("memory")
        self.tek = TekTree.in_memory(POLICY, self.clock, SeededIds(1))
        self.tek.events.register(Joined)

    def add(self, *endpoints: Endpoint, **options: Any) -> "World":
        options = {"resolve": self.receiver.resolve, **options}
        self.tek.events.relay.add(self.tek.events.webhooks(endpoints, self.receiver.send, **options))
        return self

    def join(self, club: str, number: int) -> None:
        self.tek.events.emit(Joined(club_id=club, number=number, email="ada@example.com"), key=f"{club}{number}")

    def run(self, seconds: float = 0) -> Any:
        self.clock.advance(timedelta(seconds=seconds))
        return self.tek.events.relay.run_once(due_only=True)


def test_what_is_sent_is_signed_and_says_nothing_personal() -> None:
    world = World().add(endpoint("a"))
    world.join("go", 1)
    swept = world.run()
    assert (swept.published, swept.delivered) == (1, 1)
    (request,) = world.receiver.requests
    found = webhooks.verified(request.headers, request.body, [webhooks.key_of(SECRET)], world.clock.now)
    assert found.id.startswith("evt_")
    said = json.loads(request.body)
    assert said["data"] == {"club_id": "go", "number": 1, "email": None}
    assert (said["type"], said["stream"], said["seq"]) == ("club.joined", "club:go", 1)
    assert request.addresses == ("93.184.216.34",)
    assert b"ada@example.com" not in request.body


def test_an_endpoint_gets_only_what_it_asked_for() -> None:
    world = World().add(endpoint("a"), endpoint("b", events=("xp.awarded",)))
    world.join("go", 1)
    world.run()
    assert [each.url for each in world.receiver.requests] == [url("a")]


def test_what_fails_is_tried_again_in_order_and_other_streams_go_on() -> None:
    world = World().add(endpoint("a"))
    world.receiver.answers[url("a")] = 500
    world.join("go", 1)
    world.join("go", 2)
    world.run()
    assert world.receiver.numbers(url("a")) == [("go", 1)]
    world.join("rust", 1)
    world.receiver.answers[url("a")] = 204
    world.run()
    assert world.receiver.numbers(url("a"))[1:] == [("rust", 1)], "it is not due yet"
    world.run(5)
    assert world.receiver.numbers(url("a"))[2:] == [("go", 1), ("go", 2)]
    ids = [each.headers["webhook-id"] for each in world.receiver.requests]
    assert ids[0] == ids[2], "a repetition has the same id"


def test_a_dead_endpoint_does_not_hold_up_another() -> None:
    world = World().add(endpoint("dead"), endpoint("alive"))
    world.receiver.answers[url("dead")] = ConnectionError("no")
    for number in range(1, 6):
        world.join("go", number)
        world.run()
    assert world.receiver.numbers(url("alive")) == [("go", number) for number in range(1, 6)]
    assert set(world.receiver.numbers(url("dead"))) == {("go", 1)}


def test_what_is_too_old_is_given_up_and_what_comes_behind_it_goes_on() -> None:
    world = World().add(endpoint("a", age=timedelta(hours=1)))
    world.receiver.answers[url("a")] = 503
    world.join("go", 1)
    for _ in range(40):
        world.run(120)
    (dead,) = world.tek.events.dead_letters.list().items
    assert (dead.handler, dead.reason) == ("webhooks:a", "GivenUp: it is too old")
    world.receiver.answers[url("a")] = 200
    world.join("go", 2)
    world.run()
    assert world.receiver.numbers(url("a"))[-1] == ("go", 2)
    tries = len(world.receiver.requests) - 1
    assert 5 < tries < 20, "the waits grow"


def test_an_endpoint_that_says_it_is_gone_is_believed() -> None:
    world = World().add(endpoint("a"))
    world.receiver.answers[url("a")] = 410
    world.join("go", 1)
    assert world.run().dead == 1
    (dead,) = world.tek.events.dead_letters.list().items
    assert dead.reason == "GivenUp: answered 410: it is gone"


@pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::ffff:169.254.169.254"], []])
def test_a_name_that_leads_into_a_private_network_is_not_called(found: list[str]) -> None:
    world = World().add(endpoint("a"))
    world.receiver.addresses["a.example.com"] = found
    world.join("go", 1)
    assert world.run().failed == 1
    assert world.receiver.requests == []


def test_a_name_that_leads_elsewhere_a_moment_later_leads_nowhere() -> None:
    """The sender gets the addresses that were checked, and connects to no other; each request is looked up anew."""
    world = World().add(endpoint("a"))
    world.join("go", 1)
    world.run()
    assert world.receiver.requests[0].addresses == ("93.184.216.34",)
    world.receiver.addresses["a.example.com"] = ["169.254.169.254"]
    world.join("go", 2)
    world.run()
    assert len(world.receiver.requests) == 1


def test_next_door_is_allowed_where_that_is_said() -> None:
    world = World().add(endpoint("a", url="http://localhost:8080/hook"), private=True)
    world.receiver.addresses["localhost"] = ["127.0.0.1"]
    world.join("go", 1)
    world.run()
    assert len(world.receiver.requests) == 1


def test_a_name_that_leads_nowhere_is_tried_again() -> None:
    def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError(host)

    world = World().add(endpoint("a"), resolve=nowhere)
    world.join("go", 1)
    assert world.run().failed == 1
    (waiting,) = world.tek._backends.deliveries.heads(["webhooks:a"], 9)
    assert waiting.reason == "Undelivered: its name leads nowhere"


def test_an_address_is_looked_up_by_the_system_where_nobody_else_does() -> None:
    world = World().add(endpoint("a", url="https://127.0.0.1/hook"), resolve=None)
    world.join("go", 1)
    world.run()
    assert world.receiver.requests == []
    (waiting,) = world.tek._backends.deliveries.heads(["webhooks:a"], 9)
    assert waiting.reason == "Undelivered: its name leads into a private network"


@pytest.mark.parametrize(
    ("endpoints", "options"),
    [
        ([endpoint("a"), endpoint("a")], {}),
        ([endpoint("a", secret=())], {}),
        ([endpoint("a", secret="short")], {}),
        ([endpoint("a", events=("club.left",))], {}),
        ([endpoint("a", timeout=60.0)], {}),
        ([endpoint("a")], {"name": "other"}),
    ],
)
def test_what_is_wrong_with_a_set_up_is_said_at_once(endpoints: list[Endpoint], options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        World().add(*endpoints, **options)


def test_a_sender_that_gives_no_status_is_a_failure() -> None:
    world = World()
    world.receiver.answers[url("a")] = 200
    world.tek.events.relay.add(
        world.tek.events.webhooks([endpoint("a")], lambda request: "ok", resolve=world.receiver.resolve)  # type: ignore[arg-type, return-value]
    )
    world.join("go", 1)
    assert world.run().failed == 1


def test_a_slow_endpoint_does_not_hold_up_another_while_a_relay_runs() -> None:
    """In threads: the slow one answers only when the quick one has everything."""
    world, quick = World(), threading.Event()

    def send(request: Request) -> int:
        if request.url == url("slow"):
            assert quick.wait(20)
        world.receiver.requests.append(request)
        if len(world.receiver.numbers(url("quick"))) == 5:
            quick.set()
        if len(world.receiver.requests) == 10:
            world.tek.events.relay.stop()
        return 200

    hooks = world.tek.events.webhooks([endpoint("slow"), endpoint("quick")], send, resolve=world.receiver.resolve)
    world.tek.events.relay.add(hooks)
    for number in range(1, 6):
        world.join("go", number)
    world.tek.events.relay.run(poll=0.01)
    expected = [("go", number) for number in range(1, 6)]
    assert world.receiver.numbers(url("quick")) == world.receiver.numbers(url("slow")) == expected
    assert quick.is_set()


def test_the_same_awaited() -> None:
    async def scenario() -> list[tuple[str, int]]:
        receiver, clock = Receiver(), ManualClock()
        tek = AsyncTekTree.in_memory(POLICY, clock, SeededIds(1))
        tek.events.register(Joined)
        quick = asyncio.Event()

        async def send(request: Request) -> int:
            if request.url == url("slow"):
                await quick.wait()
            receiver.requests.append(request)
            if len(receiver.numbers(url("quick"))) == 3:
                quick.set()
            if len(receiver.requests) == 6:
                tek.events.relay.stop()
            return 200

        async def resolve(host: str, port: int) -> Sequence[str]:
            return ["93.184.216.34"]

        tek.events.relay.add(tek.events.webhooks([endpoint("slow"), endpoint("quick")], send, resolve=resolve))
        for number in range(1, 4):
            await tek.events.emit(Joined(club_id="go", number=number), key=f"{number}")
        async with asyncio.timeout(20):
            await tek.events.relay.run(poll=0.01)
        return receiver.numbers(url("slow"))

    enter("memory")
    assert asyncio.run(scenario()) == [("go", number) for number in range(1, 4)]
