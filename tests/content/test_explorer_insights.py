"""Two processes on the same insight, or on a question that is voted on: every interleaving of their calls, with a crash
at every call.

After each the sweep runs, every command that was cut off is repeated, and the sweep runs again. Then votes count if and
only if their thing is there, everything is counted as it is there, and what is told adds up to what is.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from typing import Any, NamedTuple

import pytest

from tektree import Policy
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.sdk import memory_backends
from tektree._async.services import contents
from tektree._async.services import counts as counts_of
from tektree._async.services.answers import AsyncAnswers
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.insights import AsyncInsights
from tektree._async.services.questions import AsyncQuestions
from tektree._async.services.votes import AsyncVotes
from tektree.errors import BackendError, Conflict, Denied, NotFound
from tektree.models.answers import AnswerDraft
from tektree.models.gamification import EntityRef
from tektree.models.insights import Insight, InsightDraft
from tektree.models.questions import QuestionDraft
from tektree.rules import insights
from tektree.rules.catalog import CATALOG
from tektree.testing import SeededIds
from tektree.testing.explorer import EVERY_STRIKE, End, Strike, digest, explore, pause, stepping
from tests.content.test_explorer import PORTS, NoQuotas
from tests.content.worlds import principal
from tests.lanes import enter
from tests.protocol import counts
from tests.protocol.worlds import NOW, _copied, done

POLICY = Policy(events={"drain": "relay"})
MORE = ("areas", "follows", "questions", "answers", "votes", "insights")
ADA, BEN, CYD = principal("ada"), principal("ben"), principal("cyd")
LATER = NOW + timedelta(hours=1)


class Tek(NamedTuple):
    """The services of one process."""

    questions: AsyncQuestions
    answers: AsyncAnswers
    votes: AsyncVotes
    insights: AsyncInsights

    async def sweep(self) -> None:
        await self.insights.sweep()
        for _ in range(2):
            for each in self:
                await each.contents.sweep()


Command = Callable[[Tek, Any], Awaitable[object]]


def services(backends: AsyncBackends, seed: int, at: Any = NOW) -> Tek:
    ids = SeededIds(seed)
    handlers = AsyncHandlers(backends.events, backends.deliveries, CATALOG, POLICY, lambda: at, ids)
    timed: Any = handlers, POLICY, lambda: at
    rest: Any = NoQuotas(), *timed, ids, pause
    stores: Any = backends
    questions = AsyncQuestions(backends, stores.questions, stores.areas, *rest)
    answers = AsyncAnswers(backends, stores.answers, stores.questions, questions.contents, *rest)
    votes = AsyncVotes(backends, stores.votes, stores.questions, stores.answers, *timed, pause)
    questions.answered = answers.follow
    questions.voted = answers.voted = votes.settle
    return Tek(questions, answers, votes, AsyncInsights(backends, stores.insights, stores.areas, votes, *rest))


async def begin(tek: Tek) -> dict[str, str]:
    """A question that Ben voted for, with an accepted answer of his; an insight that he likes, a draft that he is
    invited to share, and one that is due.
    """
    question = await tek.questions.ask(ADA, QuestionDraft(title="How?", body="b"))
    answer = await tek.answers.post(BEN, question.id, AnswerDraft(body="a"))
    await tek.answers.accept(ADA, answer.id)
    await tek.votes.cast(BEN, question, 1)
    drafts = [await tek.insights.draft(ADA, InsightDraft(title=f"I{at}", body="b")) for at in range(3)]
    await tek.insights.publish(ADA, drafts[0].id)
    await tek.insights.like(BEN, drafts[0].id)
    for each in drafts[:2]:
        await tek.insights.invite(ADA, each.id, CYD.id)
    await tek.insights.publish(ADA, drafts[2].id, LATER)
    await tek.sweep()
    ids = {"question": question.id, "answer": answer.id}
    return ids | dict(zip(("insight", "draft", "due"), [each.id for each in drafts], strict=True))


class Meeting:
    """The commands that meet."""

    calm = True
    """Whether a worker that ended well met no fault: else what follows may have been left to the sweep."""

    def __init__(self, *commands: Command, before: Command | None = None) -> None:
        self.commands, self.before = commands, before

    @cached_property
    def begun(self) -> tuple[AsyncBackends, dict[str, str]]:
        base = memory_backends()
        tek = services(base, 99)
        ids = done(begin(tek))
        if self.before is not None:
            done(self.before(tek, ids))
            done(tek.sweep())
        return base, ids

    def __call__(self) -> "Played":
        return Played(self)


class Played:
    """One world of a meeting."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        base, self.ids = meeting.begun
        self.parts = _copied([getattr(base, name) for name in (*PORTS, *MORE)], {})
        split = len(PORTS)
        self.store: Any = AsyncBackends(*self.parts[:split], **dict(zip(MORE, self.parts[split:], strict=True)))
        self.workers: Sequence[Coroutine[Any, Any, object]] = [
            _run(command, services(stepping(self.store), seed, LATER), self.ids)
            for seed, command in enumerate(meeting.commands)
        ]

    def state(self) -> object:
        return digest(self.parts)

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        plain = services(self.store, 50, LATER)
        for end in ends:
            if end.error is not None and not isinstance(end.error, Conflict | Denied | BackendError | NotFound):
                yield f"a worker raised {end.error!r}"
        if self.meeting.calm and not any(end.struck or end.error for end in ends):
            yield from [f"with nothing amiss: {said}" for said in self.agreed()]
        done(plain.sweep())
        yield from self.agreed()
        for command, end in zip(self.meeting.commands, ends, strict=True):
            if end.struck or isinstance(end.error, BackendError):
                with suppress(Conflict, Denied, NotFound):
                    done(command(services(self.store, 51, LATER), self.ids))
        done(plain.sweep())
        yield from self.agreed()
        yield from self.told()

    def agreed(self) -> Iterator[str]:
        """Where votes, things and counts part."""
        for vote in [each.record for each in self.store.votes._stored.values()]:
            thing = self.thing(vote.target_type)
            if vote.lapsed is not (thing.deleted_at is not None and vote.value != 0):
                yield f"a vote of {vote.value} on a {vote.target_type} has lapsed: {vote.lapsed}"
            if vote.value and thing.deleted_at is None and vote.user_id in getattr(thing, "co_authors", ()):
                yield "a co-author likes it"
            if done(self.store.votes.by_id(vote.id)).left:
                continue  # it is not told yet
            heard = 0
            kind = "like" if vote.target_type == "insight" else "vote"
            for each in done(self.store.events.stream(f"{vote.target_type}:{thing.id}:{kind}:{vote.uid}", 0, 99)):
                value = {"insight.liked": 1, "insight.unliked": 0}.get(each.event_type, each.payload.get("value"))
                if each.payload.get("previous", heard) != heard:
                    yield f"a vote is told to have been {each.payload['previous']} before, which it was not"
                heard = value
            if heard != (0 if vote.lapsed else vote.value):
                yield f"a vote of {vote.value} is told to be {heard}"
        question, answer, insight = [self.thing(kind) for kind in ("question", "answer", "insight")]
        for thing, count in ((question, question.upvote_count), (insight, insight.like_count)):
            if count != done(self.store.votes.of_target(thing.id)).up:
                yield f"{count} votes are counted"
        if answer.is_accepted is not (question.accepted_answer_id == answer.id):
            yield f"the answer says that it is accepted: {answer.is_accepted}"
        if answer.deleted_at is not None and question.accepted_answer_id is not None:
            yield "a deleted answer is accepted"

    def thing(self, kind: str) -> Any:
        return getattr(self.store, f"{kind}s")._stored[self.ids[kind]].record

    def told(self) -> Iterator[str]:
        """What of the log is not so, and what is not in it."""
        for name in ("insight", "draft", "due"):
            insight = self.store.insights._stored[self.ids[name]].record
            events = done(self.store.events.stream(f"insight:{insight.id}", 0, 99))
            readable = False
            for each in events:
                if readable and each.event_type == "insight.published":
                    yield f"the {name} is told to be published twice"
                readable = {
                    "insight.published": True,
                    "insight.unpublished": False,
                    "insight.deleted": False,
                }.get(each.event_type, readable)
            there = insight.published_at is not None and insight.published_at <= LATER and insight.deleted_at is None
            if readable is not there:
                yield f"the {name} is told to be readable: {readable}"
            firsts = [each.payload.get("first_publication") for each in events if "first_publication" in each.payload]
            if firsts.count(True) > 1 or firsts[:1] == [False]:
                yield f"the {name} was published first {firsts.count(True)} times"
            if [each.metadata["seq"] for each in events] != list(range(1, len(events) + 1)):
                yield "events are not numbered one after the other"
        for port in ("questions", "answers", "votes", "insights"):
            if done(getattr(self.store, port).unfinished(9)):
                yield f"events stand on {port}"


