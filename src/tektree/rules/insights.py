"""Insights: drafts, then planned or published, and drafts again.

The law: before it is published, only its author and co-authors know of it, so nothing is told of what it says, and its
slug says nothing that is not hidden. It counts for the quota once, and its first publication is told once. A planned
one is published at its time, whoever looks; that is told behind it, and dated so. Nobody is a co-author who has not
consented, and a co-author owns nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, get_args

from tektree.errors import InvalidInput, InvalidTransition
from tektree.ids import hex_id
from tektree.models.accounts import Principal, User
from tektree.models.base import Frozen, lessened, milliseconds
from tektree.models.insights import (
    Insight,
    InsightDraft,
    InsightFields,
    InsightFilter,
    InsightOrder,
    InsightStatus,
    Invitation,
)
from tektree.models.payloads import (
    InsightCoAuthorInvited,
    InsightCoAuthorJoined,
    InsightCoAuthorLeft,
    InsightCreated,
    InsightDeleted,
    InsightFeatured,
    InsightPublished,
    InsightRestored,
    InsightUnpublished,
    InsightUpdated,
    Payload,
)
from tektree.models.payloads.base import Change
from tektree.rules import content, inputs, reading, slugs, tags
from tektree.rules.questions import once

__all__ = [
    "ORDERS",
    "SHARED",
    "addressed",
    "announced",
    "consented",
    "deleted",
    "drafted",
    "edited",
    "featured",
    "fields",
    "invited",
    "is_due",
    "left",
    "listed",
    "published",
    "recounted",
    "restored",
    "shown",
    "status",
    "told",
    "unfeatured",
    "unpublished",
    "updated",
]

ORDERS: Final[tuple[InsightOrder, ...]] = get_args(InsightOrder)
SHARED: Final = frozenset({"visibility"})
"""What of an edit is the author's alone."""

_STATUSES: Final[tuple[InsightStatus, ...]] = get_args(InsightStatus)
_FIELDS: Final = tuple(InsightFields.__annotations__)
_TOLD: Final = (*_FIELDS, "slug")
_SAMPLE: Final = InsightDraft(title="any", body="any")
_MOST_SHARED: Final = 50
_FILED: Final = frozenset(
    {"insight.published", "insight.unpublished", "insight.deleted", "insight.restored", "insight.updated"}
)

Told = tuple[Insight, Sequence[str], InsightPublished]
"""An insight whose publication is told, the slugs to try for it, and what is told."""


def status(insight: Insight, now: datetime) -> InsightStatus:
    """Whether it is a draft, planned, or published."""
    if insight.published_at is None:
        return "draft"
    return "published" if insight.published_at <= now else "scheduled"


def is_due(insight: Insight, now: datetime) -> bool:
    """Whether it was published at a time that was planned, and nobody was told."""
    return insight.deleted_at is None and insight.due is not None and insight.due <= milliseconds(now)


def _is_open(insight: Insight, now: datetime) -> bool:
    return content.open_to_all(insight) and status(insight, now) == "published"


# -- writing -----------------------------------------------------------------------------------------------------------


def fields(given: Mapping[str, object]) -> dict[str, Any]:
    """The given fields of an edit. Raises `InvalidInput`."""
    found = content.fields(InsightDraft, given, _FIELDS, _SAMPLE)
    return found | ({"areas": once(found["areas"])} if "areas" in found else {})


def drafted(
    draft: InsightDraft, id: str, by: Principal, now: datetime, per_minute: int
) -> tuple[Insight, Sequence[str]]:
    """A new draft, and the slugs to try for it; it is read at so many words ``per_minute``."""
    insight = Insight(
        id=id,
        title=draft.title,
        slug="",
        body=draft.body,
        insight_type=draft.insight_type,
        tags=draft.tags,
        areas=once(draft.areas),
        visibility=draft.visibility,
        created_by=by.id,
        created_at=now,
        updated_at=now,
        estimated_read_time_minutes=reading.minutes(draft.body, per_minute),
        author=by.uid,
        revision=1,
    )
    return insight, slugs.candidates("insight", insight.title, id, open=False)


def announced(insight: Insight, uid: str) -> InsightCreated:
    """What is told of a new draft."""
    return InsightCreated(user_id=uid, insight_id=insight.id, insight_type=insight.insight_type)


def edited(
    insight: Insight, changes: Mapping[str, Any], now: datetime, per_minute: int
) -> tuple[Insight, Sequence[str]] | None:
    """The insight with these fields, and the slugs to try for another title; None where nothing changes."""
    new = insight.evolve(**changes)
    if new == insight:
        return None
    if new.body != insight.body:
        new = new.evolve(estimated_read_time_minutes=reading.minutes(new.body, per_minute))
    return _changed(new, now), content.retitled(insight, new, "insight", open=_is_open(new, now))


