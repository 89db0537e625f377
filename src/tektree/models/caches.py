"""What caches keep: which records, and how an answer of theirs looks."""

from typing import Literal, NamedTuple

from tektree.models.base import Record

__all__ = ["Found", "Kind", "Place"]

Kind = Literal["user", "question"]
"""The records that the data model has a cache for."""


class Place(NamedTuple):
    """Where a record is cached: a user by uid, a question by id."""

    kind: Kind
    name: str


class Found(NamedTuple):
    """What a cache knows. ``record`` None: that there is none."""

    record: Record | None
