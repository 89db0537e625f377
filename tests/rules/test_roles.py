"""Roles, against an oracle of a few lines and example by example. Names begin with the row of the checklist."""

import copy
import itertools
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tektree.errors import Forbidden, InvalidInput
from tektree.models.accounts import Actor, Principal, Role, Status, User, resolved
from tektree.rules import inputs, roles
from tektree.rules.roles import CO_AUTHORS, TABLE, Owner, Reach
from tektree.wire.documents import from_document
from tests.records import sample

ROLES: tuple[Role, ...] = get_args(Role)
ME, OTHER = "a" * 24, "b" * 24
SESSION = {"id": ME, "uid": "usr_me", "tier": "pro", "role": "user", "session_id": "s" * 64}


def principal(role: str, id: str = ME) -> Principal:
    return Principal(id=id, uid="usr_x", role=role)


# -- who is there ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", get_args(Status))
@pytest.mark.parametrize("uid", ["usr_x", "usr_other"])
def test_b20_whose_account_is_not_active_or_is_anothers_does_nothing(status: str, uid: str) -> None:
    stored = from_document(User, sample("users")).evolve(status=status, uid=uid)
    for role in ROLES:
        if status == "active" and uid == "usr_x":
            assert roles.present(principal(role), "question.ask", stored) is stored
            continue
        with pytest.raises(Forbidden) as caught:
            roles.present(principal(role), "question.ask", stored)
        assert caught.value.action == "question.ask"


def test_who_is_stored_nowhere_is_whom_the_host_vouches_for() -> None:
    assert roles.present(principal("user"), "question.ask", None) is None


# -- the table -------------------------------------------------------------------------------------------------------


def oracle(role: Role, reach: Reach, own: bool, owner_role: Role) -> bool:
    lower = ROLES.index(owner_role) < ROLES.index(role)
    return {
        Reach.NOBODY: False,
        Reach.OWN: own,
        Reach.LOWER: not own and lower,
        Reach.OWN_AND_LOWER: own or lower,
        Reach.OTHERS: not own,
        Reach.ANYBODY: True,
    }[reach]


@pytest.mark.parametrize("verb", TABLE)
def test_e8_every_cell(verb: str) -> None:
    for role, own, owner_role in itertools.product(ROLES, (True, False), ROLES):
        owner = Owner(ME if own else OTHER, role if own else owner_role)
        expected = oracle(role, TABLE[verb][role], own, owner.role)
        assert roles.may(principal(role), verb, owner) == expected
        if expected:
            roles.demand(principal(role), verb, owner)
        else:
            with pytest.raises(Forbidden) as caught:
                roles.demand(principal(role), verb, owner)
            assert caught.value.action == verb


@pytest.mark.parametrize("verb", TABLE)
@pytest.mark.parametrize("role", ROLES)
def test_e7_what_has_no_owner_is_reached_by_nobody(verb: str, role: Role) -> None:
    assert not roles.may(principal(role), verb, None)
    assert not roles.may(principal(role), verb, None, co_author=True)


def test_what_the_table_does_not_know_is_refused() -> None:
    for verb in ("account.become_admin", "Account.read", "", "account", "account.read "):
        assert not roles.may(principal("admin"), verb, Owner(OTHER, "user"))
    assert not roles.may(principal("admin"), "account.read", Owner(OTHER, "root"))  # type: ignore[arg-type]
    forged = principal("user").model_copy()
    object.__setattr__(forged, "role", "root")
    assert not roles.may(forged, "account.read", Owner(ME, "user"))


def test_a_higher_role_may_whatever_a_lower_one_may_to_others() -> None:
    """But for what is always another's or one's own business."""
    for verb in TABLE:
        for lower, higher in itertools.pairwise(ROLES):
            for owner_role in ROLES:
                owner = Owner(OTHER, owner_role)
                assert roles.may(principal(higher), verb, owner) >= roles.may(principal(lower), verb, owner)


def test_e10_a_moderator_touches_neither_moderators_nor_admins() -> None:
    moderator = principal("moderator")
    for verb, row in TABLE.items():
        if verb.startswith(("account.", "session.")) or row["moderator"] in (Reach.LOWER, Reach.OWN_AND_LOWER):
            assert not roles.may(moderator, verb, Owner(OTHER, "moderator"))
            assert not roles.may(moderator, verb, Owner(OTHER, "admin"))
    assert roles.may(moderator, "account.disable", Owner(OTHER, "user"))
    assert roles.may(moderator, "question.delete", Owner(OTHER, "user"))


@pytest.mark.parametrize("role", ROLES)
def test_e10_nobody_changes_their_own_role_or_disables_themselves(role: Role) -> None:
    for verb in ("account.set_role", "account.disable", "account.enable"):
        assert not roles.may(principal(role), verb, Owner(ME, role))
    assert roles.may(principal(role), "account.set_role", Owner(OTHER, "admin")) == (role == "admin")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from(["demote", "disable", "erase"]))))
