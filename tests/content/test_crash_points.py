"""Every verb of content, with one fault at every call: then a retry, or the relay, and nothing is half made.

The whole of the services is at work, with all that follows from a verb: counts, breadcrumbs, XP. A process that is cut
off is gone, with what it had in hand; another repeats its command, and a third runs the relay, when what the first was
at is nobody's any more. What must be true then is told from what is stored alone: counts are what is there, places
are those of the tree, XP is what stands, once for each thing and voter, and everything was told once, in order.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from tektree import AsyncTekTree, EntityRef
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.sdk import memory_backends
from tektree._async.services.contents import AsyncContents
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.votes import AsyncVotes
from tektree.errors import BackendError, Conflict, Denied, NotFound
from tektree.models.answers import AnswerDraft
from tektree.models.areas import AreaDraft
from tektree.models.insights import InsightDraft
from tektree.models.questions import QuestionDraft
from tektree.rules import areas as rules
from tektree.rules import reactions
from tektree.rules.catalog import CATALOG
from tektree.testing import SeededIds
from tektree.testing.explorer import EVERY_STRIKE, End, Strike, explore, pause, stepping
from tektree.testing.faults import Call, around
from tests.content.test_explorer import PORTS
from tests.content.worlds import POLICY, principal
from tests.lanes import enter
from tests.protocol import counts
from tests.protocol.worlds import NOW, _copied, done

Tek = AsyncTekTree
Start = dict[str, str]
Command = Callable[[Tek, Start], Awaitable[object]]

MORE = ("areas", "follows", "questions", "answers", "votes", "connections", "insights")
ADA, BEN, CYD, EVE = [principal(name) for name in ("ada", "ben", "cyd", "eve")]
MOD = principal("mod", "moderator")
LATER, LATEST = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
"""When a command is repeated; and when what any process was at that is gone is nobody's any more."""
NOON = NOW + timedelta(minutes=30)
"""When what is planned is to be published."""


TABLE = reactions.table(POLICY, CATALOG)


