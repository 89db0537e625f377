"""What the deliveries promise, check by check."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from tektree._async.conformance.samples import NOON, Check, Race, Together, delivery, fails, later, same
from tektree._async.ports.bundles import AsyncBackends
from tektree.models.events import Delivery

__all__ = ["CHECKS", "RACES"]

_SOMEBODY: Final = "somebody"
"""Whose claim a delivery still shows."""


def _dead(handler: str, name: str, line: str = "", seq: int = 0, blocks: str = "nothing") -> Delivery:
    return delivery(handler, name, line, seq, state="dead", blocks=blocks, attempts=5, reason="ValueError at shop:7")


async def _heads(backends: AsyncBackends, *handlers: str, limit: int = 99) -> list[Delivery]:
    return list(await backends.deliveries.heads(handlers, limit))


async def a_delivery_comes_back_whole(backends: AsyncBackends) -> None:
    """What ``add`` takes, ``get`` gives; None for an id that none has. ``add`` takes none, too."""
    plain = delivery("mail", "plain")
    rich = _dead("é ∑ 𝄞", "rich", "user:usr_a:xp", 2**40, "line").evolve(token=_SOMEBODY, until=later(1), due=later(2))
    await backends.deliveries.add([plain])
    await backends.deliveries.add([rich, plain])
    await backends.deliveries.add([])
    for each in (plain, rich):
        same("the delivery", await backends.deliveries.get(each.id), each)
    same("one that is not there", await backends.deliveries.get(delivery("mail", "lost").id), None)


async def a_delivery_that_is_there_stays_as_it_is(backends: AsyncBackends) -> None:
    """``add`` passes over those whose ``id`` is there, alone or among new ones."""
    first, second, third = [delivery("mail", f"stays{number}") for number in range(3)]
    await backends.deliveries.add([first, second])
    claimed = await backends.deliveries.claim(first.id, "t", NOON, later(1))
    await backends.deliveries.add([first])
    await backends.deliveries.add([first.evolve(attempts=9), third, second.evolve(reason="changed")])
    for id, expected in ((first.id, claimed), (second.id, second), (third.id, third)):
        same("what is stored", await backends.deliveries.get(id), expected)


async def a_line_is_blocked_by_what_stands_in_it(backends: AsyncBackends) -> None:
    """``blocked`` names the handlers that something stands before in this line: waiting, or dead and blocking it."""
    await backends.deliveries.add(
        [
            delivery("waits", "w", "line 1", 3),
            _dead("parked", "p", "line 1", 3, "line"),
            _dead("skips", "s", "line 1", 3, "nothing"),
            delivery("elsewhere", "e", "line 2", 3),
        ]
    )
    handlers = ["waits", "parked", "skips", "elsewhere", "idle"]
    for line, names in (("line 1", {"waits", "parked"}), ("line 2", {"elsewhere"}), ("line 3", set())):
        same(f"blocked in {line}", set(await backends.deliveries.blocked(handlers, line)), names)
    same("of the others", set(await backends.deliveries.blocked(["skips", "elsewhere"], "line 1")), set())
    same("of nobody", set(await backends.deliveries.blocked([], "line 1")), set())


async def a_halted_handler_is_blocked_in_every_line(backends: AsyncBackends) -> None:
    """``blocked`` names also the handlers that are halted as a whole."""
    await backends.deliveries.add([_dead("halted", "h", "line 1", 3, "handler"), delivery("waits", "w", "line 1", 3)])
    for line, names in (("line 1", {"halted", "waits"}), ("line 2", {"halted"})):
        same(f"blocked in {line}", set(await backends.deliveries.blocked(["halted", "waits"], line)), names)


async def the_head_of_a_line_has_its_lowest_number(backends: AsyncBackends) -> None:
    """``heads`` gives of each handler's line the one with the lowest ``seq``, among equals the first by id."""
    mail = [delivery("mail", f"m{seq}", "line 1", seq) for seq in (2, 3, 10)]
    other = delivery("mail", "o", "line 2", 7)
    audit = delivery("audit", "a", "line 1", 9)
    twins = sorted([delivery("audit", f"t{number}", "line 3") for number in range(4)], key=lambda each: each.id)
    await backends.deliveries.add([mail[2], twins[2], audit, mail[0], twins[0], other, twins[3], mail[1], twins[1]])
    same("of mail", await _heads(backends, "mail"), _by_due([mail[0], other]))
    same("of both", await _heads(backends, "mail", "audit"), _by_due([mail[0], other, audit, twins[0]]))
    same("of a stranger", await _heads(backends, "stranger"), [])
    same("of nobody", await _heads(backends), [])


