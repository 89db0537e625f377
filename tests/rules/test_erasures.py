"""Erasures: what everybody may read stays, what only few might see says nothing any more. Row J35."""

from typing import Any

import pytest

from tektree.models.areas import Area
from tektree.models.content import Visibility
from tektree.rules import erasures
from tests.rules.test_answers import answer
from tests.rules.test_insights import BEN, HOUR, draft, planned, public
from tests.rules.test_questions import ADA, LATER, MODERATOR, NOON, question

UID = "usr_ada"
AREA = Area(
    id="a" * 24,
    title="t",
    slug="t",
    slugs=("s", "t"),
    details="d",
    breadcrumbs="t",
    tags=("t",),
    visibility="public",
    created_by=ADA.id,
    created_at=NOON,
    updated_at=NOON,
)
KINDS: dict[str, tuple[Any, Any]] = {
    "area": (erasures.of_area, AREA),
    "question": (erasures.of_question, question()),
    "insight": (erasures.of_insight, public(NOON)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_everybody_may_read_stays(kind: str) -> None:
    rule, record = KINDS[kind]
    assert rule(record, UID, NOON) is None


@pytest.mark.parametrize("visibility", ["private", "connections"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_few_might_see_is_emptied_and_deleted(kind: str, visibility: Visibility) -> None:
    rule, record = KINDS[kind]
    emptied = rule(record.evolve(visibility=visibility), UID, LATER)
    new, [said] = emptied
    assert (new.title, new.tags, new.visibility) == ("", (), "private")
    assert new.slugs == (new.slug,) == (f"{kind}-{new.id}",)
    assert (new.deleted_at, new.deleted_by, new.revision) == (LATER, ADA.id, record.revision + 1)
    assert getattr(new, "body", "") == getattr(new, "details", "") == getattr(new, "breadcrumbs", "") == ""
    assert getattr(new, "areas", ()) == getattr(new, "files", ()) == ()
    assert (type(said).__name__, said.user_id) == (f"{kind.title()}Deleted", UID)
    assert rule(new, UID, LATER) is None, "again: nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_deleted_is_emptied_and_not_told_again(kind: str) -> None:
    rule, record = KINDS[kind]
    gone = record.evolve(deleted_at=NOON, deleted_by=MODERATOR.id)
    new, said = rule(gone, UID, LATER)
    assert (new.title, new.deleted_at, new.deleted_by, said) == ("", NOON, MODERATOR.id, ())
    assert rule(new, UID, LATER) is None


def test_drafts_go_unless_they_are_others_as_well() -> None:
    for each in (draft(), planned()):
        emptied = erasures.of_insight(each, UID, NOON)
        assert emptied is not None
        assert (emptied.record.due, emptied.record.body) == (None, "")
        assert erasures.of_insight(each.evolve(co_authors=(BEN.id,)), UID, NOON) is None
    assert erasures.of_insight(planned(), UID, NOON + HOUR) is None, "it is published by now"


def test_answers_to_others_stay() -> None:
    own, others = question(), question().evolve(created_by=BEN.id)
    for asked in (own, others, others.evolve(deleted_at=NOON)):
        assert erasures.of_answer(answer(), asked, UID, NOON) is None
    for asked in (own.evolve(deleted_at=NOON), None):
        emptied = erasures.of_answer(answer(), asked, UID, LATER)
        assert emptied is not None
        new, said = emptied
        assert (new.body, new.code_snippets, new.deleted_at, len(said)) == ("", (), LATER, 1)
        assert erasures.of_answer(new, asked, UID, LATER) is None
    gone = erasures.of_answer(answer(deleted_at=NOON), others, UID, LATER)
    assert gone is not None
    assert (gone.record.body, gone.said) == ("", ())