@pytest.fixture(autouse=True)
def one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of one policy have one table of reactions; to make it is most of what a process begins with."""
    monkeypatch.setattr(reactions, "table", lambda *_: TABLE)


def process(backends: AsyncBackends, seed: int, now: datetime = NOW) -> Tek:
    """All services, which wait by giving way to the others."""
    tek = AsyncTekTree(backends, POLICY, lambda: now, SeededIds(seed))
    waiting: list[Any] = [tek.gamification.commits, tek.areas, tek.questions._filing, tek.answers, tek.votes]
    waiting += [tek.insights._filing, tek.areas.follows]
    documents: list[Any] = [tek.areas, tek.questions, tek.answers, tek.votes, tek.connections, tek.insights]
    for each in [*waiting, *[each.contents for each in documents]]:
        assert each._pause
        each._pause = pause
    return tek


# -- the verbs -------------------------------------------------------------------------------------------------------


async def begun(tek: Tek) -> Start:
    """B below A; a question of Ada's in B, with two answers; Cyd finds the first one good, and Eve the question bad.

    A draft of Ada's in B, which Cyd is invited to share, and an insight that Eve likes.
    """
    for who in (ADA, BEN, CYD, EVE):
        await tek.gamification.enroll(who.uid, who.id)
    a = await tek.areas.create(ADA, AreaDraft(title="A"))
    b = await tek.areas.create(ADA, AreaDraft(title="B", parent_id=a.id))
    q = await tek.questions.ask(ADA, QuestionDraft(title="How?", body="b", areas=(b.id,)))
    first, second = [await tek.answers.post(who, q.id, AnswerDraft(body=who.uid)) for who in (BEN, CYD)]
    await tek.votes.cast(CYD, first, 1)
    await tek.votes.cast(EVE, q, -1)
    draft, insight = [await tek.insights.draft(ADA, InsightDraft(title=x, body="b", areas=(b.id,))) for x in "DI"]
    await tek.insights.invite(ADA, draft.id, CYD.id)
    await tek.insights.publish(ADA, insight.id)
    await tek.insights.like(EVE, insight.id)
    ids = {"A": a.id, "B": b.id, "question": q.id, "first": first.id, "second": second.id}
    return ids | {"draft": draft.id, "insight": insight.id}


def vote(who: Any, kind: str, name: str, value: int) -> Command:
    return lambda tek, ids: tek.votes.cast(who, EntityRef(kind, ids[name]), value)


def of_insights(verb: str, who: Any, name: str, *more: Any) -> Command:
    return lambda tek, ids: getattr(tek.insights, verb)(who, ids[name], *more)


VERBS: dict[str, tuple[Command, ...]] = {
    "an area is made": (lambda tek, ids: tek.areas.create(BEN, AreaDraft(title="C", parent_id=ids["B"])),),
    "an area is renamed": (lambda tek, ids: tek.areas.edit(ADA, ids["A"], title="A2"),),
    "an area is hidden": (lambda tek, ids: tek.areas.edit(ADA, ids["A"], visibility="private"),),
    "an area is moved": (lambda tek, ids: tek.areas.move(ADA, ids["B"], None),),
    "an area is deleted": (lambda tek, ids: tek.areas.delete(ADA, ids["B"]),),
    "an area is restored": (
        lambda tek, ids: tek.areas.delete(ADA, ids["B"]),
        lambda tek, ids: tek.areas.restore(ADA, ids["B"]),
    ),
    "an area is followed": (lambda tek, ids: tek.areas.follow(BEN, ids["A"]),),
    "an area is left": (
        lambda tek, ids: tek.areas.follow(BEN, ids["A"]),
        lambda tek, ids: tek.areas.unfollow(BEN, ids["A"]),
    ),
    "an area is followed again": (
        lambda tek, ids: tek.areas.follow(BEN, ids["A"]),
        lambda tek, ids: tek.areas.unfollow(BEN, ids["A"]),
        lambda tek, ids: tek.areas.follow(BEN, ids["A"]),
    ),
    "a question is asked": (
        lambda tek, ids: tek.questions.ask(BEN, QuestionDraft(title="Why?", body="b", areas=(ids["A"],))),
    ),
    "a question is renamed": (lambda tek, ids: tek.questions.edit(ADA, ids["question"], title="How so?"),),
    "a question is filed elsewhere": (lambda tek, ids: tek.questions.edit(ADA, ids["question"], areas=[ids["A"]]),),
    "a question is hidden": (lambda tek, ids: tek.questions.edit(ADA, ids["question"], visibility="private"),),
    "a question is closed": (lambda tek, ids: tek.questions.close(ADA, ids["question"], "done"),),
    "a question is reopened": (
        lambda tek, ids: tek.questions.close(ADA, ids["question"]),
        lambda tek, ids: tek.questions.reopen(ADA, ids["question"]),
    ),
    "a question is resolved": (lambda tek, ids: tek.questions.resolve(ADA, ids["question"]),),
    "a question is deleted": (lambda tek, ids: tek.questions.delete(ADA, ids["question"]),),
    "a question is restored": (
        lambda tek, ids: tek.questions.delete(ADA, ids["question"]),
        lambda tek, ids: tek.questions.restore(ADA, ids["question"]),
    ),
    "a question is voted for": (vote(BEN, "question", "question", 1),),
    "a draft is kept": (
        lambda tek, ids: tek.insights.draft(BEN, InsightDraft(title="E", body="b", areas=(ids["A"],))),
    ),
    "a draft is edited": (lambda tek, ids: tek.insights.edit(ADA, ids["draft"], title="D2", areas=[ids["A"]]),),
    "an insight is published": (of_insights("publish", ADA, "draft"),),
    "an insight is planned": (of_insights("publish", ADA, "draft", NOON),),
    "a plan is given up": (of_insights("publish", ADA, "draft", NOON), of_insights("unpublish", ADA, "draft")),
    "an insight is unpublished": (of_insights("unpublish", ADA, "insight"),),
    "an insight is published again": (of_insights("unpublish", ADA, "insight"), of_insights("publish", ADA, "insight")),
    "an insight is deleted": (of_insights("delete", ADA, "insight"),),
    "an insight is restored": (of_insights("delete", ADA, "insight"), of_insights("restore", ADA, "insight")),
    "an insight is featured": (of_insights("feature", MOD, "insight"),),
    "an insight is liked": (of_insights("like", BEN, "insight"),),
    "a like is taken back": (of_insights("unlike", EVE, "insight"),),
    "a co-author is invited": (of_insights("invite", ADA, "draft", BEN.id),),
    "a co-author consents": (of_insights("consent", CYD, "draft"),),
    "who likes it becomes a co-author": (
        of_insights("invite", ADA, "insight", EVE.id),
        of_insights("consent", EVE, "insight"),
    ),
    "a co-author leaves": (of_insights("consent", CYD, "draft"), of_insights("decline", CYD, "draft")),
    "an answer is posted": (lambda tek, ids: tek.answers.post(EVE, ids["question"], AnswerDraft(body="c")),),
    "an answer is edited": (lambda tek, ids: tek.answers.edit(BEN, ids["first"], body="better"),),
    "an answer is accepted": (lambda tek, ids: tek.answers.accept(ADA, ids["first"]),),
    "another is accepted": (
        lambda tek, ids: tek.answers.accept(ADA, ids["first"]),
        lambda tek, ids: tek.answers.accept(ADA, ids["second"]),
    ),
    "an answer is unaccepted": (
        lambda tek, ids: tek.answers.accept(ADA, ids["first"]),
        lambda tek, ids: tek.answers.unaccept(ADA, ids["first"]),
    ),
    "the accepted answer is deleted": (
        lambda tek, ids: tek.answers.accept(ADA, ids["first"]),
        lambda tek, ids: tek.answers.delete(BEN, ids["first"]),
    ),
    "an answer is restored": (
        lambda tek, ids: tek.answers.delete(BEN, ids["first"]),
        lambda tek, ids: tek.answers.restore(BEN, ids["first"]),
    ),
    "a question with an accepted answer is deleted": (
        lambda tek, ids: tek.answers.accept(ADA, ids["first"]),
        lambda tek, ids: tek.questions.delete(ADA, ids["question"]),
    ),
    "the accepted answer is restored": (
        lambda tek, ids: tek.answers.accept(ADA, ids["first"]),
        lambda tek, ids: tek.answers.delete(BEN, ids["first"]),
        lambda tek, ids: tek.answers.restore(BEN, ids["first"]),
    ),
    "a co-author is let go": (of_insights("consent", CYD, "draft"), of_insights("withdraw", ADA, "draft", CYD.id)),
    "a vote is turned": (vote(CYD, "answer", "first", -1),),
    "a vote is taken back": (vote(CYD, "answer", "first", 0),),
    "a vote is given again": (vote(CYD, "answer", "first", 0), vote(CYD, "answer", "first", 1)),
    "a connection is asked for": (lambda tek, ids: tek.connections.request(ADA, BEN.id),),
    "a connection is accepted": (
        lambda tek, ids: tek.connections.request(ADA, BEN.id),
        lambda tek, ids: tek.connections.accept(BEN, ADA.id),
    ),
    "a connection is ended": (
        lambda tek, ids: tek.connections.request(ADA, BEN.id),
        lambda tek, ids: tek.connections.request(BEN, ADA.id),
        lambda tek, ids: tek.connections.remove(BEN, ADA.id),
    ),
    "who is connected is blocked": (
        lambda tek, ids: tek.connections.request(ADA, BEN.id),
        lambda tek, ids: tek.connections.request(BEN, ADA.id),
        lambda tek, ids: tek.connections.block(BEN, ADA.id),
    ),
    "a block is taken back": (
        lambda tek, ids: tek.connections.block(ADA, BEN.id),
        lambda tek, ids: tek.connections.unblock(ADA, BEN.id),
    ),
}
"""What was before, and last the verb that is cut off."""


# -- what must be true -----------------------------------------------------------------------------------------------


def records(port: Any) -> list[Any]:
    return [each.record for each in port._stored.values()]


def miscounted(store: Any) -> Iterator[str]:
    """What is not as it is there."""
    areas, answers = {each.id: each for each in records(store.areas)}, records(store.answers)
    live = [each for each in records(store.questions) if each.deleted_at is None]
    votes = Counter((each.target_id, each.value) for each in records(store.votes))
    for area in areas.values():
        if rules.place(area, rules.above(area, areas)) is not area:
            yield f"area {area.title} says it stands at {area.breadcrumbs}"
        followers = [each for each in records(store.follows) if each.area_id == area.id and each.active]
        yield from _differs(area, "follower_count", len(followers))
        filed = [each for each in live if area.id in each.areas and each.visibility == "public"]
        filed += [each for each in records(store.insights) if area.id in each.areas and told(each)]
        yield from _differs(area, "content_count", len(filed))
    for insight in records(store.insights):
        yield from _differs(insight, "like_count", votes[insight.id, 1])
    for question in records(store.questions):
        its = [each for each in answers if each.question_id == question.id]
        yield from _differs(question, "answer_count", sum(each.deleted_at is None for each in its))
        accepted = [each.id for each in its if each.is_accepted and each.deleted_at is None]
        if accepted != [each for each in [question.accepted_answer_id] if each is not None]:
            yield f"accepted are {accepted}, and by the question {question.accepted_answer_id}"
    for each in [*records(store.questions), *answers]:
        yield from _differs(each, "upvote_count", votes[each.id, 1])
        yield from _differs(each, "downvote_count", votes[each.id, -1])


def _differs(record: Any, name: str, expected: int) -> Iterator[str]:
    if getattr(record, name) != expected:
        yield f"{type(record).__name__}.{name} is {getattr(record, name)}, there are {expected}"


def told(insight: Any) -> bool:
    """Whether everybody may see it, and it was told that it was published."""
    return insight.published_at is not None and insight.due is None and insight.deleted_at is None


def due(store: Any) -> Counter[str]:
    """The XP of each user, by what stands."""
    xp: Counter[str] = Counter()
    for port, worth in (("areas", 5), ("questions", 5), ("answers", 10)):
        for each in records(getattr(store, port)):
            xp[each.created_by] += worth if each.deleted_at is None else 0
    for each in records(store.insights):
        xp[each.created_by] += 25 if told(each) else 0
    things = {each.id: each for port in ("questions", "answers", "insights") for each in records(getattr(store, port))}
    for each in records(store.votes):
        worth = {1: 10, 0: 0, -1: -2}[each.value] if each.target_type != "insight" else 5 * each.value
        xp[things[each.target_id].created_by] += worth if things[each.target_id].deleted_at is None else 0
    for question in records(store.questions):
        if question.accepted_answer_id is not None:
            xp[things[question.accepted_answer_id].created_by] += 15
            xp[question.created_by] += 2 if question.deleted_at is None else 0
    return xp


def amiss(store: Any) -> Iterator[str]:
    """What is not right when nobody is at work and nothing is left to do."""
    yield from miscounted(store)
    xp, tek = due(store), process(store, 60, LATEST)
    for who in (ADA, BEN, CYD, EVE):
        profile = done(store.gamification.profile(who.id))
        if profile.total_xp != xp[who.id]:
            yield f"{who.uid} has {profile.total_xp} XP, {xp[who.id]} are due"
        if not done(tek.gamification.verify(who.id)):
            yield f"the ledger of {who.uid} does not add up"
    for port in MORE:
        if done(getattr(store, port).unfinished(9)):
            yield f"events stand on what is in {port}"
    if store.events._marks or store.deliveries._by_id:
        yield "handlers are owed"
    yield from mistold(store)


def mistold(store: Any) -> Iterator[str]:
    """What was told twice, or not in order."""
    streams: dict[str, list[int]] = {}
    begun: Counter[tuple[str, str]] = Counter()
    for each in store.events._by_id.values():
        streams.setdefault(each.metadata["stream"], []).append(each.metadata["seq"])
        begun[each.metadata["stream"], each.event_type] += 1
    for stream, numbers in streams.items():
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            yield f"{stream} is numbered {sorted(numbers)}"
    for port, kind, event_type in (
        ("areas", "area", "area.created"),
        ("questions", "question", "question.asked"),
        ("answers", "answer", "answer.posted"),
        ("insights", "insight", "insight.created"),
    ):
        for each in records(getattr(store, port)):
            stream = f"{kind}:{each.id}"
            if begun[stream, event_type] != 1:
                yield f"the making of {stream} was told {begun[stream, event_type]} times"


# -- one process, cut off --------------------------------------------------------------------------------------------


class Plot:
    """A verb, with what was before it."""

    def __init__(self, name: str) -> None:
        *before, self.verb = VERBS[name]
        self.base = memory_backends()

        async def begin() -> Start:
            tek = process(self.base, 99)
            start = await begun(tek)
            for command in before:
                await command(tek, start)
            return start

        self.start: Start = done(begin())

    def __call__(self) -> "Played":
        return Played(self)


class Played:
    """One world of a plot: a process that is at the verb."""

    def __init__(self, plot: Plot) -> None:
        self.plot = plot
        self.parts = _copied([getattr(plot.base, name) for name in (*PORTS, *MORE)], {})
        self.store = bundle(self.parts)
        self.made = 0
        stepped = stepping(around(self.store, self._counted))
        self.workers: Sequence[Coroutine[Any, Any, object]] = [_at(plot.verb, plot, process(stepped, 1))]

    async def _counted(self, call: Call, made: Callable[[], Awaitable[Any]]) -> Any:
        self.made += 1
        return await made()

    def state(self) -> object:
        """Nobody else is there: what storage holds follows from what the one process was told, and how far it got."""
        return self.made

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        [end] = ends
        if end.error is not None and not isinstance(end.error, BackendError):
            yield f"the verb raised {end.error!r}"
        if end.value is not None and not any(done(getattr(self.store, port).unfinished(1)) for port in MORE):
            yield from [f"with no word of it: {said}" for said in miscounted(self.store)]
        cut_off = end.struck or end.error is not None
        for way in ("relay, retry, relay", "retry, relay") if cut_off else ("relay",):
            store = bundle(_copied(self.parts, {}))
            for step in way.split(", "):
                if step == "relay":
                    done(process(store, 70, LATEST).events.relay.run_once())
                    yield from [f"{way}: {said}" for said in amiss(store)]
                else:
                    with suppress(Conflict, Denied, NotFound):
                        done(self.plot.verb(process(store, 80, LATER), self.plot.start))
                        yield from [f"{way}: {said}" for said in miscounted(store)]


def bundle(parts: Sequence[Any]) -> AsyncBackends:
    split = len(PORTS)
    return AsyncBackends(*parts[:split], **dict(zip(MORE, parts[split:], strict=True)))


async def _at(verb: Command, plot: Plot, tek: Tek) -> object:
    return await verb(tek, plot.start)


def explored(name: str, *strikes: Strike) -> None:
    enter("memory")
    found = explore(Plot(name), strikes)
    counts.tell(f"{name}: {found.told()}")
    assert not found.violations, found.story()
    assert found.ends > len(strikes) * 2, found.told()


LONG = {
    "another is accepted",
    "the accepted answer is deleted",
    "the accepted answer is restored",
    "an answer is restored",
    "a question with an accepted answer is deleted",
    "a question is deleted",
    "a question is restored",
    "an insight is deleted",
    "an insight is restored",
}
"""Verbs from which so much follows that every call of theirs is tried out with ``--long`` only."""


@pytest.mark.parametrize("name", [name for name in VERBS if name not in LONG])
def test_a_crash_at_every_call(name: str) -> None:
    """J34."""
    explored(name, Strike.CRASH)


@pytest.mark.long
@pytest.mark.parametrize("name", list(VERBS))
def test_every_fault_at_every_call(name: str) -> None:
    explored(name, *EVERY_STRIKE)


# -- the positive controls -------------------------------------------------------------------------------------------


def repetitions_follow_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was cut off behind its commit is left by the repetition, which finds nothing to change."""
    change = AsyncContents.change

    async def careless(self: Any, reading: Any, decide: Any, by: str, *more: Any, **rest: Any) -> Any:
        stored = await reading()
        if decide(stored, NOW) is None:
            return stored, False
        return await change(self, reading, decide, by, *more, **rest)

    monkeypatch.setattr(AsyncContents, "change", careless)


