"""Random users, connections and blocks, and things of theirs: nobody sees more, or less, than the rule says.

What is stored is made at random; what is seen is read through the services.
"""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tektree import Policy, Principal, TekTree
from tektree._sync.services.viewers import Viewers
from tektree.backends.memory import MemoryConnections, memory_backends
from tektree.errors import NotFound
from tektree.ids import derived_id
from tektree.models.accounts import Role
from tektree.models.answers import Answer
from tektree.models.areas import Area
from tektree.models.connections import Connection
from tektree.models.insights import Insight
from tektree.models.questions import Question
from tektree.rules import areas as placing
from tektree.rules import connections, visibility
from tests.lanes import enter

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)
ROLES: tuple[Role, ...] = ("user", "user", "user", "user", "moderator", "admin")
STEPS = (*[connections.requested] * 5, connections.removed, connections.blocked, connections.unblocked)
SHOWN = ("public", "private", "connections", "connections")
POLICY = Policy()


class Graph:
    """A few people, what they are to each other, and what they made; all of it is in storage."""

    def __init__(self, seed: int, backends: Any) -> None:
        self.dice, self.seed, self.backends = random.Random(seed), seed, backends
        dice = self.dice
        self.people = [
            Principal(derived_id("user", str(seed), str(at)), f"usr_{seed}_{at}", role=dice.choice(ROLES))
            for at in range(dice.randint(2, 4))
        ]
        self.asked: set[tuple[str, str]] = set()
        self.blocks: set[tuple[str, str]] = set()
        for at, one in enumerate(self.people):
            for other in self.people[:at]:
                self._relate(one, other)
        self.areas = [self._area(at) for at in range(3)]
        self.questions = [self._question(at) for at in range(3)]
        self.answers = [self._answer(at) for at in range(3)]
        self.insights = [self._insight(at) for at in range(3)]

    def _relate(self, one: Principal, other: Principal) -> None:
        now: Connection = connections.between(one, other.id, other.uid, NOON)
        for _ in range(self.dice.randint(0, 6)):
            by, to = (one, other) if self.dice.random() < 0.5 else (other, one)
            step = self.dice.choice(STEPS)
            if step is connections.requested and (by.id, to.id) in self.blocks:
                continue
            decided = step(now, by, NOON)
            now = now if decided is None else decided.connection
            self._remember(step, by.id, to.id)
        self.backends.connections.insert(now, [])

    def _remember(self, step: Any, by: str, to: str) -> None:
        """The same in two sets."""
        if step is connections.requested:
            self.asked.add((by, to))
        elif step is connections.unblocked:
            self.blocks.discard((by, to))
        elif (by, to) not in self.blocks:
            self.asked -= {(by, to), (to, by)}
            self.blocks |= {(by, to)} if step is connections.blocked else set()

    def _common(self, kind: str, at: int) -> dict[str, Any]:
        dice, who = self.dice, self.dice.choice(self.people)
        return {
            "id": derived_id(kind, str(self.seed), str(at)),
            "created_by": who.id,
            "author": who.uid,
            "created_at": NOON,
            "updated_at": NOON,
            "deleted_at": NOON if dice.random() < 0.15 else None,
        }

    def _area(self, at: int) -> Area:
        name = f"w{self.seed}-{at}"
        parent = self.dice.choice([None, *self.areas]) if at else None
        area = Area(
            title=name,
            slug=name,
            slugs=(name,),
            visibility=self.dice.choice(SHOWN),
            parent_id=parent and parent.id,
            **self._common("area", at),
        )
        chain = () if parent is None else (*placing.above(parent, {each.id: each for each in self.areas}), parent)
        area = placing.place(area, chain)
        self.backends.areas.insert(area, [])
        self.areas = [*getattr(self, "areas", []), area]
        return area

    def _question(self, at: int) -> Question:
        name = f"q{self.seed}-{at}"
        filed = self.dice.sample(self.areas, self.dice.randint(0, 2))
        question = Question(
            title=f"{name} w{self.seed}",
            slug=name,
            slugs=(name,),
            body="b",
            areas=[each.id for each in filed],
            visibility=self.dice.choice(SHOWN),
            **self._common("question", at),
        )
        self.backends.questions.insert(question, [])
        return question

    def _answer(self, at: int) -> Answer:
        answer = Answer(question_id=self.dice.choice(self.questions).id, body="b", **self._common("answer", at))
        self.backends.answers.insert(answer, [])
        return answer

    def _insight(self, at: int) -> Insight:
        name, dice = f"i{self.seed}-{at}", self.dice
        insight = Insight(
            title=f"{name} w{self.seed}",
            slug=name,
            slugs=(name,),
            body="b",
            insight_type="article",
            areas=[each.id for each in dice.sample(self.areas, dice.randint(0, 2))],
            visibility=dice.choice(SHOWN),
            co_authors=[each.id for each in dice.sample(self.people, dice.choice((0, 0, 1)))],
            published_at=dice.choice((NOON, NOON, NOON, None, NOON + timedelta(milliseconds=1))),
            **self._common("insight", at),
        )
        self.backends.insights.insert(insight, [])
        return insight

    # -- by the words alone -------------------------------------------------------------------------------------------

    def sees(self, who: Principal | None, thing: Any) -> bool:
        if thing.deleted_at is not None:
            return False
        if isinstance(thing, Answer):
            return self.sees(who, next(each for each in self.questions if each.id == thing.question_id))
        if isinstance(thing, Insight):
            if who is not None and who.id in (thing.created_by, *thing.co_authors):
                return True
            if thing.published_at is None or thing.published_at > NOON:
                return False
        if thing.visibility == "public" or (who is not None and who.id == thing.created_by):
            return True
        if who is None or who.role == "admin":
            return who is not None
        if thing.visibility == "private":
            return False
        pair, riap = (who.id, thing.created_by), (thing.created_by, who.id)
        friends = {pair, riap} <= self.asked and not {pair, riap} & self.blocks
        return friends or who.role == "moderator"

    # -- what is shown ------------------------------------------------------------------------------------------------

    def leaks(self, tek: TekTree) -> Iterator[str]:
        """What somebody sees and should not, or does not see and should."""
        for who in (None, *self.people):
            yield from [f"{who} {said}" for said in self._of(tek, who)]

    def _of(self, tek: TekTree, who: Principal | None) -> Iterator[str]:
        areas = {each.id: each.title for each in self.areas if self.sees(who, each)}
        asked = {each.id for each in self.questions if self.sees(who, each)}
        hidden = {each.title for each in self.areas} - set(areas.values())
        for area in self.areas:
            shown = found(tek.areas.get, who, area.id)
            if (shown is not None) is not self.sees(who, area):
                yield f"area {area}"
            if shown and (not set(shown.path) <= areas.keys() or hidden & set(shown.breadcrumbs.split(" > "))):
                yield f"what stands above {shown}"
        for question in self.questions:
            one = found(tek.questions.get, who, question.id)
            if (one is not None) is not self.sees(who, question):
                yield f"question {question}"
            if one and list(one.areas) != [each for each in question.areas if each in areas]:
                yield f"areas of {question}"
        for insight in self.insights:
            told = found(tek.insights.get, who, insight.id)
            if (told is not None) is not self.sees(who, insight):
                yield f"insight {insight}"
            if told and list(told.areas) != [each for each in insight.areas if each in areas]:
                yield f"areas of {insight}"
        for answer in self.answers:
            if (found(tek.answers.get, who, answer.id) is not None) is not self.sees(who, answer):
                yield f"answer {answer}"
        yield from self._among(tek, who, set(areas), asked)

    def _among(self, tek: TekTree, who: Principal | None, areas: set[str], asked: set[str]) -> Iterator[str]:
        if {each.id for each in tek.areas.search(who, f"w{self.seed}")} != areas:
            yield "areas that are found"
        searched = tek.questions.search(who, f"w{self.seed}").items
        if {each.id for each in searched} != asked:
            yield "questions that are found"
        if not {id for each in searched for id in each.areas} <= areas:
            yield "areas of questions that are found"
        written = {each.id for each in self.insights if self.sees(who, each)}
        if {each.id for each in tek.insights.search(who, f"w{self.seed}")} != written:
            yield "insights that are found"
        author = self.dice.choice(self.people).id
        own = {each.id for each in self.insights if each.created_by == author}
        if {each.id for each in tek.insights.list(who, author=author)} != written & own:
            yield f"insights of {author}"
        own = {each.id for each in self.questions if each.created_by == author}
        if {each.id for each in tek.questions.list(who, author=author)} != asked & own:
            yield f"questions of {author}"
        for question in self.questions[:2]:
            listed = found(tek.answers.list, who, question.id) or ()
            said = {each.id for each in self.answers if each.question_id == question.id and self.sees(who, each)}
            if {each.id for each in listed} != said:
                yield f"answers to {question}"


