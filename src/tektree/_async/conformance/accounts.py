"""What the storage of accounts promises, check by check."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from tektree._async.conformance.samples import NOON, POLICY, Check, Race, Together, fails, later, refused, same
from tektree._async.ports.bundles import AsyncBackends
from tektree.errors import Stale, Taken
from tektree.ids import derived_id, event_id
from tektree.models.accounts import HandleClaim, PasswordHash, StoredUser, Token, User
from tektree.models.base import Frozen
from tektree.models.events import Event, EventFilter
from tektree.models.subscriptions import Subscription
from tektree.rules import accounts, tokens

__all__ = ["CHECKS", "RACES"]

_ANY: Final = EventFilter()
_HASH: Final = PasswordHash("$2b$10$" + "a" * 53)
_EMAIL: Final = {"email": "taken@example.com", "email_canonical": "taken@example.com"}
_HANDLE: Final = {"handle": "Taken_1", "handle_canonical": "taken_1"}


def account(name: str, **more: Any) -> User:
    """A user of that name."""
    fields: dict[str, Any] = {
        "id": derived_id("user", name),
        "uid": f"usr_{name}",
        "email": f"{name.title()}@example.com",
        "handle": name.title(),
        "first_name": "Ünïcode ∑ 𝄞",
        "password_hash": _HASH,
        "created_at": NOON,
        "updated_at": NOON,
        "email_canonical": f"{name}@example.com",
        "handle_canonical": name,
        "handle_claims": (HandleClaim(digest=accounts.claim(name)),),
    }
    return User(**{**fields, **more})


def _event(user: User, number: int) -> Event:
    id = event_id(f"user:{user.id}:{number}", "user.registered")
    return Event(
        id=id[4:],
        event_id=id,
        event_type="user.registered",
        timestamp=later(seconds=number),
        source_service="conformance",
        metadata=Frozen(stream=f"user:{user.uid}", recorded_at=later(seconds=number).isoformat()),
        payload=Frozen(user_id=user.uid, email=user.email, handle=user.handle, tier="free"),
    )


async def _there(backends: AsyncBackends, name: str, **more: Any) -> StoredUser:
    try:
        return await backends.accounts.insert(account(name, **more), [])
    except Taken as taken:
        fails(f"{taken.field} of {name} was refused, and is nobody's")


def _whole(what: str, found: StoredUser | None, expected: User, version: int, events: Sequence[Event] = ()) -> None:
    if found is None:
        fails(f"{what}: nobody was found")
    same(what, found.user, expected)
    same(f"{what}: the hash", _secret(found.user), _secret(expected))
    same(f"{what}: the version", found.version, version)
    same(f"{what}: the events", [each.event for each in found.left], list(events))


def _secret(user: User) -> str | None:
    return None if user.password_hash is None else user.password_hash.get_secret_value()


async def a_new_user_is_found_by_all_that_names_them(backends: AsyncBackends) -> None:
    """``insert`` stores the whole user at version 1 with its events, and every way of seeking gives it back."""
    token = Token(purpose="reset", digest="d" * 64, bound_to="b" * 64, made_at=NOON, expires_at=later(1))
    user = account("ada", tokens=(token,), bio="é\n∑", last_login_at=later(seconds=3), role="moderator")
    event = _event(user, 1)
    _whole("insert", await backends.accounts.insert(user, [event], [("somebody",)]), user, 1, [event])
    store = backends.accounts
    _whole("by_id", await store.by_id(user.id), user, 1, [event])
    _whole("by_uid", await store.by_uid(user.uid), user, 1, [event])
    _whole("by address", await store.called("email", "ada@example.com", "ADA@example.com"), user, 1, [event])
    _whole("by handle", await store.called("handle", "ada", "aDa"), user, 1, [event])
    _whole("by claim", await store.by_claim(accounts.claim("ada")), user, 1, [event])
    _whole("by token", await store.by_token(["c" * 64, "d" * 64]), user, 1, [event])
    found = await store.by_id(user.id)
    same("whom the event is for", [] if found is None else [each.to for each in found.left], [("somebody",)])


async def nobody_is_found_by_what_nobody_has(backends: AsyncBackends) -> None:
    """Every way of seeking gives None."""
    await _there(backends, "ben")
    store = backends.accounts
    for what, found in (
        ("by_id", await store.by_id(derived_id("user", "nobody"))),
        ("by_uid", await store.by_uid("usr_be")),
        ("by address", await store.called("email", "nobody@example.com", "nobody@example.com")),
        ("by handle", await store.called("handle", "nobody", "nobody")),
        ("an address as a handle", await store.called("handle", "ben@example.com", "Ben@example.com")),
        ("by claim", await store.by_claim(accounts.claim("nobody"))),
        ("by token", await store.by_token(["e" * 64])),
        ("by no token", await store.by_token([])),
    ):
        same(what, found, None)


async def who_was_there_before_is_found_to_the_letter(backends: AsyncBackends) -> None:
    """``called``: a user without a canonical form is called what is written; who has the canonical form comes first."""
    adopted = await _there(
        backends, "old", email="Weird@localhost", email_canonical=None, handle_canonical=None, handle_claims=()
    )
    store = backends.accounts
    _whole("to the letter", await store.called("email", None, "Weird@localhost"), adopted.user, 1)
    _whole("with a form", await store.called("email", "weird@localhost", "Weird@localhost"), adopted.user, 1)
    _whole("by handle", await store.called("handle", "old", "Old"), adopted.user, 1)
    same("in other letters", await store.called("email", "weird@localhost", "weird@localhost"), None)
    new = await _there(backends, "new", handle="Newer", handle_canonical="newer", email="other@example.com")
    same("who has a form", await store.called("handle", None, "Newer"), None)
    _whole("who has the form", await store.called("handle", "newer", "Old"), new.user, 1)


async def inserting_again_is_the_same_insert(backends: AsyncBackends) -> None:
    """``insert`` of an ``id`` that is there changes nothing and gives back what is there."""
    user = account("cyd")
    event = _event(user, 1)
    first = await backends.accounts.insert(user, [event])
    await backends.accounts.told(user.id, [event.event_id])
    changed = await backends.accounts.swap(first, user.evolve(bio="since then"))
    again = await backends.accounts.insert(user, [event])
    _whole("the second insert", again, changed.user, 2)
    _whole("the user", await backends.accounts.by_id(user.id), changed.user, 2)


async def an_address_and_a_handle_have_one_owner(backends: AsyncBackends) -> None:
    """``insert`` raises `Taken` for whatever is unique, written or canonical, and stores nothing."""
    await _there(backends, "dan", **_EMAIL, **_HANDLE, handle_claims=(HandleClaim(digest="1" * 64),))
    for field, more in (
        ("email", {"email": _EMAIL["email"]}),
        ("email", {"email_canonical": _EMAIL["email_canonical"]}),
        ("handle", {"handle": _HANDLE["handle"]}),
        ("handle", {"handle_canonical": _HANDLE["handle_canonical"]}),
        ("handle", {"handle_claims": (HandleClaim(digest="2" * 64), HandleClaim(digest="1" * 64, until=NOON))}),
        ("uid", {"uid": "usr_dan"}),
    ):
        other = account("eve", **more)
        error = await refused(f"a second owner of {next(iter(more))}", Taken, backends.accounts.insert, other, [])
        same(f"what is taken with {next(iter(more))}", getattr(error, "field", None), field)
        same("who was refused", await backends.accounts.by_id(other.id), None)
    _whole("who is free of all that", (await _there(backends, "eve")), account("eve"), 1)


async def what_a_refused_user_had_stays_free(backends: AsyncBackends) -> None:
    """An address that came with a handle that is taken is nobody's."""
    await _there(backends, "fay")
    await refused("the handle", Taken, backends.accounts.insert, account("gus", handle="Fay"), [])
    same("the address", await backends.accounts.called("email", "gus@example.com", "gus@example.com"), None)
    await _there(backends, "gil", email="Gus@example.com", email_canonical="gus@example.com")


