"""Who may do what to whose content: the table of roles, asked of the roles that are stored."""

from tektree._async.ports.accounts import AsyncAccountRepository
from tektree.errors import Forbidden
from tektree.models.accounts import Actor, Principal, Role
from tektree.rules import roles
from tektree.rules.roles import Owner

__all__ = ["AsyncPermissions"]


class AsyncPermissions:
    """Asks for one's own without a look at storage, and for others' of the roles that are stored now.

    Of who is stored nowhere, the role counts that the host vouches for; whose things nobody stored owns, are a user's.
    """

    def __init__(self, accounts: AsyncAccountRepository) -> None:
        self._accounts = accounts

    async def demand(self, actor: Principal, verb: str, owner_id: str) -> None:
        """Raises `Forbidden`, which names the verb, unless ``actor`` may do it to what ``owner_id`` owns."""
        if owner_id == actor.id:
            roles.demand(actor, verb, Owner(actor.id, actor.role))
            return
        role = await self._role(actor, verb)
        owner = await self._accounts.by_id(owner_id)
        who = Principal(id=actor.id, uid=actor.uid, tier=actor.tier, role=role)
        roles.demand(who, verb, Owner(owner_id, "user" if owner is None else owner.user.role))

    async def _role(self, actor: Principal, verb: str) -> Role:
        stored = await self._accounts.by_id(actor.id)
        if stored is None:
            if isinstance(actor, Actor):
                raise Forbidden(verb)
            return actor.role
        if stored.user.status != "active" or stored.user.uid != actor.uid:
            raise Forbidden(verb)
        return stored.user.role

    async def uid_of(self, user_id: str) -> str | None:
        """The uid of a user by id."""
        stored = await self._accounts.by_id(user_id)
        return None if stored is None else stored.user.uid
