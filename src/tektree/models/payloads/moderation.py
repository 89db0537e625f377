"""What is told of content that somebody complains of. ``user_id`` is the author."""

from tektree.models.base import HexId, Name, Uid
from tektree.models.payloads.base import Payload, Why

__all__ = ["ContentModerated", "ContentReported"]


class _Content(Payload, by="content-service"):
    user_id: Uid
    entity_type: Name
    entity_id: HexId


class ContentReported(_Content, event="content.reported"):
    """Somebody thinks that it should not be there."""

    by: Uid
    reason: Why


class ContentModerated(_Content, event="content.moderated", stream="{entity_type}:{entity_id}"):
    """Somebody decided about it; ``by`` is null when the system did."""

    by: Uid | None
    reason: Why
