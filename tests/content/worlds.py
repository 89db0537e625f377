"""Who acts in tests of content, and storage in memory as tests of accounts have it."""

from typing import Any

from tektree import Policy, Principal
from tektree.ids import derived_id
from tektree.models.accounts import Role, Tier, User
from tests.accounts.worlds import World, refused

__all__ = ["POLICY", "World", "enrolled", "principal", "refused", "stored"]

POLICY = Policy(
    passwords={"bcrypt_cost": 10},
    quotas={"free": {"areas": None, "questions": None, "answers": None, "insights": None}},
)


def principal(name: str, role: Role = "user", tier: Tier = "free") -> Principal:
    """Somebody whom the host vouches for."""
    return Principal(derived_id("user", name), f"usr_{name}", tier=tier, role=role)


async def enrolled(tek: Any, name: str, role: Role = "user", tier: Tier = "free") -> Principal:
    """The same, who can earn XP."""
    who = principal(name, role, tier)
    await tek.gamification.enroll(who.uid, who.id)
    return who


async def stored(world: World, name: str, role: Role = "user", status: str = "active") -> User:
    """Somebody whose account is stored."""
    user = User(
        id=derived_id("user", name),
        uid=f"usr_{name}",
        email=f"{name}@example.com",
        handle=name,
        role=role,
        status=status,
        created_at=world.clock(),
        updated_at=world.clock(),
    )
    await world.store.accounts.insert(user, [])
    return user
