"""Hashing of passwords, off the event loop and a few at a time."""

from collections.abc import Callable

from tektree._flavour import async_turns
from tektree.models.accounts import PasswordHash
from tektree.policy import Passwords
from tektree.rules import passwords
from tektree.rules.passwords import Verdict

__all__ = ["AsyncHashing", "Entropy"]

Entropy = Callable[[int], bytes]
"""So many fresh random bytes, from the operating system's source of randomness."""


class AsyncHashing:
    """Hashes passwords and checks them, as many at a time as the policy says.

    Raises `RateLimited` where more are waiting than the policy allows.
    """

    def __init__(self, policy: Passwords, entropy: Entropy) -> None:
        self._policy = policy
        self._entropy = entropy
        self._turns = async_turns("passwords", policy.at_once, policy.waiting)

    async def hashed(self, password: str) -> PasswordHash:
        """The hash of a password that was taken, with a salt of its own."""
        return await self._turns.run(passwords.hashed, password, self._entropy(passwords.SALT_BYTES), self._policy)

    async def verified(self, password: str, stored: PasswordHash | None, admitted: bool) -> Verdict:
        """Whether that is the password; at the same price for whoever fails."""
        return await self._turns.run(passwords.verified, password, stored, self._policy, admitted=admitted)
