"""Who may do what to whose content: the table of roles, asked of the roles that are stored."""

from tektree._async.ports.accounts import AsyncAccountRepository
from tektree.errors import Forbidden, NotFound
from tektree.models.accounts import Actor, Principal, User
from tektree.rules import roles
from tektree.rules.roles import Owner

__all__ = ["AsyncPermissions"]


class AsyncPermissions:
    """Asks of the roles that are stored now; whose account is not active, does nothing.

    An actor was found by their session just now, so for one's own they are not looked up again. Of who is stored
    nowhere, the role counts that the host vouches for; whose things nobody stored owns, are a user's.
    """

    def __init__(self, accounts: AsyncAccountRepository) -> None:
        self._accounts = accounts

    async def demand(self, actor: Principal, verb: str, owner_id: str, *, co_author: bool = False) -> None:
        """Raises `Forbidden`, which names the verb, unless ``actor`` may do it to what ``owner_id`` owns.

        ``co_author``: the actor has consented to be one.
        """
        if owner_id == actor.id:
            await self.present(actor, verb)
            roles.demand(actor, verb, Owner(actor.id, actor.role))
            return
        user = await self._stored(actor, verb)
        role = actor.role if user is None else user.role
        owner = await self._accounts.by_id(owner_id)
        who = Principal(id=actor.id, uid=actor.uid, tier=actor.tier, role=role)
        roles.demand(who, verb, Owner(owner_id, "user" if owner is None else owner.user.role), co_author=co_author)

    async def present(self, actor: Principal, verb: str) -> bool:
        """Whether who acts has an account here. Raises `Forbidden` where it is not active, or is somebody else's."""
        return isinstance(actor, Actor) or await self._stored(actor, verb) is not None

    async def _stored(self, actor: Principal, verb: str) -> User | None:
        """Who acts, as stored; None: nowhere. Raises `Forbidden` for who is not active, or is somebody else."""
        stored = await self._accounts.by_id(actor.id)
        if stored is None and isinstance(actor, Actor):
            raise Forbidden(verb)
        return roles.present(actor, verb, None if stored is None else stored.user)

    async def other(self, actor: Principal, verb: str, user_id: str, *, active: bool) -> str | None:
        """The uid of somebody whom ``actor`` does something to; None where the host keeps both elsewhere.

        Raises `Forbidden` for who acts and is not active, `NotFound` for who is not there; ``active``: or is not
        active.
        """
        here = await self.present(actor, verb)
        stored = await self._accounts.by_id(user_id)
        if stored is None and not here:
            return None
        if stored is None or (active and stored.user.status != "active"):
            raise NotFound("user", user_id)
        return stored.user.uid

    async def uid_of(self, user_id: str) -> str | None:
        """The uid of a user by id."""
        stored = await self._accounts.by_id(user_id)
        return None if stored is None else stored.user.uid
