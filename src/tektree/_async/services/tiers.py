"""The tier of a user, which is that of the subscription that is in force.

It stands on the user, for log-ins and sessions, and on the gamification profile, for the caps of a day. Each write is
guarded by the version of the subscription that it comes of, so one that was held up changes nothing any more, and any
can be repeated. A user whom the host keeps has a profile alone.
"""

from contextlib import suppress
from datetime import datetime
from functools import partial

from tektree._async.services.settings import AsyncSettings
from tektree._async.services.users import AsyncUsers
from tektree.errors import NotFound
from tektree.models.accounts import User
from tektree.models.gamification import GamificationProfile
from tektree.models.payloads import Payload
from tektree.models.subscriptions import Subscription
from tektree.rules import accounts, settings

__all__ = ["AsyncTiers"]


class AsyncTiers:
    """Gives users the tier that their subscription says."""

    def __init__(self, users: AsyncUsers, settings: AsyncSettings) -> None:
        self._users = users
        self._settings = settings

    async def follow(self, found: Subscription) -> None:
        """Puts user and profile on the tier of this version of a subscription. Again, or too late: nothing happens."""
        tier, version = found.in_force or "free", found.version or 0

        def on_user(user: User, now: datetime) -> tuple[User, Payload | None] | None:
            return accounts.with_tier(user, tier, version, found.id, now)

        def on_profile(profile: GamificationProfile, now: datetime) -> GamificationProfile:
            return settings.with_tier(profile, tier, version)

        with suppress(NotFound):
            await self._users.change(partial(self._users.found, found.user_id), on_user)
        with suppress(NotFound):
            await self._settings.change(found.user_id, on_profile)
