"""However often something is done and undone, it never gives more than it gave first.

Votes, acceptances, questions and insights stand with the tests of their own; here is the rest, and that farming would
be found.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tektree import Principal, TekTree
from tektree.models.answers import AnswerDraft
from tektree.models.areas import AreaDraft
from tektree.models.insights import InsightDraft
from tektree.models.questions import QuestionDraft
from tektree.rules import reactions
from tektree.testing import ManualClock, SeededIds
from tests.content.worlds import POLICY, principal
from tests.lanes import enter

ADA, BEN = principal("ada"), principal("ben")
Step = Callable[[], Any]


def community() -> tuple[TekTree, dict[str, tuple[Principal, Step, Step]]]:
    """For each pair of verbs who earns by the first, and both. All firsts are done."""
    enter("memory")
    tek = TekTree.in_memory(policy=POLICY, clock=ManualClock(), ids=SeededIds(1))
    for who in (ADA, BEN):
        tek.gamification.enroll(who.uid, who.id)
    area = tek.areas.create(ADA, AreaDraft(title="A"))
    question = tek.questions.ask(ADA, QuestionDraft(title="How?", body="b"))
    answer = tek.answers.post(BEN, question.id, AnswerDraft(body="So"))
    tek.votes.cast(ADA, answer, 1)
    tek.answers.accept(ADA, answer.id)
    insight = tek.insights.draft(BEN, InsightDraft(title="So", body="b"))
    tek.insights.publish(BEN, insight.id)
    tek.insights.like(ADA, insight.id)
    return tek, {
        "publication": (
            BEN,
            lambda: tek.insights.publish(BEN, insight.id),
            lambda: tek.insights.unpublish(BEN, insight.id),
        ),
        "like": (BEN, lambda: tek.insights.like(ADA, insight.id), lambda: tek.insights.unlike(ADA, insight.id)),
        "area": (ADA, lambda: tek.areas.restore(ADA, area.id), lambda: tek.areas.delete(ADA, area.id)),
        "answer": (BEN, lambda: tek.answers.restore(BEN, answer.id), lambda: tek.answers.delete(BEN, answer.id)),
        "question": (
            ADA,
            lambda: tek.questions.restore(ADA, question.id),
            lambda: tek.questions.delete(ADA, question.id),
        ),
        "vote": (BEN, lambda: tek.votes.cast(ADA, answer, 1), lambda: tek.votes.cast(ADA, answer, 0)),
        "acceptance": (
            BEN,
            lambda: tek.answers.accept(ADA, answer.id),
            lambda: tek.answers.unaccept(ADA, answer.id),
        ),
    }


def most_of(tek: TekTree, who: Principal, do: Step, undo: Step, times: int) -> tuple[int, int]:
    """What somebody had at first, and the most that they ever had."""
    first = most = tek.gamification.profile(who.id).total_xp
    for _ in range(times):
        undo()
        assert tek.gamification.profile(who.id).total_xp < first
        do()
        most = max(most, tek.gamification.profile(who.id).total_xp)
    return first, most


@pytest.mark.parametrize("name", ["area", "answer"])
def test_a_hundred_times_it_gives_what_it_gave_first(name: str) -> None:
    tek, pairs = community()
    who, do, undo = pairs[name]
    if name == "answer":
        tek.answers.unaccept(ADA, tek.answers.list(ADA, tek.questions.list(ADA).items[0].id).items[0].id)
    first, most = most_of(tek, who, do, undo, 100)
    assert most == first
    assert tek.gamification.verify(who.id)


@pytest.mark.parametrize("name", ["area", "answer", "question", "vote", "acceptance", "like"])
def test_who_farms_would_be_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: an award for each event instead of one for each thing."""
    key = reactions.key
    monkeypatch.setattr(reactions, "key", lambda rule, event, *more: f"{key(rule, event, *more)}:{event.event_id}")
    tek, pairs = community()
    who, do, undo = pairs[name]
    before = tek.gamification.profile(who.id).total_xp
    undo()
    do()
    undo()
    do()
    assert tek.gamification.profile(who.id).total_xp > before


def test_an_answer_of_ones_own_brings_nothing_back() -> None:
    """What choosing another's answer gave was taken back when it was given up; a restoration does not give it again."""
    tek, _ = community()
    question = tek.questions.ask(ADA, QuestionDraft(title="How?", body="b"))
    theirs, own = [tek.answers.post(who, question.id, AnswerDraft(body="b")) for who in (BEN, ADA)]

    def xp() -> tuple[int, int]:
        return tek.gamification.profile(ADA.id).total_xp, tek.gamification.profile(BEN.id).total_xp

    tek.answers.accept(ADA, theirs.id)
    chosen = xp()
    tek.questions.delete(ADA, question.id)
    tek.questions.restore(ADA, question.id)
    assert xp() == chosen, "another's answer is still the one that was chosen"
    tek.answers.accept(ADA, own.id)
    given_up = xp()
    assert given_up[0] == chosen[0] - 2
    for _ in range(3):
        tek.questions.delete(ADA, question.id)
        tek.questions.restore(ADA, question.id)
        assert xp() == given_up
