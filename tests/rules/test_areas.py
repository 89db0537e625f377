"""Areas: a tree without circles, whose breadcrumbs name only what may be seen. Rows E16, G10, J32."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree import Principal
from tektree.errors import Forbidden, InvalidInput, InvalidTransition
from tektree.ids import derived_id
from tektree.models.areas import Area, AreaDraft, Follow
from tektree.rules import areas, content, slugs

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)
LATER = datetime(2025, 12, 16, 13, tzinfo=UTC)
ADA = Principal(derived_id("user", "ada"), "usr_ada")


def ident(name: object) -> str:
    return derived_id("area", str(name))


def area(name: object, parent: object = None, **more: Any) -> Area:
    made, _ = areas.created(AreaDraft(title=str(name)), ident(name), ADA, (), NOON, 10)
    fields: dict[str, Any] = {"parent_id": None if parent is None else ident(parent), **more}
    return made.evolve(**fields)


def known(*each: Area) -> dict[str, Area | None]:
    return {one.id: one for one in each}


forests = st.lists(st.integers(-1, 30), min_size=1, max_size=20)
"""For each area the number of its parent: -1 for none, too high for one that is not there; circles as they come."""


def forest(parents: list[int]) -> list[Area]:
    return [area(at, None if parent == -1 else parent) for at, parent in enumerate(parents)]


@given(forests)
def test_the_way_up_ends_whatever_the_pointers_are(parents: list[int]) -> None:
    """J32: no area is followed twice, and each stands below the one before it."""
    every = forest(parents)
    all_known = known(*every)
    for each in every:
        chain = areas.above(each, all_known)
        ids = [one.id for one in chain]
        assert len(set(ids)) == len(ids)
        assert each.id not in ids
        for upper, lower in zip(chain, [*chain, each][1:], strict=True):
            assert lower.parent_id == upper.id


@given(forests)
def test_what_is_lacking_is_read_until_nothing_is(parents: list[int]) -> None:
    every = forest(parents)
    there = known(*every)
    for each in every:
        read: dict[str, Area | None] = {}
        for _ in range(len(every) + 1):
            wanted = areas.lacking(each, read)
            if wanted is None:
                break
            assert wanted not in read
            read[wanted] = there.get(wanted)
        assert areas.lacking(each, read) is None
        assert areas.above(each, read) == areas.above(each, there)


def test_a_chain_without_end_is_cut() -> None:
    every = [area(at, at + 1) for at in range(80)]
    chain = areas.above(every[0], known(*every))
    assert len(chain) == 49
    assert areas.lacking(every[0], known(*chain)) is None


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5))
def test_breadcrumbs_come_apart_again(titles: list[str]) -> None:
    """S10: a title that holds what separates them makes no crumb of its own."""
    assert areas.breadcrumbs(titles).split(" > ") == [title.replace(">", "›") for title in titles]


def test_the_place_in_storage_names_what_everybody_may_see() -> None:
    """G10: a private area above, or one that is deleted, is in the path and not in the breadcrumbs."""
    top, hidden, lost = area("Top"), area("Hidden", visibility="private"), area("Lost", deleted_at=NOON)
    placed = areas.place(area("Leaf", "Lost"), [top, hidden, lost])
    assert placed.breadcrumbs == "Top > Leaf"
    assert placed.path == (top.id, hidden.id, lost.id)
    assert areas.place(placed, [top, hidden, lost]) is placed
    assert areas.place(placed.evolve(title="Twig"), [top]).breadcrumbs == "Top > Twig"


@given(st.lists(st.booleans(), max_size=6), st.booleans())
def test_what_is_shown_names_nothing_that_is_not_seen(seen: list[bool], own: bool) -> None:
    """G10, G20: no title, no id, no number of what the reader does not see."""
    chain = [area(at) for at in range(len(seen))]
    leaf = area("leaf", len(seen) - 1 if seen else None, slugs=("old", "leaf"))
    visible = {one.id for one, is_seen in zip(chain, seen, strict=True) if is_seen}
    found = areas.shown(areas.place(leaf, chain), chain, lambda one: one.id in visible, own=own)
    assert set(found.path) == visible
    assert found.breadcrumbs.split(" > ") == [str(at) for at, is_seen in enumerate(seen) if is_seen] + ["leaf"]
    assert found.parent_id == (leaf.parent_id if seen and seen[-1] else None)
    assert found.slugs == (("old", "leaf") if own else ())


def test_a_new_area() -> None:
    top = area("Top")
    draft = AreaDraft(title="C++", tags=("x",), details="d", visibility="connections")
    made, tried = areas.created(draft, ident("new"), ADA, [top], NOON, 2)
    assert tried == slugs.candidates("area", "C++", ident("new"), open=False)
    made = content.renamed(made, tried[0])
    assert (made.parent_id, made.path, made.breadcrumbs) == (top.id, (top.id,), "Top > C++")
    assert (made.slug, made.slugs, made.author, made.created_by) == (tried[0], (tried[0],), "usr_ada", ADA.id)
    told = areas.announced(made, "usr_ada")
    assert (told.title, told.slug, told.visibility) == (None, None, "connections")
    told = areas.announced(made.evolve(visibility="public"), "usr_ada")
    assert (told.title, told.slug, told.parent_id) == ("C++", tried[0], top.id)
    with pytest.raises(InvalidTransition, match="more than 1 levels"):
        areas.created(draft, ident("new"), ADA, [top], NOON, 1)


def test_an_edit() -> None:
    old = content.renamed(area("Rust"), "rust")
    assert areas.edited(old, areas.fields({"title": "Rust", "tags": []}), LATER) is None
    decided = areas.edited(old, areas.fields({"details": "d", "tags": ["A B"]}), LATER)
    assert decided is not None
    new, tried = decided
    assert (new.details, new.tags, new.updated_at, new.revision, tried) == ("d", ("a-b",), LATER, 2, ())
    said = areas.updated(old, new, "usr_ada")
    assert {name: (each.old, each.new) for name, each in said.changed.items()} == {
        "details": ("", "d"),
        "tags": ((), ("a-b",)),
    }
    decided = areas.edited(old, {"title": "Go"}, LATER)
    assert decided is not None
    assert decided[1][0] == "go"
    renamed = content.renamed(decided[0], "go")
    assert renamed.slugs == ("rust", "go")
    decided = areas.edited(renamed, {"title": "GO!"}, LATER)
    assert decided is not None
    assert decided[1] == (), "it has that slug"


def test_nothing_hidden_is_told() -> None:
    """G17: neither before nor after, and no long texts."""
    old = area("Plan")
    for new in (old.evolve(title="Secret", visibility="private"), old.evolve(title="x", details="y" * 300)):
        said = areas.updated(old, new, "usr_ada")
        assert "Secret" not in repr(said)
        assert "yyy" not in repr(said)
        assert said.changed["title"] is not None


@pytest.mark.parametrize(
    "given_fields",
    [
        {},
        {"parent_id": ident("x")},
        {"created_by": ADA.id},
        {"Title": "x"},
        {"title": None},
        {"title": "\u200b"},
        {"title": "x" * 201},
        {"visibility": None},
        {"visibility": "PUBLIC"},
        {"visibility": ["public"]},
        {"tags": ["🎉"]},
        {"tags": "ab"},
        {"$set": {"title": "x"}},
        {"slug": "x"},
    ],
)
def test_what_cannot_be_edited_is_refused(given_fields: dict[str, Any]) -> None:
    """E2, E3, E6, F2, G21."""
    with pytest.raises(InvalidInput):
        areas.fields(given_fields)


# -- moves -------------------------------------------------------------------------------------------------------------


def test_a_move() -> None:
    top, leaf = area("Top"), area("Leaf")
    decided = areas.moved(leaf, [top], 0, "usr_ada", LATER, 2)
    assert decided is not None
    new, said = decided
    assert (new.parent_id, new.path, new.breadcrumbs) == (top.id, (top.id,), "Top > Leaf")
    assert (said.old_parent_id, said.new_parent_id) == (None, top.id)
    assert areas.moved(new, [top], 0, "usr_ada", LATER, 2) is None
    back = areas.moved(new, [], 5, "usr_ada", LATER, 9)
    assert back is not None
    assert (back[0].parent_id, back[0].path, back[0].breadcrumbs) == (None, (), "Leaf")


@given(st.data())
def test_no_moves_make_a_circle_or_go_too_deep(data: st.DataObject) -> None:
    """J32: whatever is moved where, every chain ends at the top, within the depth."""
    every = known(*[area(at) for at in range(6)])
    for _ in range(data.draw(st.integers(1, 25))):
        moving = every[ident(data.draw(st.integers(0, 5)))]
        parent = every[ident(data.draw(st.integers(0, 5)))] if data.draw(st.booleans()) else None
        assert moving is not None
        chain = [] if parent is None else [*areas.above(parent, every), parent]
        below = max([len(areas.above(one, every)) for one in every.values() if one is not None]) - len(
            areas.above(moving, every)
        )
        deepest = height(moving, every)
        assert deepest <= below
        try:
            decided = areas.moved(moving, chain, deepest, "usr_ada", LATER, 4)
        except InvalidTransition:
            continue
        if decided is not None:
            every[moving.id] = decided[0]
        for one in every.values():
            assert one is not None
            assert areas.lacking(one, every) is None
            assert len(areas.above(one, every)) < 4
            top = [one, *areas.above(one, every)[::-1]][-1]
            assert top.parent_id is None


def height(of: Area, every: dict[str, Area | None]) -> int:
    below = [one for one in every.values() if one is not None and one.parent_id == of.id]
    return 1 + max([height(one, every) for one in below]) if below else 0


def test_a_move_below_itself_is_refused() -> None:
    top, middle = area("Top"), area("Middle", "Top")
    for chain in ([top], [top, middle]):
        with pytest.raises(InvalidTransition, match="below itself"):
            areas.moved(top, chain, 1, "usr_ada", LATER, 9)


# -- deleted, restored, followed ---------------------------------------------------------------------------------------


def test_what_is_deleted_comes_back_as_it_was() -> None:
    old = area("Go")
    decided = areas.deleted(old, ADA.id, "usr_ada", LATER)
    assert decided is not None
    gone, _ = decided
    assert (gone.deleted_at, gone.deleted_by, gone.revision) == (LATER, ADA.id, 2)
    assert areas.deleted(gone, ADA.id, "usr_ada", LATER) is None
    back, said = areas.restored(gone, ADA.id, "usr_ada")
    assert back == old.evolve(revision=3)
    assert said.area_id == old.id
    with pytest.raises(InvalidTransition, match="is not deleted"):
        areas.restored(back, ADA.id, "usr_ada")


def test_an_author_does_not_restore_what_others_deleted() -> None:
    """E10."""
    gone = area("Go", deleted_at=NOON, deleted_by=derived_id("user", "moderator"))
    with pytest.raises(Forbidden):
        areas.restored(gone, ADA.id, "usr_ada")
    assert areas.restored(gone, derived_id("user", "admin"), "usr_ada")[0].deleted_at is None
    assert areas.restored(gone.evolve(deleted_by=None), ADA.id, "usr_ada")[0].deleted_at is None


def test_a_follow_begins_and_ends() -> None:
    follow = Follow(id=ident("f"), area_id=ident("a"), user_id=ADA.id, uid="usr_ada", active=False, at=NOON)
    assert areas.followed(follow, active=False, now=LATER) is None
    begun = areas.followed(follow, active=True, now=LATER)
    assert begun is not None
    assert (begun[0].active, begun[0].at, type(begun[1]).__name__) == (True, LATER, "AreaFollowed")
    ended = areas.followed(begun[0], active=False, now=LATER)
    assert ended is not None
    assert (ended[0].active, type(ended[1]).__name__) == (False, "AreaUnfollowed")