def test_e11_an_admin_is_always_left(steps: list[tuple[int, int, str]]) -> None:
    """Whoever acts is an admin when it happens, and acts on others only."""
    verbs = {"demote": "account.set_role", "disable": "account.disable", "erase": "account.erase"}
    admins = {0: "admin", 1: "admin", 2: "admin"}
    for actor, target, step in steps:
        role, owner = admins[actor], Owner(str(target) * 24, admins[target])  # type: ignore[arg-type]
        if role == "admin" and roles.may(principal(role, str(actor) * 24), verbs[step], owner):
            admins[target] = "user"
    assert "admin" in admins.values()


@pytest.mark.parametrize("role", ROLES)
def test_e13_e14_nobody_votes_for_their_own(role: Role) -> None:
    for verb in ("vote.cast", "insight.like"):
        assert not roles.may(principal(role), verb, Owner(ME, role))
        assert roles.may(principal(role), verb, Owner(OTHER, "admin"))


def test_e15_a_co_author_writes_and_owns_nothing() -> None:
    author = principal("user")
    for verb in TABLE:
        owner = Owner(OTHER, "user")
        grants = roles.may(author, verb, owner, co_author=True) and not roles.may(author, verb, owner)
        assert grants == (verb in CO_AUTHORS)
    assert set(CO_AUTHORS) == {"insight.edit"}
    assert not roles.may(author, "insight.share", Owner(OTHER, "user"), co_author=True)


def test_a16_b17_only_oneself_changes_password_and_address() -> None:
    for verb in ("account.change_password", "account.change_email", "account.change_handle", "account.edit"):
        for role, owner_role in itertools.product(ROLES, ROLES):
            assert roles.may(principal(role), verb, Owner(ME, role))
            assert not roles.may(principal(role), verb, Owner(OTHER, owner_role))


def test_the_table_does_not_change() -> None:
    with pytest.raises(TypeError):
        TABLE["account.read"] = {}  # type: ignore[index]
    with pytest.raises(TypeError):
        TABLE["account.read"]["user"] = Reach.ANYBODY  # type: ignore[index]
    assert all(list(row) == list(ROLES) for row in TABLE.values())


def test_the_page_of_roles_is_that_of_the_code() -> None:
    command = [sys.executable, str(Path(__file__).resolve().parents[2] / "tools" / "roles.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


# -- who acts --------------------------------------------------------------------------------------------------------


def test_who_may_act() -> None:
    user = from_document(User, sample("users"))
    actor = resolved(**SESSION)
    assert roles.acting(actor) is actor
    assert roles.acting(principal("admin")) == principal("admin")
    assert roles.acting(user) == Principal(id=user.id, uid=user.uid, tier="pro", role="user")


@pytest.mark.parametrize(
    "value", [None, ME, "usr_me", {"id": ME, "role": "admin"}, SimpleNamespace(id=ME, uid="usr_x", role="admin")]
)
def test_e6_who_acts_is_no_text_and_no_look_alike(value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        roles.acting(value)
    assert caught.value.field == "actor"


def test_an_actor_is_a_principal_wherever_one_is_asked_for() -> None:
    actor = resolved(**SESSION)
    assert isinstance(actor, Principal)
    assert (actor.id, actor.uid, actor.tier, actor.role, actor.session_id) == tuple(SESSION.values())
    assert inputs.principal(actor) == ME
    assert actor == resolved(**SESSION) != resolved(**SESSION | {"role": "admin"})
    assert hash(actor) == hash(resolved(**SESSION))
    assert "session_id" in repr(actor)


def test_an_actor_is_not_made_by_hand() -> None:
    made: Any = Actor
    for attempt in (lambda: made(**SESSION), lambda: made(ME, "usr_me"), lambda: Actor.model_validate(SESSION)):
        with pytest.raises((TypeError, InvalidInput, ValidationError)):
            attempt()


def test_e4_an_actor_is_not_changed() -> None:
    actor = resolved(**SESSION)
    with pytest.raises(ValidationError):
        actor.role = "admin"
    with pytest.raises(TypeError):
        actor.evolve(role="admin")
    with pytest.raises(TypeError):
        actor.model_copy(update={"role": "admin"})
    with pytest.raises(TypeError):
        pickle.dumps(actor)
    assert copy.copy(actor) is copy.deepcopy(actor) is actor


def test_an_actor_that_was_forced_into_being_is_not_taken() -> None:
    forced = Actor.model_construct(**SESSION | {"role": "admin"})
    assert resolved(**SESSION).genuine
    for each in (forced, object.__new__(Actor)):
        assert not each.genuine
        with pytest.raises(InvalidInput, match="was not resolved"):
            roles.acting(each)


@pytest.mark.parametrize("wrong", [{"role": "root"}, {"id": "x"}, {"uid": "me"}, {"session_id": ""}, {"tier": "gold"}])
def test_an_actor_is_checked(wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        resolved(**SESSION | wrong)
