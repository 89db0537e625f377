"""Visibility: the rule, its query and a short oracle agree, cell by cell and on random graphs. G10-G14, G21, E8, E9."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args

import pytest

from tektree import Principal
from tektree.errors import InvalidInput
from tektree.ids import derived_id
from tektree.models.accounts import Role, User
from tektree.models.areas import Area
from tektree.models.insights import Insight
from tektree.models.questions import Question
from tektree.models.visibility import Clause, Matter, Sight, matter_of
from tektree.rules import visibility
from tektree.rules.visibility import ANYBODY, Viewer, sees, sight
from tektree.wire.documents import from_document
from tests.records import sample

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)
MOMENT = timedelta(milliseconds=1)
OWNER, SHARER, FRIEND, STRANGER = [derived_id("user", name) for name in ("owner", "sharer", "friend", "stranger")]
VIEWERS = {
    "anonymous": ANYBODY,
    "owner": Viewer(OWNER),
    "co-author": Viewer(SHARER),
    "connection": Viewer(FRIEND, connected=frozenset({OWNER})),
    "stranger": Viewer(STRANGER, connected=frozenset({FRIEND})),
    "blocked": Viewer(FRIEND, connected=frozenset({OWNER}), blocked=frozenset({OWNER})),
    "moderator": Viewer(STRANGER, "moderator"),
    "admin": Viewer(STRANGER, "admin"),
}
STATES = ("public", "private", "connections", "draft", "scheduled", "deleted", "unheard of")
KINDS: dict[str, type[Any]] = {"area": Area, "question": Question, "insight": Insight}


def oracle(viewer: str, state: str, kind: str) -> bool:
    """Who sees what, in words."""
    if state in ("deleted", "unheard of"):
        return False
    if viewer == "owner" or (viewer == "co-author" and kind == "insight"):
        return True
    if state in ("draft", "scheduled"):
        return False
    return state == "public" or viewer == "admin" or (state == "connections" and viewer in ("connection", "moderator"))


def record(kind: str, state: str, author: str = OWNER, at: datetime = NOON) -> Any:
    fields: dict[str, Any] = {
        "id": derived_id(kind, state, author),
        "title": "t",
        "slug": "t",
        "visibility": state if state in ("private", "connections") else "public",
        "created_by": author,
        "created_at": at,
        "updated_at": at,
        "deleted_at": at if state == "deleted" else None,
    }
    if kind != "area":
        fields["body"] = "b"
    if kind == "insight":
        published = {"draft": None, "scheduled": at + MOMENT}.get(state, at)
        fields |= {"insight_type": "article", "co_authors": (SHARER,), "published_at": published}
    made = KINDS[kind].model_validate(fields)
    if state == "unheard of":
        object.__setattr__(made, "visibility", "PUBLIC")
    return made


def cells() -> Iterator[tuple[str, str, str]]:
    for kind, state, viewer in product(KINDS, STATES, VIEWERS):
        if kind == "insight" or state not in ("draft", "scheduled"):
            yield kind, state, viewer


@pytest.mark.parametrize(("kind", "state", "viewer"), list(cells()))
def test_every_cell(kind: str, state: str, viewer: str) -> None:
    """G12, G14, G21, E9: the rule and the query say what the oracle says."""
    found, who = record(kind, state), VIEWERS[viewer]
    assert sees(who, matter_of(found, NOON)) is oracle(viewer, state, kind)
    assert sight(who, NOON).admits(found) is oracle(viewer, state, kind)


def test_what_is_scheduled_is_seen_from_its_instant_on() -> None:
    """G12."""
    later = record("insight", "scheduled")
    for who in (ANYBODY, VIEWERS["stranger"], VIEWERS["admin"]):
        assert [sight(who, NOON + MOMENT * at).admits(later) for at in (0, 1, 2)] == [False, True, True]


# -- random graphs -----------------------------------------------------------------------------------------------------


class Graph:
    """Users, who is connected with whom, who blocked whom, and things of theirs."""

    def __init__(self, seed: int) -> None:
        dice = self.dice = random.Random(seed)
        self.users = [derived_id("user", str(at)) for at in range(dice.randint(2, 6))]
        pairs = [(a, b) for a in self.users for b in self.users if a < b]
        self.asked = {(a, b) for a, b in [*pairs, *[(b, a) for a, b in pairs]] if dice.random() < 0.5}
        self.blocks = {(a, b) for a, b in [*pairs, *[(b, a) for a, b in pairs]] if dice.random() < 0.2}
        self.roles: dict[str, Role] = {user: dice.choice(get_args(Role)) for user in self.users}
        self.things = [self._thing(at) for at in range(dice.randint(1, 8))]

    def _thing(self, at: int) -> Matter:
        dice = self.dice
        return Matter(
            dice.choice(self.users),
            dice.choice(("public", "private", "connections", "connections", "PUBLIC", "")),
            deleted=dice.random() < 0.15,
            published=dice.random() < 0.7,
            co_authors=tuple(dice.sample(self.users, dice.choice((0, 0, 1)))),
        )

    def connected(self, a: str, b: str) -> bool:
        """Both have asked for it: that is, one asked and the other accepted."""
        return (a, b) in self.asked and (b, a) in self.asked

    def blocked(self, a: str, b: str) -> bool:
        return (a, b) in self.blocks or (b, a) in self.blocks

    def viewer(self, user: str) -> Viewer:
        others = [each for each in self.users if each != user]
        return Viewer(
            user,
            self.roles[user],
            frozenset([each for each in others if self.connected(user, each)]),
            frozenset([each for each in others if self.blocked(user, each)]),
        )

    def expects(self, user: str | None, thing: Matter) -> bool:
        """By the words of the issue alone."""
        if thing.deleted or thing.visibility not in ("public", "private", "connections"):
            return False
        if user is not None and user in (thing.author, *thing.co_authors):
            return True
        role = "nobody" if user is None else self.roles[user]
        if not thing.published:
            return False
        friends = user is not None and self.connected(user, thing.author) and not self.blocked(user, thing.author)
        return {
            "public": True,
            "private": role == "admin",
            "connections": friends or role in ("moderator", "admin"),
        }[thing.visibility]


def leaks(count: int, query: Callable[[Viewer], Sight], rule: Callable[[Viewer, Matter], bool] = sees) -> int:
    """In how many graphs somebody sees what they should not, or does not see what they should."""
    wrong = 0
    for seed in range(count):
        graph = Graph(seed)
        for user in (None, *graph.users):
            viewer = ANYBODY if user is None else graph.viewer(user)
            clauses = query(viewer).clauses
            for thing in graph.things:
                admitted = not thing.deleted and any(clause.covers(thing) for clause in clauses)
                if not (rule(viewer, thing) is admitted is graph.expects(user, thing)):
                    wrong += 1
                    break
    return wrong


def now(viewer: Viewer) -> Sight:
    return sight(viewer, NOON)


def test_no_graph_leaks() -> None:
    """G13, G14: a thousand graphs."""
    assert leaks(1_000, now) == 0


@pytest.mark.long
def test_no_graph_of_ten_thousand_leaks() -> None:
    assert leaks(10_000, now) == 0


def one_way(viewer: Viewer) -> Sight:
    return sight(viewer._replace(blocked=frozenset()), NOON)


def drafts_too(viewer: Viewer) -> Sight:
    return Sight(tuple([clause._replace(unpublished=True) for clause in sight(viewer, NOON).clauses]), NOON)


def own_only(viewer: Viewer) -> Sight:
    return Sight(tuple([clause._replace(co_author=None) for clause in sight(viewer, NOON).clauses]), NOON)


def everybody(viewer: Viewer) -> Sight:
    return Sight((Clause(visibility.EVERY),), NOON)


@pytest.mark.parametrize("broken", [one_way, drafts_too, own_only, everybody])
def test_a_query_that_leaks_is_found(broken: Callable[[Viewer], Sight]) -> None:
    """The positive controls."""
    assert leaks(200, broken) > 0


def test_a_rule_that_leaks_is_found() -> None:
    """The positive control of the oracle."""
    assert leaks(200, now, lambda viewer, thing: sees(viewer._replace(blocked=frozenset()), thing)) > 0


@pytest.mark.parametrize(("kind", "state", "viewer"), list(cells()))
def test_connections_are_asked_for_where_they_decide(kind: str, state: str, viewer: str) -> None:
    """Nobody sees more for not being known, and who is not known yet is undecided wherever it makes a difference."""
    found, who = matter_of(record(kind, state), NOON), VIEWERS[viewer]
    unknown = who._replace(connected=None) if who.role == "user" and who.id is not None else who
    if visibility.undecided(unknown, [found]):
        assert state == "connections"
        assert not sees(unknown, found)
    else:
        assert sees(unknown, found) is oracle(viewer, state, kind)
    assert visibility.undecided(unknown, [found]) or not visibility.undecided(who, [found])
    assert not visibility.undecided(who, [found, found])


def test_who_looks_is_who_acts() -> None:
    assert visibility.viewer(None) is ANYBODY
    assert visibility.viewer(Principal(OWNER, "usr_owner", role="admin")) == Viewer(OWNER, "admin")
    assert visibility.viewer(Principal(OWNER, "usr_owner")) == Viewer(OWNER, connected=None)
    with pytest.raises(InvalidInput):
        visibility.viewer(OWNER)


@pytest.mark.parametrize("shown", ["public", "private", "connections"])
@pytest.mark.parametrize("status", ["active", "disabled", "erasing", "erased"])
def test_a_profile_is_seen_as_a_thing_of_its_user(shown: str, status: str) -> None:
    user = from_document(User, sample("users")).evolve(id=OWNER, profile_visibility=shown, status=status)
    for name, who in VIEWERS.items():
        state = shown if status in ("active", "disabled") else "deleted"
        assert sees(who, visibility.profile(user)) is oracle(name, state, "profile")