async def heads_come_as_they_are_due(backends: AsyncBackends) -> None:
    """``heads`` gives up to ``limit``, by ``due``, then by id; also those that are not due yet, or claimed."""
    moments = (3, 0, 1, 1, 1, 2)
    added = [delivery("mail", f"due{number}", due=later(seconds=at)) for number, at in enumerate(moments)]
    await backends.deliveries.add(added)
    claimed = await backends.deliveries.claim(added[5].id, "t", NOON, later(1))
    if claimed is None:
        fails("a delivery that waits cannot be claimed")
    expected = _by_due([*added[:5], claimed])
    for limit in (1, 3, 6, 99):
        same(f"the first {limit}", await _heads(backends, "mail", limit=limit), expected[:limit])


async def what_is_dead_and_blocks_its_line_keeps_it_waiting(backends: AsyncBackends) -> None:
    """A head that is dead is not waiting, so its line has none; other lines of the handler go on."""
    behind = delivery("mail", "behind", "line 1", 4)
    other, audit = delivery("mail", "other", "line 2", 1), delivery("audit", "audit", "line 1", 4)
    await backends.deliveries.add([behind, _dead("mail", "parked", "line 1", 3, "line"), other, audit])
    same("the heads", await _heads(backends, "mail", "audit"), _by_due([other, audit]))


async def what_is_dead_and_blocks_nothing_stands_in_no_line(backends: AsyncBackends) -> None:
    """What stands behind one that was skipped is the head."""
    behind = delivery("mail", "behind", "line 1", 4)
    await backends.deliveries.add([_dead("mail", "skipped", "line 1", 3), behind, _dead("mail", "alone", "line 2", 1)])
    same("the heads", await _heads(backends, "mail"), [behind])
    same("what is blocked in the other line", set(await backends.deliveries.blocked(["mail"], "line 2")), set())


async def a_halted_handler_has_no_heads(backends: AsyncBackends) -> None:
    """``heads`` passes over handlers that are halted as a whole, wherever in its line stands what halted them."""
    other = delivery("audit", "other", "line 1", 1)
    early = delivery("mail", "early", "line 1", 1)
    await backends.deliveries.add([_dead("mail", "halting", "line 1", 2, "handler"), early, other])
    await backends.deliveries.add([delivery("mail", "another", "line 2", 1)])
    same("the heads", await _heads(backends, "mail", "audit"), [other])


async def a_claim_counts_an_attempt_and_holds_until_its_time_is_up(backends: AsyncBackends) -> None:
    """``claim`` gives the delivery as it is now; None while somebody has it, which ends at ``until``."""
    added = delivery("mail", "claimed")
    await backends.deliveries.add([added, delivery("mail", "bystander")])
    expected = added
    for token, seconds, wins in (
        ("a", 0, True),
        ("b", 0, False),
        ("a", 30, False),
        ("b", 59.999, False),
        ("b", 60, True),
    ):
        until = later(seconds=seconds + 60)
        found = await backends.deliveries.claim(added.id, token, later(seconds=seconds), until)
        if wins:
            expected = expected.evolve(token=token, until=until, attempts=expected.attempts + 1)
        same(f"the claim of {token} after {seconds} s", found, expected if wins else None)
        same("what is stored", await backends.deliveries.get(added.id), expected)
    bystander = delivery("mail", "bystander")
    same("another delivery", await backends.deliveries.get(bystander.id), bystander)


async def only_what_waits_is_claimed(backends: AsyncBackends) -> None:
    """``claim`` is None for a dead one, which stays as it is, and for one that is not there."""
    dead = _dead("mail", "dead", "line 1", 1, "line")
    await backends.deliveries.add([dead])
    same("the claim of a dead one", await backends.deliveries.claim(dead.id, "t", later(1), later(2)), None)
    same("what is stored", await backends.deliveries.get(dead.id), dead)
    missing = delivery("mail", "missing").id
    same("the claim of none", await backends.deliveries.claim(missing, "t", later(1), later(2)), None)


