"""What accounts cost: how much of a registration and a log-in is bcrypt, a user read, and the event loop meanwhile; and
whether the time of a log-in that fails tells why it does.

Run it: ``python tools/bench/accounts.py``. Memory is the storage, and cost 12 what passwords are hashed at. The loop's
lag is how much later than asked a task wakes that sleeps a millisecond at a time while twenty log in at once.

For the last question bcrypt is made cheaper, so that what is around it shows: at cost 4 it is 256 times as quick as at
12. Failures of all kinds are shuffled. Each kind is compared with a wrong password for the same sort of name (reading
an address takes longer than a handle, as who tried knows), by the test of Mann and Whitney (corrected by Holm), and by
the difference of the medians, as a share of one hash, with its 99 % interval. Two kinds are the control: a log-in that
works for a twentieth of a hash more, and one that hashes nothing, have to be told apart.
"""

import asyncio
import base64
import logging
import os
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import bcrypt
from measuring import Work, arguments, medians, show

from tektree import AsyncTekTree, Policy, Principal, TekTree
from tektree.errors import InvalidCredentials, RateLimited
from tektree.models.accounts import PasswordHash
from tektree.policy import Passwords, RateLimit, RateLimits
from tektree.rules import passwords

PASSWORD = "correct horse"  # noqa: S105 - everybody's
AT_ONCE = 20
OFTEN = RateLimits(login_per_account=RateLimit(limit=10_000_000))
FLOODS = (1_000, 10_000)
TOLD_APART = 0.01
ROOT = Principal("0" * 24, "usr_root", role="admin")
WRONG = "a wrong password"
BY_ADDRESS = "a wrong password, by address"
ONE = "one hash"
AGAINST = {"an unknown address": BY_ADDRESS}
"""What a kind is compared with, where that is not a wrong password for a handle."""


def main() -> None:
    """Prints the tables, and what the loop did."""
    given = arguments(__doc__)
    logging.getLogger("tektree").addHandler(logging.NullHandler())  # who finds a damaged hash warns of it
    cost = 10 if given.quick else 12
    policy = Policy(passwords=Passwords(bcrypt_cost=cost), rate_limits=OFTEN)
    tek = TekTree.in_memory(policy=policy)
    ada = tek.accounts.register(email="ada@example.com", handle="ada_l", password=PASSWORD)
    number = count()
    salt = f"$2b${cost:02}${base64.b64encode(os.urandom(16)).decode()[:21].replace('+', '.')}O".encode()

    def register() -> object:
        at = next(number)
        return tek.accounts.register(email=f"u{at}@example.com", handle=f"user_{at}", password=PASSWORD)

    hashing = {
        "bcrypt alone": lambda: bcrypt.hashpw(PASSWORD.encode(), salt),
        "authenticate": lambda: tek.accounts.authenticate("ada_l", PASSWORD),
        "authenticate, wrong": lambda: _refused(tek, "ada_l"),
        "authenticate, unknown": lambda: _refused(tek, "nobody"),
        "register": register,
    }
    taken = medians(hashing, 3 if given.quick else 25, 1)
    bare = taken["bcrypt alone"]
    rows = [[round(each), f"{bare / each:.1%}", name] for name, each in taken.items()]
    show(f"at cost {cost}", ["µs", "of it bcrypt", "call"], rows)
    stored = tek.accounts._accounts  # the same read, without the service
    reading: dict[str, Work] = {
        "from memory alone": lambda: stored.by_id(ada.id),
        "get": lambda: tek.accounts.get(ada.id),
    }
    taken = medians(reading, 5 if given.quick else 50, 200)
    show("a user read", ["µs", "call"], [[each, name] for name, each in taken.items()])
    lags = sorted(asyncio.run(_lags(policy, 1 if given.quick else 5)))
    print(f"\nthe loop's lag under {AT_ONCE} log-ins at cost {cost}: median {statistics.median(lags):.1f} ms, ", end="")
    print(f"p99 {lags[int(len(lags) * 0.99)]:.1f} ms, most {lags[-1]:.1f} ms")
    _floods(policy, (100,) if given.quick else FLOODS)
    for cheap, calls in ((4, 20),) if given.quick else ((4, 2_000), (8, 300)):
        _kinds(cheap, calls, 1 if given.quick else 3)


