"""The tier of a user and of a profile: that of the latest version of the subscription."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.models.accounts import PasswordHash, User
from tektree.policy import Policy
from tektree.rules import accounts, settings
from tests.rules.ledgers import NOON, enrolled

SUBSCRIPTION = "1" * 24


def somebody() -> User:
    asked = {"email": "ada@example.com", "handle": "ada", "password": "long enough"}
    hashed = PasswordHash("$2b$10$" + "." * 53)
    return accounts.new_user(accounts.registration(asked, Policy()), hashed, "a" * 24, "usr_ada", NOON)[0]


@given(st.permutations([(1, "pro"), (2, "team"), (3, "team"), (4, "free")]))
def test_the_tier_of_the_latest_version_counts(order: list[tuple[int, Any]]) -> None:
    """In whatever order they come, and however often; what is told of it is one chain."""
    user, profile, chain = somebody(), enrolled(), ["free"]
    for version, tier in [*order, *order]:
        made = accounts.with_tier(user, tier, version, SUBSCRIPTION, NOON)
        profile = settings.with_tier(profile, tier, version)
        if made is not None:
            user, said = made
            if said is not None:
                assert (said.old, said.subscription_id) == (chain[-1], SUBSCRIPTION)
                chain.append(said.new)
    assert (user.tier, user.tier_version, profile.tier, profile.tier_version) == ("free", 4, "free", 4)
    assert chain[-1] == "free"


@pytest.mark.parametrize("status", ["erasing", "erased"])
def test_who_is_erased_has_no_other_tier(status: Any) -> None:
    assert accounts.with_tier(somebody().evolve(status=status), "pro", 1, SUBSCRIPTION, NOON) is None