def told_before_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The document lets go of its events before what they call for is done."""

    async def careless(self: Any, stored: Any) -> Any:
        told = await self._tell(stored) if stored.left else stored
        await self._after(stored)
        return told

    monkeypatch.setattr(AsyncContents, "follow", careless)


def let_go_before_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The document lets go of its events before they are in the log."""
    tell = AsyncContents._tell

    async def careless(self: Any, stored: Any) -> Any:
        ids = [each.event.event_id for each in stored.left]
        await self._store.told(stored.record.id, ids)
        return await tell(self, stored)

    monkeypatch.setattr(AsyncContents, "_tell", careless)


def told_without_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the log says for whom an event still is."""
    monkeypatch.setattr(AsyncHandlers, "posting", lambda *_: None)


def awards_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reaction is a new award each time that it runs."""
    times = count()
    monkeypatch.setattr(reactions, "key", lambda *_: f"award {next(times)}")


def counted_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vote adds one to what was counted."""

    async def step(self: Any, stored: Any) -> None:
        id, value = stored.record.target_id, stored.record.value
        thing, tally = await self._answers.by_id(id), await self._answers.tally(id)
        await self._answers.counted(id, tally, upvote_count=max(0, thing.record.upvote_count + (value or -1)))

    monkeypatch.setattr(AsyncVotes, "_after", step)


@pytest.mark.parametrize(
    ("broken", "name", "said"),
    [
        (repetitions_follow_nothing, "a vote is taken back", "upvote_count"),
        (told_before_it_is_counted, "an answer is restored", "answer_count"),
        (let_go_before_the_log, "an answer is restored", "XP"),
        (told_without_a_mark, "an answer is posted", "XP"),
        (awards_of_the_moment, "an answer is posted", "XP"),
        (counted_in_steps, "a vote is given again", "upvote_count"),
    ],
)
def test_what_is_done_wrong_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plot = Plot(name)
    broken(monkeypatch)
    found = explore(plot, (Strike.CRASH,))
    assert any(said in each for each, _ in found.violations), found.story()
