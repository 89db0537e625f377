"""Questions: what they are made of, and the states they go through. Rows G11, G17."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tektree import Principal
from tektree.errors import InvalidInput, InvalidTransition
from tektree.ids import derived_id
from tektree.models.questions import Question, QuestionDraft, QuestionFilter
from tektree.rules import content, questions

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)
LATER = datetime(2025, 12, 16, 13, tzinfo=UTC)
ADA = Principal(derived_id("user", "ada"), "usr_ada")
MODERATOR = Principal(derived_id("user", "mod"), "usr_mod", role="moderator")
ID, AREA, OTHER = [derived_id("id", name) for name in ("question", "area", "other")]


def question(**more: Any) -> Question:
    draft = QuestionDraft(title="C++?", body="b", tags=("c++",), areas=(AREA, OTHER, AREA), files=("f", "f"))
    made, tried = questions.asked(draft, ID, ADA, NOON)
    return content.renamed(made, tried[0]).evolve(**more)


def test_a_new_question() -> None:
    made = question()
    assert (made.slug, made.slugs, made.areas, made.files) == ("c-plus-plus", ("c-plus-plus",), (AREA, OTHER), ("f",))
    assert (made.author, made.created_by, made.status, made.revision) == ("usr_ada", ADA.id, "open", 1)
    told = questions.announced(made, "usr_ada")
    assert (told.slug, told.tags, told.areas) == ("c-plus-plus", ("c++",), (AREA, OTHER))
    told = questions.announced(made.evolve(visibility="private"), "usr_ada")
    assert (told.slug, told.tags, told.visibility) == (None, (), "private")


def test_an_edit() -> None:
    old = question()
    assert questions.edited(old, questions.fields({"title": "C++?"}), LATER) is None
    decided = questions.edited(old, questions.fields({"areas": [AREA, AREA], "files": []}), LATER)
    assert decided is not None
    new, tried = decided
    assert (new.areas, new.files, new.revision, new.updated_at, tried) == ((AREA,), (), 2, LATER, ())
    said = questions.updated(old, new, "usr_ada")
    assert sorted(said.changed) == ["areas", "files"]
    assert said.changed["areas"].old == (AREA, OTHER)
    hidden = questions.updated(old, new.evolve(visibility="private", title="Secret"), "usr_ada")
    assert sorted(hidden.changed) == ["areas", "files", "title", "visibility"]
    assert all(each.old is None and each.new is None for name, each in hidden.changed.items() if name != "areas")
    assert hidden.changed["areas"].old == (AREA, OTHER), "where it has to be counted anew"


@pytest.mark.parametrize(
    "fields",
    [{"status": "closed"}, {"view_count": 9}, {"body": ""}, {"areas": ["x"]}, {"areas": None}, {"files": [""]}],
)
def test_what_cannot_be_edited_is_refused(fields: dict[str, Any]) -> None:
    """E1, E2, F25."""
    with pytest.raises(InvalidInput):
        questions.fields(fields)


STEPS = {"close": questions.closed, "reopen": questions.reopened, "resolve": questions.resolved}
TABLE = {
    ("open", "close"): "closed",
    ("open", "reopen"): "open",
    ("open", "resolve"): "resolved",
    ("closed", "close"): "closed",
    ("closed", "reopen"): "open",
    ("closed", "resolve"): None,
    ("resolved", "close"): "closed",
    ("resolved", "reopen"): "open",
    ("resolved", "resolve"): "resolved",
}


@pytest.mark.parametrize(("status", "step"), list(TABLE))
def test_every_step_from_every_state(status: str, step: str) -> None:
    old, expected = question(status=status), TABLE[status, step]
    if expected is None:
        with pytest.raises(InvalidTransition, match="reopen it first"):
            STEPS[step](old, "usr_ada", "usr_mod", "why", LATER)
        return
    decided = STEPS[step](old, "usr_ada", "usr_mod", "why", LATER)
    if expected == status:
        assert decided is None
        return
    assert decided is not None
    new, said = decided
    assert new == old.evolve(status=expected, updated_at=LATER, revision=2)
    assert (said.user_id, said.by, said.reason) == ("usr_ada", "usr_mod", "why")


def test_what_is_deleted_comes_back_as_it_was() -> None:
    old = question(status="closed")
    decided = questions.deleted(old, MODERATOR, "usr_ada", LATER)
    assert decided is not None
    gone, said = decided
    assert (gone.deleted_by, said.by) == (MODERATOR.id, "usr_mod")
    assert questions.deleted(gone, MODERATOR, "usr_ada", LATER) is None
    back, told = questions.restored(gone, MODERATOR, "usr_ada", True)
    assert back == old.evolve(revision=3)
    assert (told.user_id, told.by) == ("usr_ada", "usr_mod")


def test_what_is_shown_names_only_areas_that_are_seen() -> None:
    """G11."""
    found = question()
    assert questions.shown(found, {AREA}, own=False).areas == (AREA,)
    assert questions.shown(found, {AREA, OTHER}, own=True) is found
    assert questions.shown(found, {AREA, OTHER}, own=False).slugs == ()
    assert questions.shown(found.evolve(slugs=()), {AREA, OTHER}, own=False).slugs == ()


@pytest.mark.parametrize(
    ("event_type", "changed", "expected"),
    [
        ("question.asked", None, {AREA, OTHER}),
        ("question.deleted", None, {AREA, OTHER}),
        ("question.restored", None, {AREA, OTHER}),
        ("question.closed", None, set()),
        ("question.updated", {"title": {}}, set()),
        ("question.updated", {"visibility": {}}, {AREA, OTHER}),
        ("question.updated", {"areas": {"old": (ID,), "new": (AREA, OTHER)}}, {AREA, OTHER, ID}),
        ("question.updated", {"areas": {"new": (AREA, OTHER)}, "body": {}}, {AREA, OTHER}),
    ],
)
def test_what_has_to_be_counted_anew(event_type: str, changed: Any, expected: set[str]) -> None:
    """J34."""
    payload = {} if changed is None else {"changed": changed}
    assert questions.recounted(question(), event_type, payload) == expected


def test_what_a_list_is_of() -> None:
    """F4: fields and orders are these words and no others."""
    assert questions.listed(None, None, None, None, "newest") == (QuestionFilter(), "newest")
    wanted = QuestionFilter(AREA, "c++", ADA.id, "closed")
    assert questions.listed(AREA, "C++", ADA.id, "closed", "most_voted") == (wanted, "most_voted")
    for wrong in (
        ("x", None, None, None, "newest"),
        (None, "🎉", None, None, "newest"),
        (None, None, "usr_ada", None, "newest"),
        (None, None, None, "OPEN", "newest"),
        (None, None, None, ["open"], "newest"),
        (None, None, None, None, "password_hash"),
        (None, None, None, None, None),
    ):
        with pytest.raises(InvalidInput):
            questions.listed(*wrong)
