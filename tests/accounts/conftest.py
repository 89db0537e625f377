"""A world in each flavour, and bcrypt that is counted and quick; ``@pytest.mark.bcrypt``: counted, and the real one."""

import bcrypt
import pytest

from tektree.rules import passwords
from tests.accounts.worlds import Hasher, World


@pytest.fixture(params=["sync", "async"])
def world(request: pytest.FixtureRequest) -> World:
    """Empty storage in memory."""
    return World(request.param)


@pytest.fixture(autouse=True)
def hasher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Hasher:
    """What is hashed."""
    found = Hasher(bcrypt if request.node.get_closest_marker("bcrypt") else None)
    monkeypatch.setattr(passwords, "bcrypt", found)
    return found
