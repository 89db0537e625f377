"""Two processes on the same question: every interleaving of their calls, with a crash at every call.

After each the sweep runs, every command that was cut off is repeated, and the sweep runs again. Then one answer at most
is accepted, the answers and the log say what the question says, everything is counted as it is there, and of two edits
that were based on the same one is `Stale`.
"""

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import pytest

from tektree import EntityRef, Policy, Principal
from tektree._async.backends.memory.answers import AsyncMemoryAnswers
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.sdk import memory_backends
from tektree._async.services import contents
from tektree._async.services import counts as counts_of
from tektree._async.services.answers import AsyncAnswers
from tektree._async.services.areas import AsyncAreas
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.questions import AsyncQuestions
from tektree._async.services.votes import AsyncVotes
from tektree.errors import BackendError, Conflict, Denied, NotFound
from tektree.ids import derived_id
from tektree.models.answers import Answer, AnswerDraft
from tektree.models.areas import AreaDraft
from tektree.models.questions import Question, QuestionDraft
from tektree.rules import content as rules
from tektree.rules import votes as vote_rules
from tektree.rules.catalog import CATALOG
from tektree.testing import SeededIds
from tektree.testing.explorer import EVERY_STRIKE, End, Strike, digest, explore, pause, stepping
from tests.content.test_explorer import PORTS, NoQuotas
from tests.content.worlds import principal
from tests.lanes import enter
from tests.protocol import counts
from tests.protocol.worlds import NOW, _copied, done

POLICY = Policy(events={"drain": "relay"})
MORE = ("areas", "follows", "questions", "answers", "votes")
ADA, BEN, CYD, EVE = [principal(name) for name in ("ada", "ben", "cyd", "eve")]


class Watched(AsyncMemoryAnswers):
    """Answers, and which of them came when their question took none, or was hidden from who answers."""

    def __init__(self, questions: Any) -> None:
        super().__init__()
        self.questions = questions
        self.late: list[str] = []

    __module__ = AsyncMemoryAnswers.__module__  # so each world has a copy of its own

    async def insert(self, record: Any, *more: Any) -> Any:
        question = self.questions._stored[record.question_id].record
        if question.status == "closed" or question.visibility != "public" or question.deleted_at is not None:
            self.late.append(record.id)
        return await super().insert(record, *more)


class Tek(NamedTuple):
    """The services of one process."""

    areas: AsyncAreas
    questions: AsyncQuestions
    answers: AsyncAnswers
    votes: AsyncVotes

    async def sweep(self) -> None:
        for each in (self.areas, self.questions, self.answers, self.votes):
            await each.contents.sweep()
        await self.questions.contents.sweep()


Command = Callable[[Tek, Any], Awaitable[object]]
Judge = Callable[["Played", Sequence[End]], Iterator[str]]


def services(backends: AsyncBackends, seed: int) -> Tek:
    ids = SeededIds(seed)
    handlers = AsyncHandlers(backends.events, backends.deliveries, CATALOG, POLICY, lambda: NOW, ids)
    rest: Any = NoQuotas(), handlers, POLICY, lambda: NOW, ids, pause
    stores: Any = backends
    areas = AsyncAreas(backends, stores.areas, stores.follows, *rest)
    questions = AsyncQuestions(backends, stores.questions, stores.areas, *rest)
    answers = AsyncAnswers(backends, stores.answers, stores.questions, questions.contents, *rest)
    questions.answered = answers.follow
    votes = AsyncVotes(backends, stores.votes, stores.questions, stores.answers, *rest[1:4], pause)
    questions.voted = answers.voted = votes.settle
    return Tek(areas, questions, answers, votes)


