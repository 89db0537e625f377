"""Texts that break rules about text, through every text that accounts take: typed errors, and no waiting."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tektree import TekTree
from tektree.errors import TekTreeError
from tektree.models.accounts import User
from tests.accounts.worlds import POLICY, ROOT, World, names, registered
from tests.rules.corpus import HOSTILE

Through = Callable[[Any, User, Any], Awaitable[object]]

PARAMETERS: dict[str, Through] = {
    "register.email": lambda tek, user, text: tek.accounts.register(**names("x", email=text)),
    "register.handle": lambda tek, user, text: tek.accounts.register(**names("x", handle=text)),
    "register.password": lambda tek, user, text: tek.accounts.register(**names("ada", password=text)),
    "register.first_name": lambda tek, user, text: tek.accounts.register(**names("ada", first_name=text)),
    "register.last_name": lambda tek, user, text: tek.accounts.register(**names("ada", last_name=text)),
    "register.timezone": lambda tek, user, text: tek.accounts.register(**names("ada", timezone=text)),
    "authenticate.identifier": lambda tek, user, text: tek.accounts.authenticate(text, "wrong"),
    "authenticate.password": lambda tek, user, text: tek.accounts.authenticate("the_ada", text),
    "authenticate.source": lambda tek, user, text: tek.accounts.authenticate("the_ada", "wrong", text),
    "get": lambda tek, user, text: tek.accounts.get(text),
    "by_uid": lambda tek, user, text: tek.accounts.by_uid(text),
    "by_handle": lambda tek, user, text: tek.accounts.by_handle(text),
    "account": lambda tek, user, text: tek.accounts.account(text),
    "first_name": lambda tek, user, text: tek.accounts.update_profile(user, first_name=text),
    "last_name": lambda tek, user, text: tek.accounts.update_profile(user, last_name=text),
    "bio": lambda tek, user, text: tek.accounts.update_profile(user, bio=text),
    "avatar": lambda tek, user, text: tek.accounts.update_profile(user, avatar=text),
    "current": lambda tek, user, text: tek.accounts.change_password(user, text, "battery staple"),
    "new": lambda tek, user, text: tek.accounts.change_password(user, "wrong", text),
    "handle": lambda tek, user, text: tek.accounts.change_handle(user, text),
    "reset.email": lambda tek, user, text: tek.accounts.request_password_reset(text),
    "reset.token": lambda tek, user, text: tek.accounts.reset_password(text, "battery staple"),
    "verify.token": lambda tek, user, text: tek.accounts.verify_email(text),
    "change.email": lambda tek, user, text: tek.accounts.request_email_change(user, text, "wrong"),
    "change.password": lambda tek, user, text: tek.accounts.request_email_change(user, "x@example.com", text),
    "set_role": lambda tek, user, text: tek.accounts.set_role(ROOT, user.id, text),
    "set_role.user": lambda tek, user, text: tek.accounts.set_role(ROOT, text, "user"),
    "disable.reason": lambda tek, user, text: tek.accounts.disable(user, user.id, text),
    "export.user": lambda tek, user, text: tek.accounts.export(ROOT, text),
    "erase.user": lambda tek, user, text: tek.accounts.erase(ROOT, text),
}
"""Every text that a call takes."""

CHARACTERS = st.one_of(
    st.characters(),
    st.sampled_from(
        "\0\ud800\udfff\u200b\u202e\u2066\ufeff\u212a\u017f\ufb01\uff21\u0301\u0327\ufdfa@.+_-<>\"'$/\\ \n\r"
    ),
)
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=40),
    st.sampled_from(HOSTILE),
    st.builds(lambda part, times: part * times, st.text(CHARACTERS, min_size=1, max_size=3), st.integers(1, 40_000)),
    st.builds(lambda local: f"{local}@example.com", st.text(CHARACTERS, max_size=70)),
    st.builds(lambda host: f"ada@{host}", st.text(CHARACTERS, max_size=70)),
)


async def go_through(tek: Any, user: User, through: Through, text: Any) -> float:
    """Calls with ``text``; gives the time it took. Raises whatever is not typed."""
    begin, error = time.perf_counter(), ""
    try:
        await through(tek, user, text)
    except TekTreeError as raised:
        error = f"{raised}{raised.__cause__}"
    took = time.perf_counter() - begin
    assert len(error) < 1_000
    return took


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_text_of_the_corpus_through_every_parameter(world: World, parameter: str) -> None:
    """D10 D20 K2 K3 K19: a typed error or none, and within 50 ms."""

    async def scenario(world: World) -> None:
        for text in HOSTILE:
            tek = world.tek()
            if parameter in ("register.email", "register.handle", "handle"):  # each of these may go well
                world.__init__("async" if world.is_async else "sync")  # type: ignore[misc]
                tek = world.tek()
            stored = await world.store.accounts.called("handle", "the_ada", "the_ada")
            user = stored.user if stored else await registered(tek)
            quickest = min([await go_through(tek, user, PARAMETERS[parameter], text) for _ in range(3)])
            assert quickest < 0.05, f"{text[:20]!r} took {quickest:.3f} s"

    world.run(scenario)


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_any_text_through_every_parameter(parameter: str) -> None:
    """K2 K3 K19: examples of each run; a hundred thousand with ``--long``."""
    tek = TekTree.in_memory(policy=POLICY)
    user = tek.accounts.register(**names())

    @settings(max_examples=3_400 if settings.default.max_examples > 1_000 else 40)
    @given(TEXTS)
    def typed(text: str) -> None:
        error = ""
        try:
            PARAMETERS[parameter](tek, user, text)
        except TekTreeError as raised:
            error = str(raised)
        assert len(error) < 1_000

    typed()
