"""Visibility: who sees what. One rule, and the same rule as a query.

The law, of what is not deleted and whose visibility is one of three words; nobody sees anything else:

- an author sees what is theirs, drafts too, and so does a co-author who has consented;
- what is not published yet, nobody else sees;
- ``public`` is for everybody; ``connections`` for those whose connection with the author both have accepted and
  neither has blocked, and for moderators; ``private`` for nobody else; admins see all three.

Who may not see a thing hears what one hears of a thing that is not there. An answer is seen with its question.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from tektree.models.accounts import Role, User
from tektree.models.visibility import EVERY, Clause, Matter, Sight
from tektree.rules import roles

__all__ = ["ANYBODY", "Viewer", "profile", "sees", "sight", "undecided", "viewer"]


class Viewer(NamedTuple):
    """Who looks: ``id`` is None for who is not logged in.

    ``connected`` are the users whose connection both have accepted; None: that is not known yet, and nobody counts as
    one. ``blocked`` are those who blocked the viewer or whom the viewer blocked.
    """

    id: str | None
    role: Role = "user"
    connected: frozenset[str] | None = frozenset()
    blocked: frozenset[str] = frozenset()


ANYBODY: Final = Viewer(None)
"""Who is not logged in."""


def viewer(actor: object) -> Viewer:
    """Who looks; None for who is not logged in. Connections of a user are not known yet. Raises `InvalidInput`."""
    if actor is None:
        return ANYBODY
    who = roles.acting(actor)
    return Viewer(who.id, who.role, None if who.role == "user" else frozenset())


def profile(user: User) -> Matter:
    """What decides who sees what is public of a user. Of who is erased, nobody sees anything."""
    return Matter(user.id, user.profile_visibility, deleted=user.status in ("erasing", "erased"))


def undecided(viewer: Viewer, matters: Iterable[Matter]) -> bool:
    """Whether connections that are not known yet decide what ``viewer`` sees of these."""
    return viewer.connected is None and any(
        matter.visibility == "connections" and not sees(viewer, matter) for matter in matters
    )


def sees(viewer: Viewer, matter: Matter) -> bool:
    """Whether ``viewer`` sees it."""
    if matter.deleted or matter.visibility not in EVERY:
        return False
    if viewer.id is not None and (viewer.id == matter.author or viewer.id in matter.co_authors):
        return True
    if not matter.published:
        return False
    if matter.visibility == "public" or viewer.role == "admin":
        return True
    if matter.visibility == "connections":
        return viewer.role == "moderator" or matter.author in _friends(viewer)
    return False


def _friends(viewer: Viewer) -> frozenset[str]:
    return (viewer.connected or frozenset()) - viewer.blocked


def sight(viewer: Viewer, now: datetime) -> Sight:
    """The same rule as a query: it admits a record if and only if `sees` says so."""
    if viewer.role == "admin":
        others = Clause(EVERY)
    else:
        others = Clause(("public", "connections") if viewer.role == "moderator" else ("public",))
    clauses = [others]
    if viewer.id is not None:
        clauses.append(Clause(EVERY, frozenset({viewer.id}), viewer.id, unpublished=True))
    friends = _friends(viewer)
    if friends and viewer.role == "user":
        clauses.append(Clause(("connections",), friends))
    return Sight(tuple(clauses), now)