def updated(old: Insight, new: Insight, uid: str, now: datetime) -> InsightUpdated:
    """What is told of an edit."""
    is_open = _is_open(old, now) and _is_open(new, now)
    return _updated(new, uid, content.changed(old, new, _TOLD, open=is_open))


def _updated(insight: Insight, uid: str, changed: Frozen[str, Change]) -> InsightUpdated:
    return InsightUpdated(user_id=uid, insight_id=insight.id, insight_type=insight.insight_type, changed=changed)


def _changed(insight: Insight, now: datetime, **fields: Any) -> Insight:
    return insight.evolve(**fields, updated_at=now, revision=insight.revision + 1)


# -- publishing --------------------------------------------------------------------------------------------------------


def published(
    insight: Insight, at: datetime | None, uid: str, now: datetime
) -> tuple[Insight, Sequence[str], Payload] | None:
    """The insight once it is published, or planned to be ``at`` a time that is still to come; None where it is so.

    Raises `InvalidTransition` where it is published, and is to be published later.
    """
    planned = at is not None and at > now
    if status(insight, now) == "published":
        if planned:
            raise InvalidTransition("insight", "is published; unpublish it first")
        return None
    submitted = insight.submitted_at or now
    if not planned:
        return told(_changed(insight, now, published_at=now, submitted_at=submitted), uid)
    assert at is not None, "it is planned"
    if insight.published_at == at:
        return None
    new = _changed(insight, now, published_at=at, due=milliseconds(at), submitted_at=submitted)
    return new, (), _updated(new, uid, Frozen(published_at=Change()))


def told(insight: Insight, uid: str) -> Told:
    """A published insight once that is told. What everybody may see gets a slug of its title alone, if it is free."""
    is_open = content.open_to_all(insight)
    said = InsightPublished(
        user_id=uid,
        insight_id=insight.id,
        insight_type=insight.insight_type,
        areas=insight.areas,
        tags=insight.tags if is_open else (),
        co_authors=_co_authors(insight) if is_open else (),
        first_publication=insight.first_published_at is None,
        read_time=insight.estimated_read_time_minutes,
    )
    tried = slugs.candidates("insight", insight.title, insight.id, open=is_open)
    new = insight.evolve(due=None, first_published_at=insight.first_published_at or insight.published_at)
    return new, () if tried[0] == insight.slug else tried, said


def _co_authors(insight: Insight) -> tuple[str, ...]:
    return tuple([each.uid for each in insight.invitations if each.uid is not None and each.consented_at is not None])


def unpublished(insight: Insight, uid: str, now: datetime) -> tuple[Insight, Payload] | None:
    """The insight when it is a draft again; None where it is one. What was only planned, nobody hears of."""
    before = status(insight, now)
    if before == "draft":
        return None
    new = _changed(insight, now, published_at=None, due=None)
    if before == "scheduled":
        return new, _updated(new, uid, Frozen(published_at=Change()))
    new = new.evolve(
        submitted_at=insight.submitted_at or insight.published_at,
        first_published_at=insight.first_published_at or insight.published_at,
    )
    return new, InsightUnpublished(user_id=uid, insight_id=insight.id, insight_type=insight.insight_type)


# -- co-authors --------------------------------------------------------------------------------------------------------


def addressed(value: object) -> tuple[str, str | None]:
    """The id of the user who is meant, and their uid where it is known. Raises `InvalidInput`."""
    if isinstance(value, Principal | User):
        return value.id, value.uid
    return hex_id(value, "user_id"), None


def invited(
    insight: Insight, user_id: str, known_as: str | None, uid: str, now: datetime
) -> tuple[Insight, InsightCoAuthorInvited] | None:
    """The insight once a user is invited, whose uid may be known; None where they were, or are a co-author.

    Raises `InvalidInput` for the author, `InvalidTransition` where too many are.
    """
    if user_id == insight.created_by:
        raise InvalidInput("user_id", "must be somebody else than the author")
    shared = {each.user_id for each in insight.invitations} | set(insight.co_authors)
    if user_id in shared:
        return None
    if len(shared) >= _MOST_SHARED:
        raise InvalidTransition("insight", f"has {_MOST_SHARED} co-authors and invitations; withdraw one first")
    invitation = Invitation(user_id=user_id, uid=known_as, at=now)
    said = InsightCoAuthorInvited(user_id=uid, insight_id=insight.id, co_author=known_as)
    return _changed(insight, now, invitations=(*insight.invitations, invitation)), said


