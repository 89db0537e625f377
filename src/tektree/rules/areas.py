"""Areas: a tree of subjects.

The law: no area is above itself, and none stands deeper than the policy lets it. ``breadcrumbs`` are the titles from
the top down to the area's own, and name only what whoever reads them may see: in storage, what everybody may see.
``path`` are the ids above it, all of them. Both follow from ``parent_id``, which is the one truth about the tree.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tektree.errors import InvalidTransition
from tektree.models.accounts import Principal
from tektree.models.areas import Area, AreaDraft, AreaFields, Follow
from tektree.models.base import lessened
from tektree.models.payloads.areas import (
    AreaCreated,
    AreaDeleted,
    AreaFollowed,
    AreaMoved,
    AreaRestored,
    AreaUnfollowed,
    AreaUpdated,
)
from tektree.rules import content, slugs

__all__ = [
    "above",
    "announced",
    "breadcrumbs",
    "created",
    "deleted",
    "edited",
    "fields",
    "fitting",
    "followed",
    "lacking",
    "moved",
    "place",
    "restored",
    "SEPARATOR",
    "shown",
    "updated",
]

SEPARATOR: Final = " > "
_MOST: Final = 49
"""No chain is followed further up: a ``path`` holds one more at most."""

_FIELDS: Final = tuple(AreaFields.__annotations__)
_TOLD: Final = (*_FIELDS, "slug")
_SAMPLE: Final = AreaDraft(title="any")


def fields(given: Mapping[str, object]) -> dict[str, Any]:
    """The given fields of an edit. Raises `InvalidInput`."""
    return content.fields(AreaDraft, given, _FIELDS, _SAMPLE)


# -- the tree ----------------------------------------------------------------------------------------------------------

Known = Mapping[str, Area | None]
"""Areas by id, as far as they were read; None for one that is not there."""


def above(area: Area, known: Known) -> tuple[Area, ...]:
    """The areas above this one, from the top down, as far up as they are known. A circle is followed once."""
    found: list[Area] = []
    seen = {area.id}
    while len(found) < _MOST:
        parent = known.get((found[-1] if found else area).parent_id or "")
        if parent is None or parent.id in seen:
            break
        seen.add(parent.id)
        found.append(parent)
    return tuple(found[::-1])


def lacking(area: Area, known: Known) -> str | None:
    """The id of the first area above this one that has not been read; None when all of them have been."""
    chain = above(area, known)
    top = chain[0] if chain else area
    if top.parent_id is None or top.parent_id in known or len(chain) >= _MOST:
        return None
    return top.parent_id


def breadcrumbs(titles: Sequence[str]) -> str:
    """The titles as one text. What separates them stands in none of them.

    >>> breadcrumbs(["A > B", "C"])
    'A › B > C'
    """
    return SEPARATOR.join([title.replace(">", "›") for title in titles])


def place(area: Area, chain: Sequence[Area]) -> Area:
    """The area with ``path`` and stored ``breadcrumbs`` as they follow from those above it."""
    titles = [each.title for each in chain if content.open_to_all(each) and each.deleted_at is None]
    path, crumbs = tuple([each.id for each in chain]), breadcrumbs([*titles, area.title])
    return area if (area.path, area.breadcrumbs) == (path, crumbs) else area.evolve(path=path, breadcrumbs=crumbs)


def shown(area: Area, chain: Sequence[Area], sees: Callable[[Area], bool], *, own: bool) -> Area:
    """The area as somebody may see it: nothing in it names an area above that they do not see.

    Slugs that were given up may say what it was called when it was hidden: they are its author's ``own``.
    """
    visible = [each for each in chain if sees(each)]
    path = tuple([each.id for each in visible])
    return lessened(
        area,
        parent_id=area.parent_id if area.parent_id in path else None,
        path=path,
        breadcrumbs=breadcrumbs([*[each.title for each in visible], area.title]),
        slugs=area.slugs if own else (),
    )


def _attached(area_id: str | None, chain: Sequence[Area], below: int, deepest: int) -> str | None:
    """The parent's id, where an area may hang with ``below`` levels under it. ``chain`` ends with the parent."""
    if any(each.id == area_id for each in chain):
        raise InvalidTransition("area", "cannot be moved below itself; choose a parent that is not below it")
    fitting(len(chain), below, deepest)
    return chain[-1].id if chain else None