async def _run(command: Command, tek: Tek, ids: Any) -> object:
    return await command(tek, ids)


def vote(value: int, by: Any = BEN) -> Command:
    return lambda tek, ids: tek.votes.cast(by, EntityRef("question", ids["question"]), value)


def of_insights(verb: str, by: Any, which: str = "insight") -> Command:
    return lambda tek, ids: getattr(tek.insights, verb)(by, ids[which])


def of_questions(verb: str) -> Command:
    return lambda tek, ids: getattr(tek.questions, verb)(ADA, ids["question"])


def of_answers(verb: str, by: Any = BEN) -> Command:
    return lambda tek, ids: getattr(tek.answers, verb)(by, ids["answer"])


def tells(tek: Tek, ids: Any) -> Awaitable[object]:
    return tek.insights.sweep()


MEETINGS = {
    "a vote and a deletion": Meeting(vote(1, CYD), of_questions("delete")),
    "a vote taken back and a deletion": Meeting(vote(0), of_questions("delete")),
    "a vote and a restoration": Meeting(vote(-1), of_questions("restore"), before=of_questions("delete")),
    "a like and a deletion": Meeting(of_insights("like", CYD), of_insights("delete", ADA)),
    "a like and a consent": Meeting(of_insights("like", CYD), of_insights("consent", CYD)),
    "two publications": Meeting(of_insights("publish", ADA, "draft"), of_insights("publish", ADA, "draft")),
    "a publication and a deletion": Meeting(of_insights("publish", ADA, "draft"), of_insights("delete", ADA, "draft")),
    "two that tell": Meeting(tells, tells),
    "one that tells and a withdrawal": Meeting(tells, of_insights("unpublish", ADA, "due")),
    "a restored answer and its deletion": Meeting(
        of_answers("restore"), of_answers("delete"), before=of_answers("delete")
    ),
    "an unacceptance and a deletion": Meeting(of_answers("unaccept", ADA), of_answers("delete")),
}
LONG = (
    "a vote and a deletion",
    "a vote taken back and a deletion",
    "a like and a deletion",
    "a like and a consent",
    "a restored answer and its deletion",
)
"""Those that take long, and are much like another one."""