async def a_swap_sets_everything_and_counts(backends: AsyncBackends) -> None:
    """``swap`` sets all fields at once, one version up, and leaves its events behind those that stand there."""
    user = account("hal", bio="before", avatar="https://example.com/a.png")
    one, two = _event(user, 1), _event(user, 2)
    old = await backends.accounts.insert(user, [one])
    wanted = user.evolve(
        email="else@example.com",
        email_canonical="else@example.com",
        email_verified=True,
        bio=None,
        avatar=None,
        role="admin",
        epoch=3,
        handle_claims=(*user.handle_claims, HandleClaim(digest="3" * 64, until=later(9))),
        updated_at=later(1),
    )
    _whole("swap", await backends.accounts.swap(old, wanted, [two]), wanted, 2, [one, two])
    found = await backends.accounts.by_id(user.id)
    _whole("the user", found, wanted, 2, [one, two])
    same("the old address", await backends.accounts.called("email", "hal@example.com", "Hal@example.com"), None)
    _whole("by the new one", await backends.accounts.called("email", "else@example.com", ""), wanted, 2, [one, two])
    back = wanted.evolve(epoch=0, role="user", email_verified=False, handle_claims=user.handle_claims)
    if found is not None:
        _whole("back at defaults", await backends.accounts.swap(found, back), back, 3, [one, two])
    _whole("the user at defaults", await backends.accounts.by_id(user.id), back, 3, [one, two])
    same("a claim that was given up", await backends.accounts.by_claim("3" * 64), None)


