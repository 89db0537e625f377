"""Insights: drafts, planned, published, and drafts again; with co-authors who consent. Rows E15, G11, G12, G17."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree import Principal
from tektree.errors import Forbidden, InvalidInput, InvalidTransition
from tektree.ids import derived_id
from tektree.models.base import milliseconds
from tektree.models.insights import Insight, InsightDraft, InsightFilter
from tektree.models.payloads import InsightPublished, InsightUnpublished, InsightUpdated
from tektree.rules import content, insights

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ADA = Principal(derived_id("user", "ada"), "usr_ada")
BEN = Principal(derived_id("user", "ben"), "usr_ben")
MODERATOR = Principal(derived_id("user", "mod"), "usr_mod", role="moderator")
ID, AREA, OTHER = [derived_id("id", name) for name in ("insight", "area", "other")]


def draft(**more: Any) -> Insight:
    wanted = InsightDraft(title="C++?", body="w " * 250, tags=("c++",), areas=(AREA, OTHER, AREA))
    made, tried = insights.drafted(wanted, ID, ADA, NOON, 200)
    return content.renamed(made, tried[0]).evolve(**more)


def public(at: datetime = NOON) -> Insight:
    decided = insights.published(draft(), None, "usr_ada", at)
    assert decided is not None
    return content.renamed(decided[0], decided[1][0])


def planned(at: datetime = NOON + HOUR) -> Insight:
    decided = insights.published(draft(), at, "usr_ada", NOON)
    assert decided is not None
    return decided[0]


def test_a_new_draft() -> None:
    """Its slug says what it is called only to who sees it, and it is not taken from others."""
    made = draft()
    assert made.slug.startswith("c-plus-plus-")
    assert (made.areas, made.estimated_read_time_minutes, made.published_at) == ((AREA, OTHER), 2, None)
    assert insights.status(made, NOON) == "draft"
    told = insights.announced(made, "usr_ada")
    assert (told.user_id, told.insight_id, told.insight_type) == ("usr_ada", ID, "article")


def test_a_publication() -> None:
    decided = insights.published(draft(), None, "usr_ada", NOON)
    assert decided is not None
    new, tried, said = decided
    assert (new.published_at, new.submitted_at, new.first_published_at, new.due) == (NOON, NOON, NOON, None)
    assert tried[0] == "c-plus-plus"
    assert isinstance(said, InsightPublished)
    assert (said.first_publication, said.tags, said.areas, said.read_time) == (True, ("c++",), (AREA, OTHER), 2)
    assert insights.published(new, None, "usr_ada", NOON) is None
    assert insights.published(new, NOON, "usr_ada", NOON) is None
    with pytest.raises(InvalidTransition, match="unpublish it first"):
        insights.published(new, NOON + HOUR, "usr_ada", NOON)


@pytest.mark.parametrize("visibility", ["private", "connections"])
def test_a_publication_for_some_tells_nothing_of_it(visibility: Any) -> None:
    """G17, G19."""
    shared = draft(visibility=visibility).evolve(co_authors=(BEN.id,))
    decided = insights.published(shared, None, "usr_ada", NOON)
    assert decided is not None
    new, tried, said = decided
    assert isinstance(said, InsightPublished)
    assert (said.tags, said.co_authors, tried, new.slug) == ((), (), (), draft().slug)


def test_what_is_planned_is_published_at_its_time() -> None:
    """G12: at the millisecond; whoever looks, and before anybody is told."""
    at = NOON + HOUR
    wanted = planned(at)
    assert (wanted.published_at, wanted.due, wanted.submitted_at) == (at, milliseconds(at), NOON)
    before = at - timedelta(milliseconds=1)
    assert [insights.status(wanted, each) for each in (before, at)] == ["scheduled", "published"]
    assert [insights.is_due(wanted, each) for each in (before, at)] == [False, True]
    assert not insights.is_due(wanted.evolve(deleted_at=NOON), at)
    assert insights.published(wanted, at, "usr_ada", NOON) is None
    later = insights.published(wanted, at + HOUR, "usr_ada", NOON)
    assert later is not None
    assert (later[0].due, later[0].submitted_at) == (milliseconds(at + HOUR), NOON)
    assert isinstance(later[2], InsightUpdated)
    assert later[2].changed["published_at"].new is None, "when, nobody hears"
    told, tried, said = insights.told(wanted, "usr_ada")
    assert (told.due, told.first_published_at, told.revision, tried[0]) == (None, at, wanted.revision, "c-plus-plus")
    assert said.first_publication
    assert not insights.is_due(told, at)
    now = insights.published(wanted, None, "usr_ada", NOON)
    assert now is not None
    assert (now[0].published_at, now[0].due) == (NOON, None)


def test_a_draft_again() -> None:
    assert insights.unpublished(draft(), "usr_ada", NOON) is None
    decided = insights.unpublished(public(), "usr_ada", NOON + HOUR)
    assert decided is not None
    new, said = decided
    assert (new.published_at, new.submitted_at, new.first_published_at) == (None, NOON, NOON)
    assert isinstance(said, InsightUnpublished)
    again = insights.published(new, None, "usr_ada", NOON + HOUR)
    assert again is not None
    assert isinstance(again[2], InsightPublished)
    assert not again[2].first_publication
    assert (again[1], again[0].slug) == ((), "c-plus-plus")
    cancelled = insights.unpublished(planned(), "usr_ada", NOON)
    assert cancelled is not None
    assert (cancelled[0].due, cancelled[0].first_published_at, cancelled[0].submitted_at) == (None, None, NOON)
    assert isinstance(cancelled[1], InsightUpdated), "it never was public"


def test_what_was_published_before_us_was_told() -> None:
    before = draft(published_at=NOON - HOUR)
    decided = insights.unpublished(before, "usr_ada", NOON)
    assert decided is not None
    assert (decided[0].submitted_at, decided[0].first_published_at) == (NOON - HOUR, NOON - HOUR)
    gone = insights.deleted(before, ADA, "usr_ada", NOON)
    assert gone is not None
    _, _, said = insights.restored(gone[0], ADA, "usr_ada", NOON)
    assert isinstance(said[1], InsightPublished)
    assert not said[1].first_publication


@given(st.lists(st.sampled_from(["publish", "plan", "unpublish", "delete", "restore", "wait", "tell"]), max_size=40))
def test_the_first_publication_is_told_once(steps: list[str]) -> None:
    """Whatever happens, in whatever order: at most once it is the first; and it counts for the quota once."""
    insight, now, heard = draft(), NOON, list[Any]()
    submitted: set[datetime] = set()
    for step in steps:
        said: Any = ()
        if step == "wait":
            now += HOUR
        elif step == "restore" and insight.deleted_at is not None:
            insight, _, said = insights.restored(insight, ADA, "usr_ada", now)
        elif insight.deleted_at is not None:
            continue
        elif step == "tell" and insights.is_due(insight, now):
            insight, _, said = insights.told(insight, "usr_ada")
        elif insights.is_due(insight, now):
            continue  # it is told before it is changed
        elif step == "publish" and (decided := insights.published(insight, None, "usr_ada", now)):
            insight, _, said = decided
        elif step == "plan" and insights.status(insight, now) != "published":
            planned = insights.published(insight, now + HOUR, "usr_ada", now)
            insight, said = (planned[0], planned[2]) if planned else (insight, ())
        elif step == "unpublish" and (drafted := insights.unpublished(insight, "usr_ada", now)):
            insight, said = drafted
        elif step == "delete" and (gone := insights.deleted(insight, ADA, "usr_ada", now)):
            insight, said = gone
        heard += said if isinstance(said, tuple) else [said]
        submitted |= {insight.submitted_at} if insight.submitted_at else set()
    firsts = [each.first_publication for each in heard if isinstance(each, InsightPublished)]
    assert firsts[:1] in ([], [True])
    assert not any(firsts[1:])
    assert len(submitted) <= 1


def test_an_edit() -> None:
    old = public()
    assert insights.edited(old, insights.fields({"title": "C++?"}), NOON, 200) is None
    decided = insights.edited(old, insights.fields({"areas": [AREA, AREA], "body": "w"}), NOON + HOUR, 200)
    assert decided is not None
    new, tried = decided
    assert (new.areas, new.estimated_read_time_minutes, new.revision, tried) == ((AREA,), 1, old.revision + 1, ())
    said = insights.updated(old, new, "usr_ada", NOON + HOUR)
    assert sorted(said.changed) == ["areas", "body"]
    assert said.changed["areas"].old == (AREA, OTHER)
    retitled = insights.edited(old, {"title": "Go"}, NOON, 200)
    assert retitled is not None
    assert retitled[1][0] == "go"
    hidden = insights.edited(draft(), {"title": "Go"}, NOON, 200)
    assert hidden is not None
    assert hidden[1][0] != "go", "G19: a draft's title is its own"
    told = insights.updated(draft(), hidden[0], "usr_ada", NOON)
    assert all(each.old is None and each.new is None for each in told.changed.values()), "G17"


@pytest.mark.parametrize(
    "fields",
    [
        {"published_at": NOON},
        {"co_authors": [BEN.id]},
        {"featured": True},
        {"like_count": 9},
        {"body": ""},
        {"areas": ["x"]},
        {"insight_type": "book"},
    ],
)
def test_what_cannot_be_edited_is_refused(fields: dict[str, Any]) -> None:
    """E1, E2, E15, F25."""
    with pytest.raises(InvalidInput):
        insights.fields(fields)


def test_nobody_is_a_co_author_who_has_not_consented() -> None:
    """E15."""
    with pytest.raises(InvalidInput):
        insights.invited(draft(), ADA.id, None, "usr_ada", NOON)
    decided = insights.invited(draft(), BEN.id, None, "usr_ada", NOON)
    assert decided is not None
    asked, said = decided
    assert (asked.co_authors, asked.invitations[0].user_id, said.co_author) == ((), BEN.id, None)
    assert insights.invited(asked, BEN.id, "usr_ben", "usr_ada", NOON) is None
    assert insights.consented(asked, MODERATOR, "usr_ada", NOON) is None
    joined = insights.consented(asked, BEN, "usr_ada", NOON)
    assert joined is not None
    assert (joined[0].co_authors, joined[1].co_author) == ((BEN.id,), "usr_ben")
    assert insights.consented(joined[0], BEN, "usr_ada", NOON) is None
    told = insights.told(joined[0].evolve(published_at=NOON), "usr_ada")[2]
    assert told.co_authors == ("usr_ben",)
    gone = insights.left(joined[0], BEN.id, "usr_ada", "usr_ben", NOON)
    assert gone is not None
    assert (gone[0].co_authors, gone[0].invitations, gone[1].co_author, gone[1].by) == ((), (), "usr_ben", "usr_ben")
    assert insights.left(gone[0], BEN.id, "usr_ada", "usr_ben", NOON) is None
    adopted = insights.left(draft(co_authors=(BEN.id,)), BEN.id, "usr_ada", "usr_ada", NOON)
    assert adopted is not None
    assert (adopted[0].co_authors, adopted[1].co_author) == ((), None)


def test_who_is_meant() -> None:
    assert insights.addressed(BEN) == (BEN.id, "usr_ben")
    assert insights.addressed(BEN.id) == (BEN.id, None)
    for wrong in (None, "usr_ben", {"$ne": None}, BEN.id.upper() + "A"):
        with pytest.raises(InvalidInput):
            insights.addressed(wrong)


def test_there_are_not_too_many_co_authors() -> None:
    """F10."""
    full = draft()
    for at in range(50):
        decided = insights.invited(full, derived_id("user", str(at)), None, "usr_ada", NOON)
        assert decided is not None
        full = decided[0]
    with pytest.raises(InvalidTransition, match="withdraw one first"):
        insights.invited(full, BEN.id, None, "usr_ada", NOON)


def test_what_is_published_is_featured() -> None:
    with pytest.raises(InvalidTransition):
        insights.featured(draft(), "usr_ada", "usr_mod", NOON)
    decided = insights.featured(public(), "usr_ada", "usr_mod", NOON)
    assert decided is not None
    new, said = decided
    assert (new.featured, said.by) == (True, "usr_mod")
    assert insights.featured(new, "usr_ada", "usr_mod", NOON) is None
    assert insights.unfeatured(public(), "usr_ada", NOON) is None
    back = insights.unfeatured(new, "usr_ada", NOON)
    assert back is not None
    assert (back[0].featured, back[1].changed["featured"].new) == (False, False)


def test_what_is_deleted_comes_back_as_it_was() -> None:
    for old, types in ((draft(), ["InsightRestored"]), (public(), ["InsightRestored", "InsightPublished"])):
        decided = insights.deleted(old, MODERATOR, "usr_ada", NOON)
        assert decided is not None
        gone, said = decided
        assert (gone.deleted_by, said.by) == (MODERATOR.id, "usr_mod")
        assert insights.deleted(gone, MODERATOR, "usr_ada", NOON) is None
        back, tried, told = insights.restored(gone, MODERATOR, "usr_ada", NOON)
        assert (back, tried) == (old.evolve(revision=old.revision + 2), ())
        assert [type(each).__name__ for each in told] == types
        with pytest.raises(Forbidden):
            insights.restored(gone, ADA, "usr_ada", NOON)
        with pytest.raises(InvalidTransition):
            insights.restored(old, ADA, "usr_ada", NOON)


@pytest.mark.parametrize(
    ("event_type", "changed", "expected"),
    [
        ("insight.created", None, set()),
        ("insight.published", None, {AREA, OTHER}),
        ("insight.unpublished", None, {AREA, OTHER}),
        ("insight.deleted", None, {AREA, OTHER}),
        ("insight.restored", None, {AREA, OTHER}),
        ("insight.featured", None, set()),
        ("insight.updated", {"title": {}}, set()),
        ("insight.updated", {"visibility": {}}, {AREA, OTHER}),
        ("insight.updated", {"areas": {"old": (ID,), "new": (AREA, OTHER)}}, {AREA, OTHER, ID}),
    ],
)
def test_what_has_to_be_counted_anew(event_type: str, changed: Any, expected: set[str]) -> None:
    """J34."""
    payload = {} if changed is None else {"changed": changed}
    assert insights.recounted(draft(), event_type, payload) == expected


def test_what_is_shown() -> None:
    """G11: areas that are seen; and to others than the author, nothing of what it was and who is asked."""
    found = public()
    assert insights.shown(found, {AREA, OTHER}, own=True) is found
    assert insights.shown(found, {AREA}, own=True).areas == (AREA,)
    seen = insights.shown(found.evolve(invitations=()), {AREA}, own=False)
    assert (seen.areas, seen.slugs, seen.invitations, seen.submitted_at) == ((AREA,), (), (), None)


def test_what_a_list_is_of() -> None:
    """F4: fields and orders are these words and no others."""
    assert insights.listed(None, None, None, None, "newest") == (InsightFilter(), "newest")
    wanted = InsightFilter(AREA, "c++", ADA.id, "draft")
    assert insights.listed(AREA, "C++", ADA.id, "draft", "featured") == (wanted, "featured")
    for wrong in (
        ("x", None, None, None, "newest"),
        (None, "🎉", None, None, "newest"),
        (None, None, "usr_ada", None, "newest"),
        (None, None, None, "open", "newest"),
        (None, None, None, None, "most_voted"),
    ):
        with pytest.raises(InvalidInput):
            insights.listed(*wrong)
