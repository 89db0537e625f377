"""Roles: who may do what, to whose things.

The law: what the table does not grant is refused, an unknown verb included. A thing without a known owner is nobody's:
no verb reaches it. A co-author who has consented is no owner. A moderator reaches users below, never another moderator
nor an admin; nobody changes their own role, and no admin disables or erases their own account, so an admin is always
left. Whether a thing can be seen at all is asked before, and who may not see it hears that there is none.

The role that counts is the stored one: services read the acting user before they ask for more than the user's own,
and write guarded by what they read.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, get_args

from tektree.errors import Forbidden, InvalidInput
from tektree.models.accounts import Actor, Principal, Role, User

__all__ = ["CO_AUTHORS", "TABLE", "Owner", "Reach", "acting", "demand", "may", "present"]


class Reach(StrEnum):
    """Whose things a verb reaches."""

    NOBODY = "–"
    OWN = "own"
    LOWER = "of lower roles"
    OWN_AND_LOWER = "own, and of lower roles"
    OTHERS = "others'"
    ANYBODY = "all"


class Owner(NamedTuple):
    """Whose a thing is, and in which role that user is. A user's account is the user's own thing."""

    id: str
    role: Role


_REACH: Final = {
    "-": Reach.NOBODY,
    "own": Reach.OWN,
    "lower": Reach.LOWER,
    "own+lower": Reach.OWN_AND_LOWER,
    "others": Reach.OTHERS,
    "all": Reach.ANYBODY,
}
_ROLES: Final[tuple[Role, ...]] = get_args(Role)
_RANK: Final[Mapping[str, int]] = MappingProxyType({role: rank for rank, role in enumerate(_ROLES)})

_ROWS: Final = """
account.read            own own+lower all
account.edit            own own       own
account.change_handle   own own       own
account.change_email    own own       own
account.change_password own own       own
account.export          own own       all
account.erase           own own       others
account.disable         -   lower     others
account.enable          -   lower     others
account.set_role        -   -         others
session.list            own own       own
session.revoke          own own       all
subscription.change     own own       all
area.create             own own       own
area.edit               own own       all
area.move               own own       all
area.delete             own own+lower all
area.restore            own own+lower all
area.follow             all all       all
question.ask            own own       own
question.edit           own own       all
question.close          own own+lower all
question.reopen         own own+lower all
question.resolve        own own       all
question.delete         own own+lower all
question.restore        own own+lower all
answer.post             own own       own
answer.accept           own own       own
answer.unaccept         own own       own
answer.edit             own own       all
answer.delete           own own+lower all
answer.restore          own own+lower all
insight.draft           own own       own
insight.edit            own own       all
insight.publish         own own       own
insight.unpublish       own own+lower all
insight.share           own own       own
insight.invite          own own       own
insight.consent         own own       own
insight.feature         -   all       all
insight.delete          own own+lower all
insight.restore         own own+lower all
insight.like            others others others
vote.cast               others others others
connection.request      others others others
connection.accept       own own       own
connection.remove       own own       own
connection.block        others others others
connection.unblock      own own       own
"""

TABLE: Final[Mapping[str, Mapping[Role, Reach]]] = MappingProxyType(
    {
        verb: MappingProxyType(dict(zip(_ROLES, [_REACH[word] for word in words], strict=True)))
        for verb, *words in [row.split() for row in _ROWS.strip().splitlines()]
    }
)
"""For each verb and role, whose things it reaches. Accepting an answer is asked of the question's owner; an invitation
and a request are the addressee's own, a connection is its two users', and what is made new is the maker's.
``insight.share`` is visibility and attached files."""

CO_AUTHORS: Final = frozenset({"insight.edit"})
"""What a co-author may do, who has consented, as if it were their own."""


def acting(value: object) -> Principal:
    """Who acts: an `Actor` of a session, or a `Principal` or `User` that the host vouches for.

    Raises `InvalidInput`.
    """
    if isinstance(value, Actor):
        if value.genuine:
            return value
        raise InvalidInput("actor", "was not resolved from a session; pass what sessions.resolve(token) gives")
    if isinstance(value, Principal):
        return value
    if isinstance(value, User):
        return Principal(id=value.id, uid=value.uid, tier=value.tier, role=value.role)
    raise InvalidInput("actor", "must be an Actor of sessions.resolve(token), or a Principal or User of the host's")


def may(actor: Principal, verb: str, owner: Owner | None, *, co_author: bool = False) -> bool:
    """Whether ``actor`` may do ``verb`` to what ``owner`` owns; None: nobody knows whose it is."""
    if owner is None or owner.role not in _RANK or actor.role not in _RANK or verb not in TABLE:
        return False
    reach = TABLE[verb][actor.role]
    if owner.id == actor.id:
        return reach in (Reach.OWN, Reach.OWN_AND_LOWER, Reach.ANYBODY)
    if co_author and verb in CO_AUTHORS:
        return True
    if reach in (Reach.LOWER, Reach.OWN_AND_LOWER):
        return _RANK[owner.role] < _RANK[actor.role]
    return reach in (Reach.OTHERS, Reach.ANYBODY)


def demand(actor: Principal, verb: str, owner: Owner | None, *, co_author: bool = False) -> None:
    """Raises `Forbidden`, which names the verb, unless ``actor`` `may`."""
    if not may(actor, verb, owner, co_author=co_author):
        raise Forbidden(verb)


def present(actor: Principal, verb: str, stored: User | None) -> User | None:
    """The account of who acts, as stored; None: there is none, and the host vouches for them.

    Raises `Forbidden`, which names the verb, where it is not active, or is somebody else's.
    """
    if stored is not None and (stored.status != "active" or stored.uid != actor.uid):
        raise Forbidden(verb)
    return stored