async def a_swap_of_what_has_changed_is_stale(backends: AsyncBackends) -> None:
    """``swap`` and ``replace`` raise `Stale` unless the version is the one that was read, and change nothing."""
    old = await _there(backends, "ida")
    newer = await backends.accounts.swap(old, old.user.evolve(bio="first"))
    event = _event(old.user, 2)
    await refused("a swap", Stale, backends.accounts.swap, old, old.user.evolve(bio="second"), [event])
    await refused("a replacement", Stale, backends.accounts.replace, old, old.user.evolve(bio="third"), [event])
    nobody = StoredUser(account("nemo"), 1)
    await refused("a swap of nobody", Stale, backends.accounts.swap, nobody, nobody.user)
    _whole("the user", await backends.accounts.by_id(old.user.id), newer.user, 2)


async def a_swap_to_what_is_taken_changes_nothing(backends: AsyncBackends) -> None:
    """``swap`` raises `Taken` for whatever somebody else has; handles cannot be exchanged."""
    left, right = await _there(backends, "jan"), await _there(backends, "kim")
    for field, more in (
        ("email", {"email": "Kim@example.com"}),
        ("email", {"email_canonical": "kim@example.com"}),
        ("handle", {"handle": "Kim"}),
        ("handle", {"handle_canonical": "kim"}),
        ("handle", {"handle_claims": right.user.handle_claims}),
    ):
        event = _event(left.user, 2)
        error = await refused(str(more), Taken, backends.accounts.swap, left, left.user.evolve(**more), [event])
        same(f"what is taken with {next(iter(more))}", getattr(error, "field", None), field)
    _whole("the user", await backends.accounts.by_id(left.user.id), left.user, 1)
    _whole("the other", await backends.accounts.by_id(right.user.id), right.user, 1)


async def what_was_given_up_is_free(backends: AsyncBackends) -> None:
    """What a swap takes away from a user, another may have."""
    old = await _there(backends, "lea")
    moved = old.user.evolve(email="Lea@new.example.com", email_canonical="lea@new.example.com", handle="Lea2")
    moved = moved.evolve(handle_canonical="lea2", handle_claims=(HandleClaim(digest=accounts.claim("lea2")),))
    await backends.accounts.swap(old, moved)
    await _there(backends, "len", email="Lea@example.com", email_canonical="lea@example.com", handle="Lea")
    await refused("the new one", Taken, backends.accounts.insert, account("lou", handle="Lea2"), [])


async def a_swap_leaves_the_last_login(backends: AsyncBackends) -> None:
    """``swap`` never touches ``last_login_at``, which is ``logged_in``'s."""
    old = await _there(backends, "max")
    if not await backends.accounts.logged_in(old.user.id, 0, later(1)):
        fails("who is active logs in")
    swapped = await backends.accounts.swap(old, old.user.evolve(bio="hello", last_login_at=later(7)))
    same("the bio", swapped.user.bio, "hello")
    found = await backends.accounts.by_id(old.user.id)
    _whole("the user", found, old.user.evolve(bio="hello", last_login_at=later(1)), 2)


