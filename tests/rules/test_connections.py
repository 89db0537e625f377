"""Connections, against an oracle of two sets, and example by example. G14."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree import Policy, Principal
from tektree.errors import InvalidTransition, NotFound
from tektree.ids import derived_id
from tektree.models.connections import Connection, Contact, contact
from tektree.models.payloads import Payload
from tektree.policy import Connections
from tektree.rules import connections
from tektree.rules.connections import accepted, between, blocked, grown, known, removed, requested, unblocked

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)
ADA, BEN = Principal("a" * 24, "usr_ada"), Principal("b" * 24, "usr_ben")
BOTH = {"ada": ADA, "ben": BEN}
STEPS = {"request": requested, "accept": accepted, "remove": removed, "block": blocked, "unblock": unblocked}


def other(who: Principal) -> Principal:
    return BEN if who is ADA else ADA


class Oracle:
    """Who has asked, and who blocks."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self.blocks: set[str] = set()

    def status(self, me: Principal) -> str:
        you = other(me)
        if me.id in self.blocks:
            return "blocked"
        if me.id in self.asked:
            return "connected" if you.id in self.asked else "sent"
        return "received" if you.id in self.asked else "none"

    def step(self, name: str, me: Principal) -> str:
        """What it says, or what it raises."""
        before = self.status(me)
        if name == "request":
            if before == "blocked":
                return "InvalidTransition"
            self.asked.add(me.id)
        elif name == "accept":
            if before not in ("received", "connected"):
                return "NotFound"
            self.asked.add(me.id)
        elif name == "remove" and before != "blocked":
            self.asked.clear()
        elif name == "block" and before != "blocked":
            self.blocks.add(me.id)
            self.asked.clear()
        elif name == "unblock":
            self.blocks.discard(me.id)
        return self.status(me)


def played(now: Connection, name: str, me: Principal, at: datetime = NOON) -> tuple[Connection, str, Sequence[Payload]]:
    try:
        decided = STEPS[name](now, me, at)
    except (InvalidTransition, NotFound) as error:
        return now, type(error).__name__, ()
    if decided is None:
        return now, contact(now, me.id).status, ()
    assert decided.connection.at == at
    return decided.connection, contact(decided.connection, me.id).status, decided.told


MOVES = st.lists(st.tuples(st.sampled_from(list(STEPS)), st.sampled_from(list(BOTH))), max_size=12)


@given(MOVES)
def test_whatever_the_two_do_is_what_the_oracle_says(moves: list[tuple[str, str]]) -> None:
    """G14: both sides agree; a block wins; nobody is told that they are blocked."""
    now, oracle = between(ADA, BEN.id, BEN.uid, NOON), Oracle()
    for at, (name, who) in enumerate(moves):
        me, you = BOTH[who], other(BOTH[who])
        before = {each.id: contact(now, each.id).status for each in (me, you)}
        said = oracle.step(name, me)
        now, found, told = played(now, name, me, NOON + timedelta(seconds=at))
        assert found == said
        assert {each.id: contact(now, each.id).status for each in (ADA, BEN)} == {
            each.id: oracle.status(each) for each in (ADA, BEN)
        }
        assert (now.status == "connected") is (len(oracle.asked) == 2)
        assert not (now.status == "connected" and now.blocked)
        hears = {"sent": "received", "connected": "connected"}
        assert len(told) <= 1
        if you.id in now.blocked and before[you.id] == "blocked" and name != "block":
            assert [type(each).__name__ for each in told if name != "unblock"] == []
        elif found in hears and before[me.id] != found:
            assert contact(now, you.id).status == hears[found]
            assert told, "whatever the other one hears is told"


@given(MOVES, st.sampled_from(list(BOTH)))
def test_who_is_blocked_sees_what_they_would_see_of_who_never_answers(moves: list[tuple[str, str]], who: str) -> None:
    """From a block on, what the other one sees does not hang on it."""
    me, you = BOTH[who], other(BOTH[who])
    shut, silent = between(me, you.id, you.uid, NOON), between(me, you.id, you.uid, NOON)
    shut = played(shut, "block", me)[0]
    for name, _ in moves:
        shut, one, told = played(shut, name, you)
        silent, two, _ = played(silent, name, you)
        assert one == two
        if name in ("request", "accept", "remove"):
            assert told == ()
        if name == "block":
            break


def test_each_step_is_told() -> None:
    now, heard = between(ADA, BEN.id, BEN.uid, NOON), []
    for name, me in (
        ("request", ADA), ("request", ADA), ("request", BEN), ("accept", ADA), ("remove", BEN), ("remove", ADA),
        ("request", BEN), ("accept", ADA), ("block", ADA), ("request", BEN), ("unblock", ADA), ("accept", ADA),
    ):  # fmt: skip
        now, _, told = played(now, name, me)
        heard += [(type(each).__name__, each.user_id, getattr(each, "was", None)) for each in told]  # type: ignore[attr-defined]
    assert heard == [
        ("ConnectionRequested", "usr_ada", None),
        ("ConnectionAccepted", "usr_ben", None),
        ("ConnectionRemoved", "usr_ben", "connected"),
        ("ConnectionRequested", "usr_ben", None),
        ("ConnectionAccepted", "usr_ada", None),
        ("ConnectionBlocked", "usr_ada", "connected"),
        ("ConnectionUnblocked", "usr_ada", None),
        ("ConnectionAccepted", "usr_ada", None),
    ]


def test_what_is_refused_says_what_to_do() -> None:
    now = played(between(ADA, BEN.id, BEN.uid, NOON), "block", ADA)[0]
    with pytest.raises(InvalidTransition, match="unblock them first"):
        requested(now, ADA, NOON)
    with pytest.raises(NotFound) as caught:
        accepted(now, ADA, NOON)
    assert (caught.value.kind, caught.value.id) == ("request", BEN.id)


def test_one_pair_is_one_document_whoever_begins() -> None:
    one, two = between(ADA, BEN.id, BEN.uid, NOON), between(BEN, ADA.id, ADA.uid, NOON)
    assert one == two
    assert one.id == derived_id("connection", ADA.id, BEN.id)
    assert contact(one, ADA.id) == Contact(user_id=BEN.id, uid=BEN.uid, status="none", at=NOON)


def test_uids_that_are_missing_are_filled_in() -> None:
    nobody = between(ADA, BEN.id, None, NOON)
    assert contact(nobody, ADA.id).uid is None
    assert known(nobody, ADA, None) is nobody
    assert known(nobody, ADA, "usr_ben").uids == known(nobody, BEN, None).uids == ("usr_ada", "usr_ben")
    assert known(between(BEN, ADA.id, None, NOON), BEN, "usr_ada").uids == ("usr_ada", "usr_ben")


def test_lists_that_grow_are_looked_at() -> None:
    limits = Connections(most=7, requests=5, blocks=3)
    none = between(ADA, BEN.id, BEN.uid, NOON)
    asked = played(none, "request", ADA)[0]
    joined = played(asked, "accept", BEN)[0]
    assert grown(none, none, limits) == []
    assert grown(none, asked, limits) == [(ADA.id, "sent", 4)]
    assert grown(asked, joined, limits) == [(ADA.id, "connected", 6), (BEN.id, "connected", 6)]
    assert grown(joined, played(joined, "block", BEN)[0], limits) == [(BEN.id, "blocked", 2)]
    assert grown(joined, played(joined, "remove", BEN)[0], limits) == []
    assert Policy().connections == Connections() == Connections(most=1_000, requests=100, blocks=1_000)
    assert connections.LISTED == ("connected", "sent", "received", "blocked")