def fitting(above: int, below: int, deepest: int) -> None:
    """Raises `InvalidTransition` for an area that has too many levels above it and ``below`` it."""
    if above + 1 + below > deepest:
        raise InvalidTransition("area", f"would stand more than {deepest} levels deep; choose a parent further up")


# -- its life ----------------------------------------------------------------------------------------------------------


def created(
    draft: AreaDraft, id: str, by: Principal, chain: Sequence[Area], now: datetime, deepest: int
) -> tuple[Area, Sequence[str]]:
    """A new area below the last of ``chain``, and the slugs to try for it. Raises `InvalidTransition`: too deep."""
    area = Area(
        id=id,
        title=draft.title,
        slug="",
        parent_id=_attached(None, chain, 0, deepest),
        details=draft.details,
        tags=draft.tags,
        visibility=draft.visibility,
        created_by=by.id,
        created_at=now,
        updated_at=now,
        author=by.uid,
        revision=1,
    )
    return place(area, chain), slugs.candidates("area", area.title, id, open=content.open_to_all(area))


def announced(area: Area, uid: str) -> AreaCreated:
    """What is told of a new area."""
    is_open = content.open_to_all(area)
    return AreaCreated(
        user_id=uid,
        area_id=area.id,
        title=area.title if is_open else None,
        slug=area.slug if is_open else None,
        parent_id=area.parent_id,
        visibility=area.visibility,
    )


def edited(area: Area, changes: Mapping[str, Any], now: datetime) -> tuple[Area, Sequence[str]] | None:
    """The area with these fields, and the slugs to try for another title; None where nothing changes.

    Its own last breadcrumb follows; those of the areas below it are brought after it.
    """
    new = area.evolve(**changes)
    if new == area:
        return None
    return new.evolve(updated_at=now, revision=area.revision + 1), content.retitled(
        area, new, "area", open=content.open_to_all(new)
    )


def updated(old: Area, new: Area, uid: str) -> AreaUpdated:
    """What is told of an edit."""
    is_open = content.open_to_all(old) and content.open_to_all(new)
    return AreaUpdated(user_id=uid, area_id=new.id, changed=content.changed(old, new, _TOLD, open=is_open))


def moved(
    area: Area, chain: Sequence[Area], below: int, uid: str, now: datetime, deepest: int
) -> tuple[Area, AreaMoved] | None:
    """The area below the last of ``chain``, or at the top; None where it hangs there.

    ``below`` are the levels under it. Raises `InvalidTransition` for a parent below it, and for what is too deep.
    """
    parent_id = _attached(area.id, chain, below, deepest)
    if parent_id == area.parent_id:
        return None
    said = AreaMoved(user_id=uid, area_id=area.id, old_parent_id=area.parent_id, new_parent_id=parent_id)
    return place(area.evolve(parent_id=parent_id, updated_at=now, revision=area.revision + 1), chain), said


def deleted(area: Area, by: str, uid: str, now: datetime) -> tuple[Area, AreaDeleted] | None:
    """The area once it is deleted; None where it is."""
    new = content.gone(area, by, now)
    return None if new is None else (new, AreaDeleted(user_id=uid, area_id=area.id))


def restored(area: Area, by: str, uid: str) -> tuple[Area, AreaRestored]:
    """The area once it is restored. Raises `Forbidden`, `InvalidTransition`."""
    return content.brought_back(area, "area", by), AreaRestored(user_id=uid, area_id=area.id)


def followed(follow: Follow, *, active: bool, now: datetime) -> tuple[Follow, AreaFollowed | AreaUnfollowed] | None:
    """The follow, begun or ended; None where it is so."""
    if follow.active is active:
        return None
    said = (AreaFollowed if active else AreaUnfollowed)(user_id=follow.uid, area_id=follow.area_id)
    return follow.evolve(active=active, at=now), said