@pytest.fixture(autouse=True)
def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loses again and again gives up soon: every further round is like the one before."""
    for module in (contents, counts_of):
        monkeypatch.setattr(module, "_ATTEMPTS", 3)


def explored(name: str, *strikes: Strike) -> None:
    enter("memory")
    MEETINGS[name].calm = set(strikes) <= {Strike.CRASH}
    found = explore(MEETINGS[name], strikes, 1 if strikes else 0)
    counts.tell(f"{name}: {found.told()}")
    assert not found.violations, found.story()
    assert found.states > 20, found.told()


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.long) if each in LONG else each for each in MEETINGS]
)
def test_two_processes(name: str) -> None:
    """J33, J34."""
    explored(name)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in MEETINGS if name != "a restored answer and its deletion"])
def test_two_processes_and_one_fault(name: str) -> None:
    explored(name, *EVERY_STRIKE)


def votes_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def careless(self: Any, stored: Any) -> None:
        settle, self._settle = self._settle, _nothing
        try:
            await AFTER(self, stored)
        finally:
            self._settle = settle

    monkeypatch.setattr(AsyncVotes, "_after", careless)


AFTER = AsyncVotes._after


async def _nothing(*_: Any) -> None:
    pass


def what_was_told_is_still_due(monkeypatch: pytest.MonkeyPatch) -> None:
    told = insights.told

    def careless(insight: Insight, uid: str) -> insights.Told:
        new, *rest = told(insight, uid)
        return new.evolve(due=insight.due), *rest  # type: ignore[return-value]

    monkeypatch.setattr(insights, "told", careless)


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (votes_are_not_looked_at_again, "a vote and a deletion"),
        (what_was_told_is_still_due, "two that tell"),
    ],
)
def test_what_is_done_wrong_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive controls."""
    broken(monkeypatch)
    MEETINGS[name].calm = True
    assert explore(MEETINGS[name], (), 0, first_only=True).violations