async def a_login_counts_only_for_who_may(backends: AsyncBackends) -> None:
    """``logged_in`` says whether the user is active and of that epoch, and does not raise the version."""
    stored = await _there(backends, "ned")
    log_in = backends.accounts.logged_in
    for what, epoch, at, expected, last in (
        ("of another epoch", 1, later(1), False, None),
        ("of this epoch", 0, later(2), True, later(2)),
        ("again", 0, later(3), True, later(3)),
    ):
        same(what, await log_in(stored.user.id, epoch, at), expected)
        found = await backends.accounts.by_id(stored.user.id)
        _whole(what, found, stored.user.evolve(last_login_at=last), 1)
    raised = await backends.accounts.swap(stored, stored.user.evolve(epoch=1))
    same("of the old epoch", await log_in(stored.user.id, 0, later(3)), False)
    same("of the new epoch", await log_in(stored.user.id, 1, later(3)), True)
    await backends.accounts.swap(raised, raised.user.evolve(status="disabled"))
    same("of who is disabled", await log_in(stored.user.id, 1, later(4)), False)
    same("of nobody", await log_in(derived_id("user", "nobody"), 0, later(4)), False)


async def a_replacement_leaves_nothing(backends: AsyncBackends) -> None:
    """``replace`` puts the user and its events in place of all that was there."""
    user = account("oda", bio="personal", last_login_at=later(1), role="moderator")
    old = await backends.accounts.insert(user, [_event(user, 1)])
    end = accounts.erasing(user, later(2), POLICY.accounts)
    event = _event(end, 2)
    _whole("replace", await backends.accounts.replace(old, end, [event]), end, 2, [event])
    _whole("the user", await backends.accounts.by_id(user.id), end, 2, [event])
    same("the address", await backends.accounts.called("email", "oda@example.com", "Oda@example.com"), None)
    await _there(backends, "ole", email="Oda@example.com", email_canonical="oda@example.com")
    await refused("the handle, held back", Taken, backends.accounts.insert, account("oli", **_claiming("oda")), [])


def _claiming(handle: str) -> dict[str, Any]:
    return {"handle_claims": (HandleClaim(digest=accounts.claim(handle)),)}


async def events_wait_until_they_are_told(backends: AsyncBackends) -> None:
    """``unfinished`` finds users that hold events; ``told`` takes off those that it names, and does not count."""
    quiet, user = await _there(backends, "pat"), account("quy")
    events = [_event(user, number) for number in (1, 2, 3)]
    await backends.accounts.insert(user, events)
    same("who holds events", list(await backends.accounts.unfinished(9)), [user.id])
    await backends.accounts.told(user.id, [events[1].event_id, "evt_of_nobody"])
    _whole("the user", await backends.accounts.by_id(user.id), user, 1, [events[0], events[2]])
    await backends.accounts.told(user.id, [each.event_id for each in events])
    await backends.accounts.told(user.id, [each.event_id for each in events])
    await backends.accounts.told(derived_id("user", "nobody"), [events[0].event_id])
    _whole("the user, told", await backends.accounts.by_id(user.id), user, 1)
    same("who holds events", list(await backends.accounts.unfinished(9)), [])
    _whole("who never held any", await backends.accounts.by_id(quiet.user.id), quiet.user, 1)
    for name in ("rea", "ron", "ruy"):
        await backends.accounts.insert(account(name), [_event(account(name), 1)])
    same("how many of three", len(await backends.accounts.unfinished(2)), 2)


async def a_token_has_one_owner_and_goes_with_the_swap(backends: AsyncBackends) -> None:
    """``by_token`` finds who holds it now."""
    old = await _there(backends, "sue")
    held = tokens.issued(old.user, "reset", "A" * 43, NOON, POLICY.accounts)
    digest = tokens.digest("A" * 43, "reset")
    stored = await backends.accounts.swap(old, held)
    _whole("by token", await backends.accounts.by_token([digest]), held, 2)
    await backends.accounts.swap(stored, held.evolve(tokens=()))
    same("a token that was used", await backends.accounts.by_token([digest]), None)