async def who_has_a_delivery_puts_it_back(backends: AsyncBackends) -> None:
    """``put`` puts the delivery in place of the one that ``token`` claimed: all of it, and it can be claimed again."""
    added = delivery("mail", "put")
    await backends.deliveries.add([added])
    for attempt in (1, 2):
        claimed = await backends.deliveries.claim(added.id, f"t{attempt}", later(attempt), later(attempt + 1))
        if claimed is None:
            fails("a delivery that was put back cannot be claimed")
        same("the attempts", claimed.attempts, attempt)
        back = claimed.evolve(token="", until=later(attempt), due=later(attempt, 30), reason="KeyError at shop:1")
        await backends.deliveries.put(back, f"t{attempt}")
        same("what is stored", await backends.deliveries.get(added.id), back)
    again = await backends.deliveries.claim(added.id, "t3", later(9), later(10))
    if again is None:
        fails("a delivery that was put back cannot be claimed")
    dead = again.evolve(token="", until=later(9), state="dead", blocks="handler", reason="")
    await backends.deliveries.put(dead, "t3")
    same("the dead one", await backends.deliveries.get(added.id), dead)


async def who_has_a_delivery_no_more_changes_nothing(backends: AsyncBackends) -> None:
    """``put`` and ``remove`` do nothing when ``token`` has it no more, and make none."""
    added = delivery("mail", "fenced")
    await backends.deliveries.add([added])
    await backends.deliveries.claim(added.id, "slow", NOON, later(seconds=60))
    claimed = await backends.deliveries.claim(added.id, "fast", later(seconds=60), later(seconds=120))
    for token in ("slow", "nobody"):
        await backends.deliveries.put(added.evolve(reason="late"), token)
        await backends.deliveries.remove(added.id, token)
        same("what is stored", await backends.deliveries.get(added.id), claimed)
    missing = delivery("mail", "missing")
    await backends.deliveries.put(missing, "slow")
    await backends.deliveries.remove(missing.id, "slow")
    same("what was never there", await backends.deliveries.get(missing.id), None)


async def who_has_a_delivery_takes_it_away(backends: AsyncBackends) -> None:
    """``remove`` takes it out of its line: the next one is the head."""
    first, second = [delivery("mail", f"gone{seq}", "line 1", seq) for seq in (1, 2)]
    await backends.deliveries.add([first, second])
    await backends.deliveries.claim(first.id, "t", NOON, later(1))
    await backends.deliveries.remove(first.id, "t")
    same("what is stored", await backends.deliveries.get(first.id), None)
    same("the heads", await _heads(backends, "mail"), [second])
    await backends.deliveries.remove(first.id, "t")


async def the_dead_come_page_by_page(backends: AsyncBackends) -> None:
    """``dead`` gives up to ``limit`` behind ``after``, ascending by id, of one handler or of all; none that waits."""
    dead = [_dead(("mail", "audit")[number % 2], f"dead{number}", f"line {number}", 1) for number in range(7)]
    await backends.deliveries.add([*dead, delivery("mail", "alive")])
    for handler in (None, "mail", "audit", "stranger"):
        expected = sorted([each for each in dead if handler in (None, each.handler)], key=lambda each: each.id)
        found: list[Delivery] = []
        after = None
        while page := list(await backends.deliveries.dead(handler, after, 2)):
            if len(page) > 2 or len(found) > len(dead):
                fails(f"a page of 2 behind {after} holds {len(page)}")
            found += page
            after = page[-1].id
        same(f"the dead of {handler or 'all'}", found, expected)


async def a_dead_one_that_is_revived_waits_again(backends: AsyncBackends) -> None:
    """``revive`` lets it wait in its line, due ``now``, with no attempts counted, whatever it blocked before."""
    for blocks in ("nothing", "line", "handler"):
        dead = _dead(f"mail {blocks}", "dead", "line 1", 1, blocks).evolve(
            token=_SOMEBODY, until=later(99), due=later(99)
        )
        behind = delivery(dead.handler, "behind", "line 1", 2)
        await backends.deliveries.add([dead, behind])
        same("whether it was dead", await backends.deliveries.revive(dead.id, later(1)), True)
        stored = await backends.deliveries.get(dead.id)
        if stored is None:
            fails("a delivery that was revived is not there")
        waiting = dead.evolve(state="waiting", blocks="line", attempts=0, due=later(1), token="", reason="")
        same("what is stored", stored, waiting.evolve(until=stored.until))
        same("the heads", await _heads(backends, dead.handler), [stored])
        same("whether it is dead now", await backends.deliveries.revive(dead.id, later(2)), False)
        claimed = await backends.deliveries.claim(dead.id, "new", later(1), later(2))
        same("the attempts when it is claimed", claimed and claimed.attempts, 1)
    same("the dead", list(await backends.deliveries.dead(None, None, 9)), [])
    same("of one that is not there", await backends.deliveries.revive(delivery("mail", "no").id, NOON), False)