def found(get: Callable[..., Any], who: Principal | None, id: str) -> Any:
    try:
        return get(who, id)
    except NotFound:
        return None


def leaks(seeds: range) -> list[str]:
    enter("memory")
    backends = memory_backends()
    tek = TekTree(backends, POLICY, clock=lambda: NOON)
    wrong: list[str] = []
    for seed in seeds:
        wrong += [f"graph {seed}: {said}" for said in Graph(seed, backends).leaks(tek)][:1]
    return wrong


@pytest.mark.parametrize("tenth", range(10))
def test_no_graph_leaks(tenth: int) -> None:
    """G13, G14: a thousand graphs, through the services."""
    assert leaks(range(tenth * 100, tenth * 100 + 100)) == []


@pytest.mark.long
@pytest.mark.parametrize("tenth", range(10))
def test_no_graph_of_ten_thousand_leaks(tenth: int) -> None:
    for start in range(1_000 + tenth * 900, 1_900 + tenth * 900, 100):
        assert leaks(range(start, start + 100)) == []


def who_asked_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    def connected(self: Any, user_id: str, limit: int) -> Any:
        found = [each.record for each in self._stored.values() if user_id in each.record.asked]
        return [other for each in found for other in each.users if other != user_id]

    monkeypatch.setattr(MemoryConnections, "connected", connected)


