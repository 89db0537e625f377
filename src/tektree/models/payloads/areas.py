"""What is told of areas. ``user_id`` is the area's author; of who follows one, the follower."""

from tektree.models.base import HexId, Uid
from tektree.models.content import Slug, Title, Visibility
from tektree.models.payloads.base import Changed, Payload

__all__ = ["AreaCreated", "AreaDeleted", "AreaFollowed", "AreaMoved", "AreaRestored", "AreaUnfollowed", "AreaUpdated"]


class _Area(Payload, by="content-service", stream="area:{area_id}"):
    user_id: Uid
    area_id: HexId


class AreaCreated(_Area, event="area.created"):
    """There is a new area. Title and slug are null when not everybody may see it."""

    title: Title | None
    slug: Slug | None
    parent_id: HexId | None
    visibility: Visibility


class AreaUpdated(_Area, event="area.updated"):
    """An area was edited."""

    changed: Changed


class AreaDeleted(_Area, event="area.deleted"):
    """An area is gone."""


class AreaRestored(_Area, event="area.restored"):
    """An area that was gone is back, as it was."""


class AreaMoved(_Area, event="area.moved"):
    """An area has another parent; the breadcrumbs below it follow."""

    old_parent_id: HexId | None
    new_parent_id: HexId | None


class AreaFollowed(_Area, event="area.followed", stream="area:{area_id}:follower:{user_id}"):
    """The user wants to hear of an area."""


class AreaUnfollowed(_Area, event="area.unfollowed", stream="area:{area_id}:follower:{user_id}"):
    """The user does not want to hear of it any more."""