def consented(insight: Insight, by: Principal, uid: str, now: datetime) -> tuple[Insight, InsightCoAuthorJoined] | None:
    """The insight once who was invited has consented; None where they are a co-author, or are not invited."""
    open_ones = [each for each in insight.invitations if each.user_id == by.id]
    if not open_ones or by.id in insight.co_authors:
        return None
    invitations = [
        each.evolve(uid=by.uid, consented_at=now) if each.user_id == by.id else each for each in insight.invitations
    ]
    said = InsightCoAuthorJoined(user_id=uid, insight_id=insight.id, co_author=by.uid)
    co_authors = (*insight.co_authors, by.id)
    return _changed(insight, now, co_authors=co_authors, invitations=tuple(invitations)), said


def left(
    insight: Insight, user_id: str, uid: str, by: str, now: datetime
) -> tuple[Insight, InsightCoAuthorLeft] | None:
    """The insight without this co-author, or without their invitation; None where there is neither."""
    invitation = next((each for each in insight.invitations if each.user_id == user_id), None)
    if invitation is None and user_id not in insight.co_authors:
        return None
    new = _changed(
        insight,
        now,
        co_authors=tuple([each for each in insight.co_authors if each != user_id]),
        invitations=tuple([each for each in insight.invitations if each.user_id != user_id]),
    )
    gone = None if invitation is None else invitation.uid
    return new, InsightCoAuthorLeft(user_id=uid, insight_id=insight.id, co_author=gone, by=by)


# -- featuring, deleting -----------------------------------------------------------------------------------------------


def featured(insight: Insight, uid: str, by: str, now: datetime) -> tuple[Insight, InsightFeatured] | None:
    """The insight once it is featured; None where it is. Raises `InvalidTransition` before it is published."""
    if status(insight, now) != "published":
        raise InvalidTransition("insight", "is not published; only what is published is featured")
    if insight.featured:
        return None
    return _changed(insight, now, featured=True), InsightFeatured(user_id=uid, insight_id=insight.id, by=by)


def unfeatured(insight: Insight, uid: str, now: datetime) -> tuple[Insight, InsightUpdated] | None:
    """The insight when it is featured no more; None where it is not."""
    if not insight.featured:
        return None
    new = _changed(insight, now, featured=False)
    return new, _updated(new, uid, Frozen(featured=Change(old=True, new=False)))


def deleted(insight: Insight, by: Principal, uid: str, now: datetime) -> tuple[Insight, InsightDeleted] | None:
    """The insight once it is deleted; None where it is."""
    new = content.gone(insight, by.id, now)
    said = InsightDeleted(user_id=uid, insight_id=insight.id, insight_type=insight.insight_type, by=by.uid)
    return None if new is None else (new, said)


def restored(
    insight: Insight, by: Principal, uid: str, now: datetime
) -> tuple[Insight, Sequence[str], Sequence[Payload]]:
    """The insight once it is restored, and the slugs to try. What is published then, is told to be.

    Raises `Forbidden`, `InvalidTransition`.
    """
    back = content.brought_back(insight, "insight", by.id)
    said = InsightRestored(user_id=uid, insight_id=insight.id, insight_type=insight.insight_type, by=by.uid)
    if status(back, now) != "published":
        return back, (), (said,)
    new, tried, more = told(back.evolve(first_published_at=_first_told(back)), uid)
    return new, tried, (said, more)


def _first_told(insight: Insight) -> datetime | None:
    """When its first publication was told of; that of what was there before us was."""
    untold = insight.due is not None
    return insight.first_published_at if untold else insight.first_published_at or insight.published_at


# -- lists and counts --------------------------------------------------------------------------------------------------


def recounted(insight: Insight, event_type: str, payload: Mapping[str, Any]) -> frozenset[str]:
    """The areas whose content has to be counted anew behind an event of an insight."""
    if event_type not in _FILED:
        return frozenset()
    moved = payload.get("changed", {})
    if event_type == "insight.updated" and {"areas", "visibility"}.isdisjoint(moved):
        return frozenset()
    return frozenset((*insight.areas, *moved.get("areas", {}).get("old", ())))


def listed(
    area: object, tag: object, author: object, status: object, order: object
) -> tuple[InsightFilter, InsightOrder]:
    """Which insights a caller wants, and how they are sorted. Raises `InvalidInput`."""
    which = InsightFilter(
        None if area is None else hex_id(area, "area"),
        None if tag is None else tags.sought(tag),
        None if author is None else hex_id(author, "author"),
        None if status is None else inputs.choice(status, "status", _STATUSES),
    )
    return which, inputs.choice(order, "order", ORDERS)


def shown(insight: Insight, areas: Collection[str], *, own: bool) -> Insight:
    """The insight as somebody may see it, who sees these ``areas``.

    Slugs that were given up, invitations, and when it was handed in are its author's ``own``.
    """
    named = tuple([each for each in insight.areas if each in areas])
    if own:
        return insight if named == insight.areas else lessened(insight, areas=named)
    return lessened(insight, areas=named, slugs=(), invitations=(), submitted_at=None)
