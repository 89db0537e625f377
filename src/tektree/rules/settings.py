"""Whether a user stands on boards, by their own will and by others'; and the tier that caps are looked up by.

The law: who was suspended comes back only by being reinstated, and then as they themselves had wished.
"""

from datetime import datetime

from tektree.errors import InvalidTransition
from tektree.models.accounts import Tier
from tektree.models.gamification import GamificationProfile

__all__ = ["opted_in", "opted_out", "reinstated", "suspended", "with_tier"]


def opted_out(profile: GamificationProfile, now: datetime) -> GamificationProfile:
    """Off the boards, by their own will; while they are suspended, for the time after it."""
    if profile.suspended:
        return profile if profile.suspended == "out" else profile.evolve(suspended="out")
    return profile if profile.leaderboard_opt_out else profile.evolve(leaderboard_opt_out=True)


def opted_in(profile: GamificationProfile, now: datetime) -> GamificationProfile:
    """On the boards. Raises `InvalidTransition` for who was suspended from them."""
    if profile.suspended:
        raise InvalidTransition("profile", "is suspended from the boards; only a reinstatement puts it back")
    return profile.evolve(leaderboard_opt_out=False) if profile.leaderboard_opt_out else profile


def suspended(profile: GamificationProfile, now: datetime) -> GamificationProfile:
    """Off the boards, by others."""
    if profile.suspended:
        return profile
    return profile.evolve(leaderboard_opt_out=True, suspended="out" if profile.leaderboard_opt_out else "in")


def reinstated(profile: GamificationProfile, now: datetime) -> GamificationProfile:
    """Where they would be if others had never taken them off."""
    if profile.suspended is None:
        return profile
    return profile.evolve(leaderboard_opt_out=profile.suspended == "out", suspended=None)


def with_tier(profile: GamificationProfile, wanted: Tier, version: int) -> GamificationProfile:
    """On the tier of this version of the subscription, unless a later one has spoken."""
    if (profile.tier_version or 0) >= version:
        return profile
    return profile.evolve(tier=wanted, tier_version=version)