def _refused(tek: TekTree, name: str) -> None:
    try:
        tek.accounts.authenticate(name, "wrong")
    except InvalidCredentials:
        return
    raise AssertionError("was let in")


async def _lags(policy: Policy, rounds: int) -> list[float]:
    tek = AsyncTekTree.in_memory(policy=policy)
    await tek.accounts.register(email="ada@example.com", handle="ada_l", password=PASSWORD)
    lags: list[float] = []
    over = asyncio.Event()

    async def tick() -> None:
        while not over.is_set():
            start = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append((time.perf_counter() - start) * 1e3 - 1)

    ticking = asyncio.create_task(tick())
    for _ in range(rounds):
        await asyncio.gather(*[tek.accounts.authenticate("ada_l", PASSWORD) for _ in range(AT_ONCE)])
    over.set()
    await ticking
    return lags


# -- many at once ------------------------------------------------------------------------------------------------------


def _floods(policy: Policy, sizes: Sequence[int]) -> None:
    print(
        f"\nlog-ins at the same instant, of which {policy.passwords.at_once} hash and {policy.passwords.waiting} wait"
    )
    for size in sizes:
        before = _most_memory()
        hashed, refused = asyncio.run(_flood(policy, size))
        print(f"{size:,}: {hashed} hashed, {refused:,} refused, {_most_memory() - before:.1f} MB more at the peak")


async def _flood(policy: Policy, size: int) -> tuple[int, int]:
    tek = AsyncTekTree.in_memory(policy=policy)
    await tek.accounts.register(email="ada@example.com", handle="ada_l", password=PASSWORD)
    calls = [tek.accounts.authenticate("ada_l", PASSWORD) for _ in range(size)]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    refused = sum([isinstance(end, RateLimited) for end in ends])
    return size - refused, refused


