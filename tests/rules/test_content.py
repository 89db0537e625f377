"""What is handed in: drafts as they are declared, once more checked. Rows E1, E4, F1."""

from typing import Any

import pytest

from tektree.errors import InvalidInput, Stale
from tektree.models.answers import AnswerDraft
from tektree.models.areas import AreaDraft
from tektree.models.questions import QuestionDraft
from tektree.rules import content, slugs
from tests.rules.test_areas import area


def test_a_draft_comes_with_its_tags_in_one_form() -> None:
    draft = QuestionDraft(title="t", body="b", tags=["Go", "GO", "a b"])
    assert content.drafted(draft, QuestionDraft).tags == ("go", "a-b")
    plain = AnswerDraft(body="b")
    assert content.drafted(plain, AnswerDraft) == plain


@pytest.mark.parametrize("value", [None, {"title": "t"}, "t", AreaDraft, AnswerDraft(body="b")])
def test_what_is_no_draft_is_refused(value: object) -> None:
    """F1."""
    with pytest.raises(InvalidInput, match="must be of type AreaDraft"):
        content.drafted(value, AreaDraft)


def test_a_draft_that_was_forced_is_refused() -> None:
    """E4."""
    forced = AreaDraft.model_construct(title={"$ne": None}, details="", parent_id=None, tags=(), visibility="public")
    with pytest.raises(InvalidInput):
        content.drafted(forced, AreaDraft)
    more: Any = AreaDraft.model_construct(title="t")
    more.__dict__["role"] = "admin"
    with pytest.raises(InvalidInput):
        content.drafted(more, AreaDraft)


def test_a_slug_too_many_leaves_the_present_one() -> None:
    full = area("x", slug="s0", slugs=tuple([f"s{at}" for at in range(slugs.MOST)][::-1]))
    assert content.renamed(full, "new") is full
    assert content.renamed(area("x", slug="adopted"), "new").slugs == ("adopted", "new")


def test_an_edit_is_based_on_what_is_still_so() -> None:
    """J10: by revision, or field by field."""
    first = area("x", revision=2)
    other = first.evolve(details="d", revision=3)
    content.based_on(first, first, "area", ("title",), 2)
    content.based_on(first, other, "area", ("title",), None)
    for names, revision in ((("title",), 2), (("details",), None), (("title", "details"), None)):
        with pytest.raises(Stale) as caught:
            content.based_on(first, other, "area", names, revision)
        assert (caught.value.kind, caught.value.id) == ("area", first.id)