class Meeting:
    """The commands that meet over one question with two answers, in an area."""

    calm = True
    """Whether a worker that ended well met no fault: else what follows may have been left to the sweep."""

    def __init__(self, *commands: Command, judge: Judge | None = None) -> None:
        self.commands, self.judge = commands, judge

    @cached_property
    def begun(self) -> tuple[AsyncBackends, dict[str, str]]:
        plain = memory_backends()
        base = replace(plain, answers=Watched(plain.questions))

        async def begin() -> dict[str, str]:
            tek = services(base, 99)
            area = await tek.areas.create(ADA, AreaDraft(title="Area"))
            question = await tek.questions.ask(ADA, QuestionDraft(title="How?", body="b", areas=[area.id]))
            answers = [await tek.answers.post(BEN, question.id, AnswerDraft(body=body)) for body in "ab"]
            await tek.sweep()
            return {"area": area.id, "question": question.id, "a": answers[0].id, "b": answers[1].id}

        return base, done(begin())

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
            _run(command, services(stepping(self.store), seed), self.ids)
            for seed, command in enumerate(meeting.commands)
        ]

    def state(self) -> object:
        return digest(self.parts)

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        plain = services(self.store, 50)
        for end in ends:
            if end.error is not None and not isinstance(end.error, Conflict | Denied | BackendError | NotFound):
                yield f"a worker raised {end.error!r}"
        if self.meeting.calm and not any(end.struck or end.error for end in ends):
            yield from [f"with nothing amiss: {said}" for said in self.agreed()]
        done(plain.sweep())
        for command, end in zip(self.meeting.commands, ends, strict=True):
            if end.struck or isinstance(end.error, BackendError):
                with suppress(Conflict, Denied, NotFound):
                    done(command(services(self.store, 51), self.ids))
        done(plain.sweep())
        yield from self.agreed()
        yield from self.told()
        if self.meeting.calm and not any(end.struck for end in ends):
            yield from self.refused()
        if self.meeting.judge is not None:
            yield from self.meeting.judge(self, ends)

    def refused(self) -> Iterator[str]:
        """Which answers are there that came too late. Whose process ended, or met a fault in between, stays."""
        for id in self.store.answers.late:
            if self.store.answers._stored[id].record.deleted_at is None:
                yield "an answer came too late"

    def agreed(self) -> Iterator[str]:
        """Where the answers, the question and the area part."""
        question = self.store.questions._stored[self.ids["question"]].record
        area = self.store.areas._stored[self.ids["area"]].record
        answers = [each.record for each in self.store.answers._stored.values()]
        there = [each for each in answers if each.deleted_at is None]
        for each in answers:
            if each.is_accepted is not (each.id == question.accepted_answer_id):
                yield f"answer {each.body} says that it is accepted: {each.is_accepted}"
        if question.accepted_answer_id not in (None, *[each.id for each in there]):
            yield "a deleted answer is accepted"
        if question.answer_count != len(there):
            yield f"{question.answer_count} answers are counted, not {len(there)}"
        for thing in (question, *answers):
            cast = [each.record.value for each in records(self) if each.record.target_id == thing.id]
            if (thing.upvote_count, thing.downvote_count) != (cast.count(1), cast.count(-1)):
                yield f"{thing.upvote_count} and {thing.downvote_count} are counted of the votes {cast}"
        if area.content_count != (question.visibility == "public" and question.deleted_at is None):
            yield f"{area.content_count} questions are counted in the area"

    def told(self) -> Iterator[str]:
        """What of the log is not so, and what is not in it."""
        question = self.store.questions._stored[self.ids["question"]].record
        held: str | None = None
        events = done(self.store.events.stream(f"question:{question.id}", 0, 99))
        for each in events:
            if each.event_type == "answer.accepted":
                if held is not None:
                    yield "two are told to be accepted"
                held = each.payload["answer_id"]
            if each.event_type == "answer.unaccepted":
                if held != each.payload["answer_id"]:
                    yield "one was told to be taken back that was not accepted"
                held = None
        if held != question.accepted_answer_id:
            yield "the log says that another is accepted"
        if [each.metadata["seq"] for each in events] != list(range(1, len(events) + 1)):
            yield "events are not numbered one after the other"
        for port in (self.store.questions, self.store.answers, self.store.votes):
            if done(port.unfinished(9)):
                yield "events stand on a document"