async def a_dead_one_that_is_discarded_is_gone(backends: AsyncBackends) -> None:
    """``discard`` takes away a dead one, and what it blocked goes on; one that waits is left alone."""
    behind = delivery("mail", "behind", "line 1", 2)
    dead = _dead("mail", "dead", "line 1", 1, "handler")
    await backends.deliveries.add([behind, dead])
    same("of one that waits", await backends.deliveries.discard(behind.id), False)
    same("whether it was dead", await backends.deliveries.discard(dead.id), True)
    same("again", await backends.deliveries.discard(dead.id), False)
    same("what is stored", await backends.deliveries.get(dead.id), None)
    same("the heads", await _heads(backends, "mail"), [behind])


async def those_that_wait_are_counted(backends: AsyncBackends) -> None:
    """``waiting`` is how many wait, of all handlers, claimed ones among them; the dead do not."""
    same("of none", await backends.deliveries.waiting(), 0)
    waiting = [delivery(f"mail{number % 2}", f"waits{number}", f"line {number % 3}", number) for number in range(5)]
    await backends.deliveries.add([*waiting, _dead("mail0", "dead"), _dead("mail1", "parked", "line 1", 9, "line")])
    await backends.deliveries.claim(waiting[0].id, "t", NOON, later(1))
    same("how many wait", await backends.deliveries.waiting(), 5)


def _by_due(deliveries: Sequence[Delivery]) -> list[Delivery]:
    return sorted(deliveries, key=lambda each: (each.due, each.id))


# Calls that meet


async def of_many_claims_one_wins(backends: AsyncBackends, together: Together) -> None:
    """``claim`` looks and takes in one step, also where an older claim is over: one attempt is counted, one has it."""
    added = delivery("mail", "contested")
    await backends.deliveries.add([added])
    for turn in (0, 1):
        calls = [
            partial(backends.deliveries.claim, added.id, f"t{turn}{number}", later(turn), later(turn + 1))
            for number in range(8)
        ]
        ends = await together(calls)
        same("what failed", [end for end in ends if isinstance(end, BaseException)], [])
        won = [end for end in ends if isinstance(end, Delivery)]
        same("how many won", len(won), 1)
        same("who won and what is stored", won[0], await backends.deliveries.get(added.id))
        same("the attempts", won[0].attempts, turn + 1)


async def deliveries_that_many_add_at_once_are_there_once(backends: AsyncBackends, together: Together) -> None:
    """The ``id`` is unique in the store, not by looking first."""
    added = [delivery("mail", f"crowd{number}", "line 1", number) for number in range(3)]
    ends = await together([partial(backends.deliveries.add, added)] * 8)
    same("what failed", [end for end in ends if isinstance(end, BaseException)], [])
    same("how many wait", await backends.deliveries.waiting(), 3)


async def of_many_that_revive_or_discard_one_succeeds(backends: AsyncBackends, together: Together) -> None:
    """A dead one is revived or taken away once."""
    dead = _dead("mail", "twice", "line 1", 1, "line")
    await backends.deliveries.add([dead])
    revive = partial(backends.deliveries.revive, dead.id, NOON)
    ends = await together([revive, partial(backends.deliveries.discard, dead.id)] * 4)
    same("what failed", [end for end in ends if isinstance(end, BaseException)], [])
    same("how many succeeded", sum([end is True for end in ends]), 1)


CHECKS: Final[tuple[Check, ...]] = (
    a_delivery_comes_back_whole,
    a_delivery_that_is_there_stays_as_it_is,
    a_line_is_blocked_by_what_stands_in_it,
    a_halted_handler_is_blocked_in_every_line,
    the_head_of_a_line_has_its_lowest_number,
    heads_come_as_they_are_due,
    what_is_dead_and_blocks_its_line_keeps_it_waiting,
    what_is_dead_and_blocks_nothing_stands_in_no_line,
    a_halted_handler_has_no_heads,
    a_claim_counts_an_attempt_and_holds_until_its_time_is_up,
    only_what_waits_is_claimed,
    who_has_a_delivery_puts_it_back,
    who_has_a_delivery_no_more_changes_nothing,
    who_has_a_delivery_takes_it_away,
    the_dead_come_page_by_page,
    a_dead_one_that_is_revived_waits_again,
    a_dead_one_that_is_discarded_is_gone,
    those_that_wait_are_counted,
)

RACES: Final[tuple[Race, ...]] = (
    of_many_claims_one_wins,
    deliveries_that_many_add_at_once_are_there_once,
    of_many_that_revive_or_discard_one_succeeds,
)