def _most_memory() -> float:
    """Megabytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1_024 if sys.platform != "darwin" else 1_024**2)


# -- why it failed -----------------------------------------------------------------------------------------------------


class Cheaper:
    """Stands for the module ``bcrypt``: what is asked for at cost 10 is made at a lower one."""

    def __init__(self, cost: int) -> None:
        self.cost = cost

    def hashpw(self, secret: bytes, salt: bytes) -> bytes:
        """A hash that says that it is of cost 10."""
        made = bcrypt.hashpw(secret, b"$2b$%02d" % self.cost + salt[6:])
        return salt[:6] + made[6:]


def _kinds(cost: int, calls: int, repeats: int) -> None:
    rules: Any = passwords
    real, rules.bcrypt = rules.bcrypt, Cheaper(cost)
    try:
        kinds = _failures()
        about = medians({ONE: _one}, 50, 1)[ONE]
        kinds["control: a twentieth of a hash more"] = _slower(kinds[WRONG], about * 1e-6 / 20)
        kinds["control: no hash"] = lambda: None
        taken = [_shuffled({**kinds, ONE: _one}, calls) for _ in range(repeats)]
    finally:
        rules.bcrypt = real
    hash = statistics.median([each for repeat in taken for each in repeat[ONE]])
    rows = [_row(name, taken, hash) for name in kinds]
    title = f"a log-in that fails, at cost {cost} (one hash: {hash:,.0f} µs), {calls:,} of each kind"
    show(title, ["µs", "of a hash more", "99 % interval", f"told apart, of {repeats}", "kind"], rows)


_CHEAP = Policy(passwords=Passwords(bcrypt_cost=10), rate_limits=OFTEN)


def _one() -> None:
    passwords.hashed(PASSWORD, b"s" * 16, _CHEAP.passwords)


def _failures() -> dict[str, Callable[[], None]]:
    tek = TekTree.in_memory(policy=_CHEAP)
    users = {
        name: tek.accounts.register(email=f"{name}@example.com", handle=name, password=PASSWORD)
        for name in ("ada_l", "gone", "broken")
    }
    tek.accounts.disable(ROOT, users["gone"].id)
    stored = tek.accounts._accounts.by_id(users["broken"].id)  # past all rules
    assert stored is not None
    tek.accounts._accounts.swap(stored, stored.user.evolve(password_hash=PasswordHash("$2b$04$short")))

    def fails(name: str, password: str = "wrong") -> Callable[[], None]:  # noqa: S107 - nobody's
        def call() -> None:
            try:
                tek.accounts.authenticate(name, password)
            except InvalidCredentials:
                return
            raise AssertionError("was let in")

        return call

    return {
        WRONG: fails("ada_l"),
        BY_ADDRESS: fails("ada_l@example.com"),
        "unknown": fails("nobody"),
        "an unknown address": fails("nobody@example.com"),
        "disabled": fails("gone", PASSWORD),
        "a damaged hash": fails("broken", PASSWORD),
        "73 bytes": fails("ada_l", "x" * 73),
        "a name that nobody can have": fails("n o b o d y"),
    }


def _slower(call: Callable[[], None], seconds: float) -> Callable[[], None]:
    def slower() -> None:
        call()
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            pass

    return slower


def _shuffled(kinds: Mapping[str, Callable[[], None]], calls: int) -> dict[str, list[float]]:
    """Microseconds of each call, all kinds in one order that is shuffled."""
    order = [name for name in kinds for _ in range(calls)]
    random.shuffle(order)
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for name in order:
        start = time.perf_counter()
        kinds[name]()
        taken[name].append((time.perf_counter() - start) * 1e6)
    return taken


def _row(name: str, taken: Sequence[Mapping[str, Sequence[float]]], hash: float) -> list[object]:
    times = [each for repeat in taken for each in repeat[name]]
    against = [each for repeat in taken for each in repeat[AGAINST.get(name, WRONG)]]
    middle = statistics.median(times)
    if name in (WRONG, BY_ADDRESS):
        return [round(middle), "", "", "", name]
    low, high = (share / hash for share in _interval(times, against))
    more = (middle - statistics.median(against)) / hash
    apart = sum([_holm(repeat)[name] < TOLD_APART for repeat in taken])
    return [round(middle), f"{more:+.2%}", f"{low:+.2%} to {high:+.2%}", apart, name]


def _interval(times: Sequence[float], against: Sequence[float]) -> tuple[float, float]:
    """Between what the difference of the medians is, 99 times of 100, by drawing again from what was measured."""
    found = sorted(
        [
            statistics.median(random.choices(times, k=len(times)))  # noqa: S311 - keeps no secret
            - statistics.median(random.choices(against, k=len(against)))  # noqa: S311
            for _ in range(400)
        ]
    )
    return found[2], found[-3]


def _holm(taken: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """By kind, how likely so great a difference is where there is none, corrected for their number."""
    kinds = [name for name in taken if name not in (WRONG, BY_ADDRESS, ONE)]
    found = sorted([(_mann_whitney(taken[name], taken[AGAINST.get(name, WRONG)]), name) for name in kinds])
    corrected: dict[str, float] = {}
    worst = 0.0
    for at, (likely, name) in enumerate(found):
        worst = corrected[name] = max(worst, min(1.0, likely * (len(found) - at)))
    return corrected


def _mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """How likely it is that two samples of one distribution differ so much in their ranks, on either side."""
    ranked = sorted([*[(each, True) for each in one], *[(each, False) for each in other]])
    n, m = len(one), len(other)
    ranks = sum([rank for rank, (_, ours) in enumerate(ranked, start=1) if ours])
    spread = (n * m * (n + m + 1) / 12) ** 0.5
    away = abs(ranks - n * (n + m + 1) / 2) / spread
    return 2 * (1 - statistics.NormalDist().cdf(away))


if __name__ == "__main__":
    main()