async def what_is_amended_stays_in_its_place(backends: AsyncBackends) -> None:
    """``events.amend`` changes payload and metadata of an event that is there, and nothing else."""
    user = account("tom")
    events = [(await backends.events.tell(_event(user, number)))[0] for number in (1, 2, 3)]
    clean = events[1].evolve(payload=Frozen({**events[1].payload, "email": None}))
    unknown = _event(user, 9)
    await backends.events.amend([clean, unknown])
    expected = [events[0], clean, events[2]]
    same("the stream", list(await backends.events.stream(f"user:{user.uid}", 0, 9)), expected)
    same("the event", await backends.events.event(clean.event_id), clean)
    same("what is not there", await backends.events.event(unknown.event_id), None)
    recorded = await backends.events.recorded(_ANY, "", 9)
    same("in the order of recording", list(recorded), expected)
    same("newest first", list(await backends.events.newest(_ANY, None, 9)), expected[::-1])


async def a_user_has_one_subscription(backends: AsyncBackends) -> None:
    """``subscriptions.start`` stores the first one; it gives back what is stored."""
    first = _subscription("uma", "free")
    same("the first", await backends.subscriptions.start(first), first)
    same("a second", await backends.subscriptions.start(_subscription("uma", "pro")), first)
    same("stored", await backends.subscriptions.get(first.user_id), first)
    same("of nobody", await backends.subscriptions.get(derived_id("user", "nobody")), None)


def _subscription(name: str, tier: Any) -> Subscription:
    id = derived_id("user", name)
    return Subscription(
        id=derived_id("subscription", id, tier),
        user_id=id,
        tier=tier,
        status="active",
        created_at=NOON,
        updated_at=NOON,
    )


async def of_many_who_register_at_once_one_does(backends: AsyncBackends, together: Together) -> None:
    """An address is unique in the store, not by looking first."""
    users = [account(f"v{at}", **_EMAIL) for at in range(8)]
    ends = await together([partial(backends.accounts.insert, user, [_event(user, 1)]) for user in users])
    same("how many were refused", sum([isinstance(end, Taken) for end in ends]), 7)
    won = [user for user, end in zip(users, ends, strict=True) if isinstance(end, StoredUser)]
    same("who holds events", list(await backends.accounts.unfinished(9)), [user.id for user in won])


async def of_many_swaps_at_once_one_counts(backends: AsyncBackends, together: Together) -> None:
    """The version is compared in the write."""
    old = await _there(backends, "wim")
    wanted = [old.user.evolve(bio=str(at)) for at in range(8)]
    ends = await together([partial(backends.accounts.swap, old, each) for each in wanted])
    same("how many were stale", sum([isinstance(end, Stale) for end in ends]), 7)
    won = [each for each, end in zip(wanted, ends, strict=True) if isinstance(end, StoredUser)]
    _whole("the user", await backends.accounts.by_id(old.user.id), won[0], 2)


async def events_of_all_inserts_are_told_apart(backends: AsyncBackends, together: Together) -> None:
    """Swaps one after the other and ``told`` in between lose no event."""
    old = await _there(backends, "xia")
    events = [_event(old.user, number) for number in range(1, 5)]
    await backends.accounts.swap(old, old.user, events)
    await together([partial(backends.accounts.told, old.user.id, [each.event_id]) for each in events[:3]])
    _whole("the user", await backends.accounts.by_id(old.user.id), old.user, 2, events[3:])


CHECKS: Final[tuple[Check, ...]] = (
    a_new_user_is_found_by_all_that_names_them,
    nobody_is_found_by_what_nobody_has,
    who_was_there_before_is_found_to_the_letter,
    inserting_again_is_the_same_insert,
    an_address_and_a_handle_have_one_owner,
    what_a_refused_user_had_stays_free,
    a_swap_sets_everything_and_counts,
    a_swap_of_what_has_changed_is_stale,
    a_swap_to_what_is_taken_changes_nothing,
    what_was_given_up_is_free,
    a_swap_leaves_the_last_login,
    a_login_counts_only_for_who_may,
    a_replacement_leaves_nothing,
    events_wait_until_they_are_told,
    a_token_has_one_owner_and_goes_with_the_swap,
    what_is_amended_stays_in_its_place,
    a_user_has_one_subscription,
)

RACES: Final[tuple[Race, ...]] = (
    of_many_who_register_at_once_one_does,
    of_many_swaps_at_once_one_counts,
    events_of_all_inserts_are_told_apart,
)