def a_block_is_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = connections.blocked

    def one_way(old: Any, by: Any, now: Any) -> Any:
        decided = blocked(old, by, now)
        if decided is None or old.status != "connected":
            return decided
        return decided._replace(connection=decided.connection.evolve(asked=old.asked, status="connected"))

    monkeypatch.setattr("tests.content.test_graphs.STEPS", (*STEPS[:6], one_way, STEPS[7]))
    monkeypatch.setattr(connections, "blocked", one_way)


def connections_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Viewers, "before", lambda self, records, viewer, now: viewer)


def moderators_see_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def viewer(actor: Any) -> Any:
        return visibility.ANYBODY if actor is None else visibility.Viewer(actor.id, "admin")

    monkeypatch.setattr("tektree._sync.services.questions.visibility.viewer", viewer)


def answers_are_everybodys(monkeypatch: pytest.MonkeyPatch) -> None:
    from tektree._sync.services.answers import Answers

    def seen(self: Any, id: Any, viewer: Any, *, deleted: bool = False) -> Any:
        stored = self._answers.by_id(id)
        if stored.record.deleted_at is not None:
            raise NotFound("answer", id)
        return stored, None

    monkeypatch.setattr(Answers, "_seen", seen)


def co_authors_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    sight = visibility.sight

    def without(viewer: Any, now: Any) -> Any:
        found = sight(viewer, now)
        return found._replace(clauses=tuple([each._replace(co_author=None) for each in found.clauses]))

    monkeypatch.setattr(visibility, "sight", without)


def drafts_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    sees = visibility.sees
    monkeypatch.setattr(visibility, "sees", lambda viewer, matter: sees(viewer, matter._replace(published=True)))


@pytest.mark.parametrize(
    "broken",
    [
        co_authors_are_forgotten,
        drafts_are_shown,
        who_asked_is_connected,
        a_block_is_one_way,
        connections_are_not_asked,
        moderators_see_all,
        answers_are_everybodys,
    ],
)
def test_a_leak_is_found(broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive controls."""
    broken(monkeypatch)
    assert leaks(range(60))
