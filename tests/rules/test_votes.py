"""Votes: one for each user and thing. Rows E13, E14, F14, F15."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree import EntityRef, Principal
from tektree.errors import InvalidInput
from tektree.ids import derived_id
from tektree.rules import votes
from tests.rules.test_answers import answer
from tests.rules.test_insights import public as insight
from tests.rules.test_questions import LATER, NOON, question

BEN = Principal(derived_id("user", "ben"), "usr_ben")


def test_what_is_voted_on() -> None:
    asked, posted = question(), answer()
    assert votes.target(asked) == votes.target(EntityRef("question", asked.id)) == ("question", asked.id)
    assert votes.target(posted) == votes.target(EntityRef("answer", posted.id)) == ("answer", posted.id)
    for wrong in (None, asked.id, EntityRef("area", asked.id), EntityRef("answer", "a1"), {"id": asked.id}, BEN):
        with pytest.raises(InvalidInput):
            votes.target(wrong)


@pytest.mark.parametrize("value", [2, -2, 1.0, True, "1", None, float("nan"), {"$inc": 1}])
def test_how_nobody_votes(value: Any) -> None:
    with pytest.raises(InvalidInput):
        votes.value(value)


def test_there_is_one_vote_for_each_user_and_thing() -> None:
    asked = question()
    one, again = [votes.first("question", asked.id, BEN, at) for at in (NOON, LATER)]
    assert one.id == again.id
    others = [
        votes.first("answer", asked.id, BEN, NOON),
        votes.first("question", answer().id, BEN, NOON),
        votes.first("question", asked.id, Principal("a" * 24, "usr_x"), NOON),
    ]
    assert one.id not in [each.id for each in others]


@given(st.lists(st.sampled_from([-1, 0, 1]), max_size=30), st.booleans())
def test_what_is_told_adds_up(values: list[votes.Value], on_answer: bool) -> None:
    """E14: from what is told alone one can follow how somebody votes."""
    thing = answer() if on_answer else question()
    kind, id = votes.target(thing)
    vote, heard = votes.first(kind, id, BEN, NOON), 0
    for wanted in values:
        new = votes.cast_again(vote, wanted, LATER)
        if new is None:
            assert vote.value == wanted
            continue
        said: Any = votes.said(thing, "usr_ada", vote, new)
        assert (said.previous, said.value, said.voter_id, said.user_id) == (heard, wanted, "usr_ben", "usr_ada")
        assert (
            type(said).__name__
            == ("Answer" if on_answer else "Question")
            + {
                1: "Upvoted",
                -1: "Downvoted",
                0: "VoteRemoved",
            }[wanted]
        )
        vote, heard = new, wanted


@given(
    st.lists(st.sampled_from([-1, 0, 1, True, False]), max_size=40), st.sampled_from(["question", "answer", "insight"])
)
def test_what_is_deleted_counts_for_nothing(steps: list[Any], kind: votes.Votable) -> None:
    """E14: from what is told, votes on what is deleted are taken back; when it is restored, they are as they were.

    Numbers are votes, which nobody casts on what is deleted; True and False that it is, and is not any more.
    """
    thing: Any = {"question": question, "answer": answer, "insight": insight}[kind]()
    vote, heard, deleted = votes.first(kind, thing.id, BEN, NOON), 0, False
    for step in steps:
        if isinstance(step, bool):
            deleted, thing = step, thing.evolve(deleted_at=NOON if step else None)
            new = votes.settled(vote, thing)
        elif deleted or (kind == "insight" and step < 0):
            continue
        else:
            new = votes.cast_again(vote, step, LATER)  # type: ignore[arg-type]
        if new is not None:
            said: Any = votes.said(thing, "usr_ada", vote, new)
            if kind == "insight":
                assert said.by == "usr_ben"
                heard = int(type(said).__name__ == "InsightLiked")
            else:
                assert said.previous == heard
                heard = said.value
            vote = new
        assert heard == (0 if deleted else vote.value)
        assert votes.settled(vote, thing) is None


def test_a_co_author_likes_nothing_of_theirs() -> None:
    """E13: what they liked before is taken back."""
    thing = insight()
    liked = votes.first("insight", thing.id, BEN, NOON).evolve(value=1)
    assert votes.settled(liked, thing) is None
    joined = thing.evolve(co_authors=(BEN.id,))
    new = votes.settled(liked, joined)
    assert new is not None
    assert (new.value, type(votes.said(joined, "usr_ada", liked, new)).__name__) == (0, "InsightUnliked")
    assert votes.settled(new, joined) is None
    lapsed = votes.settled(liked, joined.evolve(deleted_at=NOON))
    assert lapsed is not None
    back = votes.settled(lapsed, joined)
    assert back is not None
    assert (back.value, back.lapsed) == (0, False)
