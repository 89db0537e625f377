"""What accounts cost: how much of a registration and a log-in is bcrypt, a user read, and the event loop meanwhile.

Run it: ``python tools/bench/accounts.py``. Memory is the storage, and cost 12 what passwords are hashed at. The loop's
lag is how much later than asked a task wakes that sleeps a millisecond at a time while twenty log in at once. A
log-in of who is unknown must take as long as one of who is known.
"""

import asyncio
import base64
import os
import statistics
import time
from itertools import count

import bcrypt
from measuring import Work, arguments, medians, show

from tektree import AsyncTekTree, Policy, TekTree
from tektree.errors import InvalidCredentials
from tektree.policy import Passwords

PASSWORD = "correct horse"  # noqa: S105 - everybody's
AT_ONCE = 20


def main() -> None:
    """Prints the table, and what the loop did."""
    given = arguments(__doc__)
    cost = 10 if given.quick else 12
    policy = Policy(passwords=Passwords(bcrypt_cost=cost))
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


if __name__ == "__main__":
    main()
