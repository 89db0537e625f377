"""What the storage of connections promises, check by check."""

from typing import Any, Final

from tektree._async.conformance import documents
from tektree._async.conformance.documents import Kind
from tektree._async.conformance.samples import NOON, Check, Race, fails, later, same
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.connections import AsyncConnectionRepository
from tektree.ids import derived_id
from tektree.models.connections import Connection, ContactStatus

__all__ = ["CHECKS", "RACES"]

_ME: Final = derived_id("user", "me")
_EVERY: Final[tuple[ContactStatus, ...]] = ("connected", "sent", "received", "blocked")


def connection(name: str, **more: Any) -> Connection:
    """The connection of the user ``me`` with somebody of that name, who asked for it."""
    other = derived_id("user", name)
    fields: dict[str, Any] = {
        "id": derived_id("connection", name),
        "users": sorted([_ME, other]),
        "uids": [f"usr_{'me' if user == _ME else name}" for user in sorted([_ME, other])],
        "asked": (other,),
        "status": "requested",
        "at": NOON,
    }
    return Connection(**{**fields, **more})


def _by(record: Connection, user_id: str) -> Connection:
    return record.evolve(users=(user_id, record.users[1]))


_CONNECTIONS: Final = Kind(
    "connections",
    lambda backends: backends.connections,
    connection,
    {"asked": (), "blocked": (_ME,), "status": "none", "at": later(1)},
    made_by=_by,
)


def _store(backends: AsyncBackends) -> AsyncConnectionRepository:
    return backends.connections or fails("the storages have no connections")


async def _filled(store: AsyncConnectionRepository) -> dict[str, Connection]:
    """One of each kind, as ``me`` sees it; whom ``me`` blocks has asked, who blocks ``me`` was asked."""
    other = {name: derived_id("user", name) for name in ("joined", "asked", "asks", "shut", "shuts", "gone")}
    every = {
        "joined": connection("joined", asked=sorted([_ME, other["joined"]]), status="connected"),
        "asked": connection("asked", asked=(_ME,)),
        "asks": connection("asks"),
        "shut": connection("shut", blocked=(_ME,)),
        "shuts": connection("shuts", asked=(_ME,), blocked=(other["shuts"],)),
        "gone": connection("gone", asked=(), status="none"),
    }
    for each in every.values():
        await store.insert(each, [])
    stranger = derived_id("user", "stranger")
    await store.insert(_by(every["joined"].evolve(id=derived_id("x")), stranger).evolve(asked=(), status="none"), [])
    return every


async def connections_are_found_by_what_they_are_to_a_user(backends: AsyncBackends) -> None:
    """``page`` and ``count`` go by what the user sees: a request to who blocks them is sent, one that they do not see
    is not received.
    """
    store = _store(backends)
    every = await _filled(store)
    wanted = {"connected": ["joined"], "sent": ["asked", "shuts"], "received": ["asks"], "blocked": ["shut"]}
    for status in _EVERY:
        expected = sorted([every[name].id for name in wanted[status]], reverse=True)
        found = await store.page(_ME, status, None, 9)
        same(status, [each.id for each in found.items], expected)
        same(f"{status}: the last page", found.last, None)
        same(f"{status}: the count", await store.count(_ME, status), len(expected))
    other = derived_id("user", "shuts")
    same("of the other", [each.id for each in (await store.page(other, "blocked", None, 9)).items], [every["shuts"].id])
    same("received by who blocks", await store.count(other, "received"), 0)
    same("of nobody", await store.count(derived_id("nothing"), "connected"), 0)


async def connections_are_known_by_who_is_connected(backends: AsyncBackends) -> None:
    """``connected`` gives the other users' ids, the latest first, up to a limit, and follows every change."""
    store = _store(backends)
    others = [derived_id("user", f"c{at}") for at in range(3)]
    stored = [
        await store.insert(
            connection(f"c{at}", asked=sorted([_ME, other]), status="connected", at=later(seconds=at)), []
        )
        for at, other in enumerate(others)
    ]
    await store.insert(connection("asks"), [])
    same("all", list(await store.connected(_ME, 9)), others[::-1])
    same("up to a limit", list(await store.connected(_ME, 2)), others[:0:-1])
    same("of the other", list(await store.connected(others[0], 9)), [_ME])
    await store.swap(stored[1], stored[1].record.evolve(asked=(), status="none", at=later(1)))
    same("after one ended", list(await store.connected(_ME, 9)), [others[2], others[0]])
    same("of who is alone", list(await store.connected(others[1], 9)), [])


async def connections_are_paged_by_when_they_came(backends: AsyncBackends) -> None:
    """Pages are newest first, of one instant the greatest id first, and each goes on behind the one before."""
    store = _store(backends)
    every = [
        (await store.insert(connection(f"p{at}", at=later(seconds=at // 3)), [])).record for at in range(7)
    ]  # three at one instant
    expected = [each.id for each in sorted(every, key=lambda each: (each.at, each.id), reverse=True)]
    found: list[str] = []
    before = None
    for _ in range(4):
        page = await store.page(_ME, "received", before, 2)
        found += [each.id for each in page.items]
        before = page.last
    same("all pages", found, expected)
    same("behind the last", before, None)


CHECKS: Final[tuple[Check, ...]] = (
    *documents.checks_of(_CONNECTIONS),
    connections_are_found_by_what_they_are_to_a_user,
    connections_are_known_by_who_is_connected,
    connections_are_paged_by_when_they_came,
)
RACES: Final[tuple[Race, ...]] = documents.races_of(_CONNECTIONS)