async def _run(command: Command, tek: Tek, ids: Any) -> object:
    return await command(tek, ids)


def accept(which: str) -> Command:
    return lambda tek, ids: tek.answers.accept(ADA, ids[which])


def unaccept(which: str) -> Command:
    return lambda tek, ids: tek.answers.unaccept(ADA, ids[which])


def delete(which: str) -> Command:
    return lambda tek, ids: tek.answers.delete(BEN, ids[which])


def hide(tek: Tek, ids: Any) -> Awaitable[object]:
    return tek.questions.edit(ADA, ids["question"], visibility="private")


def delete_question(tek: Tek, ids: Any) -> Awaitable[object]:
    return tek.questions.delete(ADA, ids["question"])


def close(tek: Tek, ids: Any) -> Awaitable[object]:
    return tek.questions.close(ADA, ids["question"])


def post(tek: Tek, ids: Any) -> Awaitable[object]:
    return tek.answers.post(BEN, ids["question"], AnswerDraft(body="c"))


def vote(who: Principal, which: str, value: int) -> Command:
    return lambda tek, ids: tek.votes.cast(who, EntityRef("answer", ids[which]), value)


def retitle(title: str) -> Command:
    return lambda tek, ids: tek.questions.edit(ADA, ids["question"], title=title, revision=1)


def rewrite(body: str) -> Command:
    return lambda tek, ids: tek.answers.edit(BEN, ids["a"], body=body)


def one_of_them(played: "Played", ends: Sequence[End]) -> Iterator[str]:
    """Both were based on what was before: one holds, whatever is repeated, and who comes second must look."""
    record = played.store.questions._stored[played.ids["question"]].record
    told = [each.event_type for each in done(played.store.events.stream(f"question:{record.id}", 0, 99))]
    if (record.revision, told.count("question.updated")) != (2, 1) or record.title not in ("left", "right"):
        yield f"{record.title}, revision {record.revision}, was told as {told}"
    confirmed = [end.value.title for end in ends if isinstance(end.value, Question)]
    if confirmed not in ([], [record.title]):
        yield f"confirmed was {confirmed}, and there is {record.title}"


def each_told(played: "Played", ends: Sequence[End]) -> Iterator[str]:
    """None of them is lost in silence: what stands is what was told last, and there are as many as were told."""
    record = played.store.answers._stored[played.ids["a"]].record
    told = [each.event_type for each in done(played.store.events.stream(f"answer:{record.id}", 0, 99))]
    if told.count("answer.updated") != record.revision - 1 or record.body not in ("left", "right"):
        yield f"{record.body}, revision {record.revision}, was told as {told}"
    if told.count("answer.updated") < sum([isinstance(end.value, Answer) for end in ends]):
        yield f"more was confirmed than was told: {told}"


def one_vote_each(played: "Played", ends: Sequence[End]) -> Iterator[str]:
    for value in Counter((each.record.user_id, each.record.target_id) for each in records(played)).values():
        if value > 1:
            yield "somebody has two votes on one answer"


def records(played: "Played") -> Sequence[Any]:
    return list(played.store.votes._stored.values())


MEETINGS = {
    "an answer comes while the question is closed": Meeting(post, close),
    "an answer comes while the question is hidden": Meeting(post, hide),
    "an answer comes while the question is deleted": Meeting(post, delete_question),
    "two accepts": Meeting(accept("a"), accept("b")),
    "an accept and an unaccept": Meeting(accept("a"), unaccept("a")),
    "an accept and a deletion": Meeting(accept("a"), delete("a")),
    "two deletions of answers": Meeting(delete("a"), delete("b")),
    "a question is hidden and deleted": Meeting(hide, delete_question),
    "two edits of a question": Meeting(retitle("left"), retitle("right"), judge=one_of_them),
    "two edits of an answer": Meeting(rewrite("left"), rewrite("right"), judge=each_told),
    "two votes of one": Meeting(vote(CYD, "a", 1), vote(CYD, "a", -1), judge=one_vote_each),
    "a vote and its withdrawal": Meeting(vote(CYD, "a", 1), vote(CYD, "a", 0), judge=one_vote_each),
    "two vote": Meeting(vote(CYD, "a", 1), vote(EVE, "a", 1), judge=one_vote_each),
    "a vote and a deletion": Meeting(vote(CYD, "a", 1), delete("a"), judge=one_vote_each),
}


