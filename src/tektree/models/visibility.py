"""What a viewer sees, as a value that a query is made of: the part of the one rule that storage has to know."""

from datetime import datetime
from typing import Any, Final, NamedTuple, get_args

from tektree.models.content import Visibility

__all__ = ["EVERY", "Clause", "Matter", "Sight", "matter_of"]

EVERY: Final[tuple[str, ...]] = get_args(Visibility)


class Matter(NamedTuple):
    """What decides who sees a thing. ``author`` and ``co_authors`` are user ids; the latter have consented."""

    author: str
    visibility: str
    deleted: bool = False
    published: bool = True
    co_authors: tuple[str, ...] = ()


def matter_of(record: Any, now: datetime) -> Matter:
    """The matter of an area, a question or an insight. What is to be published at ``now`` is published."""
    fields = record.__dict__  # to ask a model for an attribute that it lacks takes longer than all the rest
    at = fields.get("published_at", now)
    published, deleted = at is not None and at <= now, fields["deleted_at"] is not None
    return Matter(fields["created_by"], fields["visibility"], deleted, published, fields.get("co_authors", ()))


class Clause(NamedTuple):
    """Things of these ``visibilities``: by any of the ``authors`` (None: by anybody), or shared with ``co_author``.

    ``unpublished``: drafts, and what is to be published later, as well.
    """

    visibilities: tuple[str, ...]
    authors: frozenset[str] | None = None
    co_author: str | None = None
    unpublished: bool = False

    def covers(self, matter: Matter) -> bool:
        """Whether this part lets the viewer see it."""
        if matter.visibility not in self.visibilities or not (matter.published or self.unpublished):
            return False
        if self.authors is None or matter.author in self.authors:
            return True
        return self.co_author is not None and self.co_author in matter.co_authors


class Sight(NamedTuple):
    """All that a viewer sees at ``now``: what any of the clauses covers, and nothing that is deleted."""

    clauses: tuple[Clause, ...]
    now: datetime

    def admits(self, record: Any) -> bool:
        """Whether the viewer sees an area, a question or an insight."""
        matter = matter_of(record, self.now)
        return not matter.deleted and any(clause.covers(matter) for clause in self.clauses)
