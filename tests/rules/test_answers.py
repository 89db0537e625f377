"""Answers: the question says which one is accepted, and a switch is one change. Rows E12, J33."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import InvalidInput, InvalidTransition
from tektree.ids import derived_id
from tektree.models.answers import Answer, AnswerDraft, CodeSnippet
from tektree.rules import answers
from tektree.rules.answers import Candidate
from tests.rules.test_questions import ADA, LATER, MODERATOR, NOON, question

A, B = Candidate(derived_id("answer", "a"), "usr_a"), Candidate(derived_id("answer", "b"), "usr_b")


def answer(**more: Any) -> Answer:
    draft = AnswerDraft(body="b", code_snippets=[CodeSnippet(language="go", code="x")])
    return answers.posted(draft, question(), A.id, ADA, NOON).evolve(**more)


def test_a_new_answer() -> None:
    made = answer()
    assert (made.question_id, made.author, made.created_by, made.revision) == (question().id, "usr_ada", ADA.id, 1)
    told = answers.announced(made, "usr_ada", "usr_ben")
    assert (told.user_id, told.question_author_id, told.answer_id) == ("usr_ada", "usr_ben", A.id)
    with pytest.raises(InvalidTransition, match="takes no answers"):
        answers.posted(AnswerDraft(body="b"), question(status="closed"), A.id, ADA, NOON)
    assert answers.posted(AnswerDraft(body="b"), question(status="resolved"), A.id, ADA, NOON).body == "b"


def test_an_edit() -> None:
    old = answer()
    assert answers.edited(old, answers.fields({"body": "b"}), LATER) is None
    new = answers.edited(old, answers.fields({"body": "c", "code_snippets": []}), LATER)
    assert new is not None
    assert (new.body, new.code_snippets, new.revision, new.updated_at) == ("c", (), 2, LATER)
    said = answers.updated(old, new, "usr_ada")
    assert sorted(said.changed) == ["body", "code_snippets"]
    assert all(each.old is None and each.new is None for each in said.changed.values())
    for fields in ({}, {"is_accepted": True}, {"question_id": A.id}, {"body": ""}, {"body": None}):
        with pytest.raises(InvalidInput):
            answers.fields(fields)


def test_what_is_deleted_comes_back_as_it_was() -> None:
    old = answer()
    decided = answers.deleted(old, MODERATOR, "usr_ada", LATER)
    assert decided is not None
    gone, said = decided
    assert (gone.deleted_by, said.by, said.question_id) == (MODERATOR.id, "usr_mod", old.question_id)
    assert answers.deleted(gone, MODERATOR, "usr_ada", LATER) is None
    back, told = answers.restored(gone, MODERATOR, "usr_ada")
    assert back == old.evolve(revision=3)
    assert told.by == "usr_mod"


def types(said: Any) -> list[str]:
    return [type(each).__name__ for each in said]


def test_a_switch_is_one_change() -> None:
    """J33."""
    decided = answers.accepted(question(), A, None, "usr_ada", "usr_ada", LATER)
    assert decided is not None
    first, said = decided
    assert (first.accepted_answer_id, first.status, first.revision) == (A.id, "resolved", 2)
    assert types(said) == ["AnswerAccepted", "QuestionResolved"]
    assert answers.accepted(first, A, None, "usr_ada", "usr_ada", LATER) is None
    decided = answers.accepted(first, B, A, "usr_ada", "usr_ada", LATER)
    assert decided is not None
    second, said = decided
    assert (second.accepted_answer_id, second.status) == (B.id, "resolved")
    assert [(type(each).__name__, each.user_id) for each in said] == [  # type: ignore[attr-defined]
        ("AnswerUnaccepted", "usr_a"),
        ("AnswerAccepted", "usr_b"),
    ]
    assert answers.unaccepted(second, A, "usr_ada", "usr_ada", LATER) is None
    decided = answers.unaccepted(second, B, "usr_ada", "usr_ada", LATER)
    assert decided is not None
    third, said = decided
    assert (third.accepted_answer_id, third.status, types(said)) == (
        None,
        "open",
        ["AnswerUnaccepted", "QuestionReopened"],
    )


def test_a_closed_question_stays_closed() -> None:
    decided = answers.accepted(question(status="closed"), A, None, "usr_ada", "usr_ada", LATER)
    assert decided is not None
    assert (decided[0].status, types(decided[1])) == ("closed", ["AnswerAccepted"])
    decided = answers.unaccepted(decided[0], A, "usr_ada", "usr_ada", LATER)
    assert decided is not None
    assert (decided[0].status, types(decided[1])) == ("closed", ["AnswerUnaccepted"])


def test_what_is_restored_is_accepted_again() -> None:
    """Unless the asker has decided otherwise since."""
    decided = answers.accepted(question(), A, None, "usr_ada", "usr_ada", LATER)
    assert decided is not None
    assert answers.let_go(decided[0], B, "usr_ada", LATER) is None
    gone = answers.let_go(decided[0], A, "usr_ada", LATER)
    assert gone is not None
    without, said = gone
    assert (without.accepted_answer_id, without.let_go_id, without.status) == (None, A.id, "open")
    assert types(said) == ["AnswerUnaccepted", "QuestionReopened"]
    assert answers.taken_up(without, B, "usr_ada", LATER) is None
    back = answers.taken_up(without, A, "usr_ada", LATER)
    assert back is not None
    assert (back[0].accepted_answer_id, back[0].let_go_id, back[0].status) == (A.id, None, "resolved")
    assert types(back[1]) == ["AnswerAccepted", "QuestionResolved"]
    assert answers.taken_up(back[0], A, "usr_ada", LATER) is None
    other = answers.accepted(without, B, None, "usr_ada", "usr_ada", LATER)
    assert other is not None
    assert answers.taken_up(other[0], A, "usr_ada", LATER) is None


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([A, B])), max_size=30))
def test_at_most_one_is_accepted_whatever_is_said(steps: list[tuple[bool, Candidate]]) -> None:
    """J33: what is told adds up to what the question says."""
    now, told = question(), {A.author: 0, B.author: 0}
    known = {A.id: A, B.id: B}
    for accept, which in steps:
        before = known.get(now.accepted_answer_id or "")
        if accept:
            decided = answers.accepted(now, which, before, "usr_ada", "usr_ada", LATER)
        else:
            decided = answers.unaccepted(now, which, "usr_ada", "usr_ada", LATER)
        if decided is None:
            continue
        now, said = decided
        for each in said:
            name, uid = type(each).__name__, each.user_id  # type: ignore[attr-defined]
            told[uid] = told.get(uid, 0) + {"AnswerAccepted": 1, "AnswerUnaccepted": -1}.get(name, 0)
        assert [uid for uid, count in told.items() if count] == (
            [known[now.accepted_answer_id].author] if now.accepted_answer_id else []
        )
        assert max(told.values()) <= 1
        assert (now.status == "resolved") is (now.accepted_answer_id is not None)