@pytest.fixture(autouse=True)
def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loses again and again gives up soon: every further round is like the one before."""
    for module in (contents, counts_of):
        monkeypatch.setattr(module, "_ATTEMPTS", 2)


def explored(name: str, *strikes: Strike) -> None:
    enter("memory")
    MEETINGS[name].calm = set(strikes) <= {Strike.CRASH}
    found = explore(MEETINGS[name], strikes, 1 if strikes else 0)
    counts.tell(f"{name}: {found.told()}")
    assert not found.violations, found.story()
    assert found.schedules >= 20, found.told()
    assert found.states > 20


LONG = ("an accept and a deletion", "a vote and a deletion")
"""So many ways that they are tried with faults at once, by ``--long``."""


@pytest.mark.parametrize("name", [name for name in MEETINGS if name not in LONG])
def test_two_processes(name: str) -> None:
    """E18, J33, J34."""
    explored(name)


@pytest.mark.long
@pytest.mark.parametrize("name", list(MEETINGS))
def test_two_processes_and_one_fault(name: str) -> None:
    explored(name, *EVERY_STRIKE)


def deletions_let_nothing_go(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Any, *_: Any) -> None:
        pass

    monkeypatch.setattr(AsyncAnswers, "let_go", nothing)


def nobody_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Any, *_: Any) -> None:
        pass

    monkeypatch.setattr(AsyncAnswers, "_look_again", nothing)


def acceptance_is_set_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def careless(self: Any, question: Any) -> None:
        for each in question.left:
            id = each.event.payload.get("answer_id")
            if id:
                tally = await self._answers.tally(id)
                accepted = question.record.accepted_answer_id == id
                await self._answers.counted(id, tally, is_accepted=accepted)

    monkeypatch.setattr(AsyncAnswers, "follow", careless)


def edits_are_based_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "based_on", lambda *_: None)


def answers_are_not_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    from tektree._async.backends.memory.answers import AsyncMemoryAnswers

    swap = AsyncMemoryAnswers.swap

    async def careless(self: Any, old: Any, new: Any, *more: Any) -> Any:
        return await swap(self, self._stored[old.record.id], new, *more)

    monkeypatch.setattr(AsyncMemoryAnswers, "swap", careless)


def votes_are_new_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each vote is a document of its own."""
    first = vote_rules.first

    def careless(kind: Any, target_id: str, by: Principal, now: Any) -> Any:
        again = sys._getframe(1).f_locals["wanted"]
        return first(kind, target_id, by, now).evolve(id=derived_id(target_id, by.id, str(again)))

    monkeypatch.setattr(vote_rules, "first", careless)


def votes_are_counted_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    async def step(self: Any, stored: Any) -> None:
        thing, tally = [await read(stored.record.target_id) for read in (self._answers.by_id, self._answers.tally)]
        more = thing.record.upvote_count + stored.record.value
        await self._answers.counted(thing.record.id, tally, upvote_count=more)

    monkeypatch.setattr(AsyncVotes, "_after", step)


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (edits_are_based_on_nothing, "two edits of a question"),
        (answers_are_not_guarded, "two edits of an answer"),
        (votes_are_new_each_time, "two votes of one"),
        (votes_are_counted_in_steps, "two vote"),
        (deletions_let_nothing_go, "an accept and a deletion"),
        (acceptance_is_set_once, "an accept and an unaccept"),
        (nobody_looks_again, "an answer comes while the question is closed"),
        (nobody_looks_again, "an answer comes while the question is hidden"),
    ],
)
def test_what_is_done_wrong_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive controls."""
    broken(monkeypatch)
    MEETINGS[name].calm = True
    assert explore(MEETINGS[name], (), 0, first_only=True).violations
