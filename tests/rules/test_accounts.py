"""Accounts. The names of tests begin with the row of the security checklist that they hold."""

import json
import re
import traceback
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tektree.errors import InvalidInput, InvalidTransition
from tektree.models.accounts import HandleClaim, PasswordHash, User
from tektree.policy import Accounts, Policy
from tektree.rules import accounts, inputs, particulars, tokens
from tektree.wire.collections import FIELDS
from tektree.wire.documents import from_document, to_document
from tests.records import records, sample
from tests.rules.corpus import refused
from tests.rules.ledgers import NOON

POLICY = Policy()
HASH = PasswordHash("$2b$10$" + "." * 53)
ID, OTHER = "a" * 24, "b" * 24
ASKED: dict[str, object] = {"email": "Ada@Example.com", "handle": "Ada_L", "password": "long enough"}
DAY = timedelta(days=1)


@pytest.fixture
def user() -> User:
    made, _ = accounts.new_user(accounts.registration(ASKED, POLICY), HASH, ID, accounts.uid(OTHER), NOON)
    return made


def test_d17_a_uid_is_of_random_digits() -> None:
    assert accounts.uid("0123456789abcdef01234567") == "usr_0123456789abcdef01234567"


@pytest.mark.parametrize("value", ["Admin", "admin ", "root", "", "ADMIN", None, ["admin"]])
def test_e_a_role_is_one_of_three(value: Any) -> None:
    assert refused(accounts.role, value).field == "role"
    assert accounts.role("moderator") == "moderator"


# -- registration ----------------------------------------------------------------------------------------------------


def test_a_registration_makes_a_user_of_the_least_rank() -> None:
    asked = accounts.registration({**ASKED, "first_name": " Ada ", "timezone": "Europe/Berlin"}, POLICY)
    made, told = accounts.new_user(asked, HASH, ID, accounts.uid(OTHER), NOON)
    assert made.evolve() == made
    assert (made.email, made.email_canonical) == ("Ada@example.com", "ada@example.com")
    assert (made.handle, made.handle_canonical) == ("Ada_L", "ada_l")
    assert made.handle_claims == (HandleClaim(digest=accounts.claim("ada_l")),)
    assert (made.first_name, made.last_name, made.timezone) == ("Ada", "", "Europe/Berlin")
    assert (made.tier, made.role, made.email_verified, made.status, made.epoch) == ("free", "user", False, "active", 0)
    assert (made.created_at, made.updated_at, made.password_changed_at, made.last_login_at) == (NOON, NOON, NOON, None)
    assert made.password_hash == HASH
    assert (told.user_id, told.email, told.handle, told.tier) == (made.uid, made.email, "Ada_L", "free")
    assert from_document(User, to_document(made)) == made


@pytest.mark.parametrize("field", ["email", "handle", "password"])
def test_what_a_registration_needs(field: str) -> None:
    error = refused(accounts.registration, {name: value for name, value in ASKED.items() if name != field}, POLICY)
    assert (error.field, error.reason) == (field, "is missing")
    assert refused(accounts.registration, {**ASKED, field: None}, POLICY).field == field


def test_who_is_invited_is_who_registers_without_a_password() -> None:
    asked = {name: value for name, value in ASKED.items() if name != "password"}
    made, told = accounts.new_user(accounts.invitation(asked, POLICY), None, ID, accounts.uid(OTHER), NOON)
    registered, as_told = accounts.new_user(accounts.registration(ASKED, POLICY), HASH, ID, accounts.uid(OTHER), NOON)
    assert made == registered.evolve(password_hash=None, password_changed_at=None)
    assert told == as_told
    assert from_document(User, to_document(made)) == made
    for name in asked:
        error = refused(accounts.invitation, {each: value for each, value in asked.items() if each != name}, POLICY)
        assert (error.field, error.reason) == (name, "is missing")
    assert refused(accounts.invitation, ASKED, POLICY).field == "password"


def test_a15_the_password_is_not_the_name() -> None:
    for own in ("Ada_Lovelace", "ada.lovelace@example.com", "ada.lovelace"):
        asked = {"email": "ada.lovelace@example.com", "handle": "ada_lovelace", "password": own}
        assert refused(accounts.registration, asked, POLICY).field == "password"


STORED = sorted({*FIELDS["users"], *User.model_fields, "_outbox", "_v"} - {*accounts.REGISTRATION_FIELDS})
SPELLINGS = ("{}", "{} ", " {}", "{}.x", "user.{}", "${}", "{}\0", "_{}", "{}__", "{}\u200b")


@pytest.mark.parametrize("name", STORED)
def test_e1_e2_e3_no_stored_field_is_taken_that_is_no_input(name: str, user: User) -> None:
    spelled = {form.format(name) for form in SPELLINGS} | {name.upper(), name.title(), name.title().replace("_", "")}
    for spelling in spelled - {*accounts.PROFILE_FIELDS}:
        for value in ("admin", None, True, {"$set": "admin"}):
            assert refused(accounts.edited, user, {spelling: value}, NOON)
            assert refused(accounts.registration, {**ASKED, spelling: value}, POLICY)
    if name not in accounts.PROFILE_FIELDS:
        assert refused(accounts.edited, user, {name: "admin"}, NOON).field in (name, "input")


@pytest.mark.parametrize("name", ["$set", "$where", "", "a.b", "x" * 100, "é", "role ", 5, None, b"role", ("role",)])
def test_e2_a_strange_name_is_not_repeated(name: Any) -> None:
    assert refused(inputs.declared, {name: 1}, accounts.PROFILE_FIELDS).field == "input"
    inputs.declared({"bio": 1}, accounts.PROFILE_FIELDS)


def test_e4_a_frozen_user_changes_by_checked_copies_only(user: User) -> None:
    with pytest.raises(ValidationError):
        user.role = "admin"
    for changes in ({"role": "root"}, {"Role": "admin"}, {"epoch": -1}, {"status": "gone"}, {"tokens": [{}]}):
        with pytest.raises(InvalidInput):
            user.model_copy(update=changes)


# -- changes ---------------------------------------------------------------------------------------------------------


def test_a_profile_is_edited_and_no_value_is_told(user: User) -> None:
    given = {"first_name": "Augusta", "bio": "Secret life", "avatar": "https://a.example/secret.png", "last_name": ""}
    edited = accounts.edited(user, given, NOON + DAY)
    assert edited is not None
    changed, told = edited
    assert (changed.first_name, changed.bio, changed.avatar) == (
        "Augusta",
        "Secret life",
        "https://a.example/secret.png",
    )
    assert changed.updated_at == NOON + DAY
    assert set(told.changed) == {"first_name", "bio", "avatar"}
    assert not re.search("Augusta|ecret", repr(told) + told.model_dump_json())
    assert accounts.edited(changed, given, NOON) is None
    hidden = accounts.edited(changed, {"profile_visibility": "private"}, NOON)
    assert hidden is not None
    assert hidden[0].profile_visibility == "private"
    assert set(hidden[1].changed) == {"profile_visibility"}
    assert refused(accounts.edited, user, {"profile_visibility": "PRIVATE"}, NOON).field == "profile_visibility"
    cleared = accounts.edited(changed, {"bio": None}, NOON)
    assert cleared is not None
    assert cleared[0].bio is None
    assert accounts.edited(user, {}, NOON) is None


@pytest.mark.parametrize(
    "given", [{"first_name": None}, {"bio": 5}, {"avatar": "x"}, {"timezone": "UTC"}, {"handle": "abc"}]
)
def test_what_an_edit_refuses(user: User, given: dict[str, object]) -> None:
    assert refused(accounts.edited, user, given, NOON).field in given


def take(user: User, name: str, now: Any = NOON, policy: Accounts = POLICY.accounts) -> User:
    made = accounts.with_handle(user, particulars.handle(name, policy), now, policy)
    assert made is not None
    assert (made[1].old, made[1].new) == (user.handle, name)
    return made[0]


def test_d16_a_handle_that_was_given_up_is_held_back(user: User) -> None:
    changed = take(user, "Countess")
    hold = timedelta(seconds=POLICY.accounts.handle_hold)
    assert (changed.handle, changed.handle_canonical) == ("Countess", "countess")
    assert [each.until for each in changed.handle_claims] == [None, NOON + hold]
    last = NOON + hold - timedelta(milliseconds=1)
    for name, before, after in (("ada_l", True, False), ("countess", True, True), ("nobody", False, False)):
        assert accounts.held_back(changed, name, last) == before
        assert accounts.held_back(changed, name, NOON + hold) == after
    assert accounts.freed(changed, last) is None
    freed = accounts.freed(changed, NOON + hold)
    assert freed is not None
    assert [each.until for each in freed.handle_claims] == [None]
    assert "ada_l" not in json.dumps(to_document(changed.evolve(email="x", email_canonical=None)), default=str)


def test_d16_its_user_may_take_it_again(user: User) -> None:
    back = take(take(user, "Countess"), "ADA_L")
    assert [each.digest for each in back.handle_claims] == [accounts.claim("ada_l"), accounts.claim("countess")]
    assert accounts.with_handle(back, particulars.handle("ADA_L", POLICY.accounts), NOON, POLICY.accounts) is None


def test_other_capitals_hold_nothing_back(user: User) -> None:
    assert take(user, "ADA_L").handle_claims == user.handle_claims


def test_holds_end_and_are_bounded(user: User) -> None:
    policy = Accounts(handle_hold=100, held_handles=2)
    twice = take(take(user, "one", NOON, policy), "two", NOON, policy)
    third = particulars.handle("three", policy)
    with pytest.raises(InvalidTransition, match="too often"):
        accounts.with_handle(twice, third, NOON, policy)
    later = take(twice, "three", NOON + timedelta(seconds=100), policy)
    assert len(later.handle_claims) == 2
    assert len(take(twice, "one", NOON, policy).handle_claims) == 3
    assert len(take(user, "one", NOON, Accounts(handle_hold=0)).handle_claims) == 1


@given(st.lists(st.tuples(st.sampled_from(["aaa", "bbb", "ccc", "ddd"]), st.integers(0, 60)), max_size=12))
def test_claims_are_distinct_and_begin_with_the_handle(steps: list[tuple[str, int]]) -> None:
    policy = Accounts(handle_hold=100, held_handles=2)
    now = NOON
    user, _ = accounts.new_user(accounts.registration(ASKED, POLICY), HASH, ID, accounts.uid(OTHER), now)
    for name, seconds in steps:
        now += timedelta(seconds=seconds)
        try:
            made = accounts.with_handle(user, particulars.handle(name, policy), now, policy)
        except InvalidTransition:
            continue
        user = made[0] if made else user
        digests = [each.digest for each in user.handle_claims]
        assert len(digests) == len(set(digests)) <= 3
        assert digests[0] == accounts.claim(str(user.handle_canonical))
        assert [each.until is None for each in user.handle_claims] == [True] + [False] * (len(digests) - 1)


def test_a_new_password_ends_sessions_and_a_new_hash_does_not(user: User) -> None:
    changed, told = accounts.with_password(user, PasswordHash("new"), NOON + DAY)
    assert (changed.password_hash, changed.epoch) == (PasswordHash("new"), user.epoch + 1)
    assert changed.password_changed_at == changed.updated_at == NOON + DAY
    assert told.user_id == user.uid
    rehashed = accounts.rehashed(user, PasswordHash("new"))
    assert rehashed == user.evolve(password_hash=PasswordHash("new"))


def test_b17_an_address_is_proved_before_it_is_anybodys(user: User) -> None:
    proved = accounts.verified(user, NOON)
    assert proved is not None
    assert proved[0].email_verified
    assert proved[1].email == user.email
    assert accounts.verified(proved[0], NOON) is None
    holder = tokens.issued(proved[0], "reset", tokens.written(bytes(32)), NOON, POLICY.accounts)
    moved, told = accounts.with_address(holder, particulars.email("New@Example.com"), NOON + DAY)
    assert (moved.email, moved.email_canonical, moved.email_verified) == ("New@example.com", "new@example.com", True)
    assert (moved.epoch, moved.tokens) == (user.epoch + 1, ())
    assert told.email == "New@example.com"


def test_a_role_changes_and_who_did_it_is_told(user: User) -> None:
    made = accounts.with_role(user, "moderator", "usr_boss", NOON)
    assert made is not None
    assert made[0].role == "moderator"
    assert (made[1].old, made[1].new, made[1].by) == ("user", "moderator", "usr_boss")
    assert accounts.with_role(made[0], "moderator", None, NOON) is None


def test_b20_who_is_disabled_is_not_admitted(user: User) -> None:
    assert accounts.admitted(user, POLICY.accounts)
    assert not accounts.admitted(None, POLICY.accounts)
    holder = tokens.issued(user, "reset", tokens.written(bytes(32)), NOON, POLICY.accounts)
    made = accounts.disabled(holder, "spam", NOON)
    assert made is not None
    out = made[0]
    assert (out.status, out.epoch, out.tokens, made[1].reason) == ("disabled", user.epoch + 1, (), "spam")
    assert not accounts.admitted(out, POLICY.accounts)
    assert accounts.disabled(out, "spam", NOON) is None
    back = accounts.enabled(out, "appeal", NOON)
    assert back is not None
    assert accounts.admitted(back[0], POLICY.accounts)
    assert back[0].epoch == out.epoch
    assert accounts.enabled(back[0], "appeal", NOON) is None


def test_b1_b19_a_host_may_ask_for_a_proved_address(user: User) -> None:
    strict = Accounts(require_verified=True)
    assert not accounts.admitted(user, strict)
    assert accounts.admitted(user.evolve(email_verified=True), strict)


def test_b1_why_a_log_in_failed_has_one_word(user: User) -> None:
    """For the log of events; who tried hears the same in all cases."""
    strict = Accounts(require_verified=True)
    out = accounts.disabled(user, "spam", NOON)
    going = accounts.erasing(user, NOON, POLICY.accounts)
    gone = accounts.erased(going, NOON)
    assert out is not None
    assert gone is not None
    for who, policy, word in (
        (None, POLICY.accounts, "unknown"),
        (user, POLICY.accounts, "password"),
        (user, strict, "unverified"),
        (user.evolve(email_verified=True), strict, "password"),
        (out[0], strict, "disabled"),
        (going, POLICY.accounts, "erasing"),
        (gone[0], POLICY.accounts, "erased"),
    ):
        assert accounts.refusal(who, policy) == word
        assert accounts.refusal(who, policy, readable=False) == "unreadable"


def test_k4_what_anybody_may_know_is_a_list_of_its_own() -> None:
    shown = json.loads(accounts.public(full_user()).model_dump_json())
    assert list(shown) == ["id", "uid", "handle", "first_name", "last_name", "avatar", "bio", "role", "created_at"]
    assert "@" not in json.dumps(shown)


# -- users from before us --------------------------------------------------------------------------------------------


def test_a_user_from_before_us_gets_canonical_forms() -> None:
    before = from_document(User, sample("users"))
    made = accounts.adopted(before)
    assert made is not None
    assert (made.email_canonical, made.handle_canonical) == ("user@example.com", "johndoe")
    assert made.handle_claims == (HandleClaim(digest=accounts.claim("johndoe")),)
    assert accounts.adopted(made) is None
    odd = before.evolve(email="user at host", handle="john.doe")
    assert accounts.adopted(odd) is None
    half = accounts.adopted(before.evolve(email="user at host"))
    assert half is not None
    assert (half.email_canonical, half.handle_canonical) == (None, "johndoe")
    assert take(before, "Johnny").handle_claims[1].digest == accounts.claim("johndoe")


# -- erasure ---------------------------------------------------------------------------------------------------------

PLANTED = "planted"


def full_user() -> User:
    document = sample("users") | {
        "email": f"{PLANTED}@example.com",
        "handle": PLANTED,
        "first_name": PLANTED,
        "last_name": PLANTED,
        "bio": PLANTED,
        "avatar": f"https://a.example/{PLANTED}",
        "password_hash": PLANTED,
        "legacy": {"note": PLANTED},
    }
    user = accounts.adopted(from_document(User, document))
    assert user is not None
    token = tokens.written(bytes(32))
    return tokens.issued(user, "change", token, NOON, POLICY.accounts, f"{PLANTED}@example.org")


def test_an_erasure_leaves_nothing_personal() -> None:
    before = full_user()
    assert PLANTED in json.dumps(to_document(before), default=str)
    gone = accounts.erasing(before, NOON, POLICY.accounts)
    assert PLANTED not in json.dumps(to_document(gone), default=str)
    assert (gone.id, gone.uid, gone.created_at, gone.tier) == (before.id, before.uid, before.created_at, before.tier)
    assert (gone.role, gone.status, gone.epoch, gone.erased_at) == ("user", "erasing", before.epoch + 1, NOON)
    assert (gone.email_canonical, gone.handle_canonical, gone.password_hash) == (None, None, None)
    assert not accounts.admitted(gone, POLICY.accounts)
    assert from_document(User, to_document(gone)) == gone


@given(records(User))
def test_any_user_can_be_erased(before: User) -> None:
    before = before.evolve(status="active", handle_claims=before.handle_claims[:2], epoch=min(before.epoch, 9))
    gone = accounts.erasing(before, NOON, POLICY.accounts)
    kept = {"id", "uid", "tier", "created_at"}
    same = {name for name in User.model_fields if getattr(gone, name) == getattr(before, name)}
    defaults = {name for name, field in User.model_fields.items() if getattr(before, name) == field.get_default()}
    assert same <= kept | defaults | {"updated_at"}


def test_an_erasure_goes_on_where_it_was_and_ends_once(user: User) -> None:
    begun = accounts.erasing(user, NOON, POLICY.accounts)
    assert accounts.erasing(begun, NOON + DAY, POLICY.accounts) == begun
    with pytest.raises(InvalidTransition, match="not being erased"):
        accounts.erased(user, NOON)
    ended = accounts.erased(begun, NOON + DAY)
    assert ended is not None
    assert (ended[0].status, ended[1].user_id) == ("erased", user.uid)
    assert accounts.erased(ended[0], NOON) is None
    assert accounts.erasing(ended[0], NOON, POLICY.accounts) == ended[0]
    for step in (accounts.disabled, accounts.enabled):
        for gone in (begun, ended[0]):
            with pytest.raises(InvalidTransition, match="for good"):
                step(gone, "why", NOON)


def test_d16_the_handle_of_who_is_erased_is_held_back(user: User) -> None:
    gone = accounts.erasing(take(user, "Countess"), NOON, POLICY.accounts)
    hold = timedelta(seconds=POLICY.accounts.handle_hold)
    for name in ("ada_l", "countess"):
        assert accounts.held_back(gone, name, NOON + hold - timedelta(milliseconds=1))
        assert not accounts.held_back(gone, name, NOON + hold)
    assert accounts.erasing(user, NOON, Accounts(handle_hold=0)).handle_claims == ()


def test_nobody_can_register_what_an_erased_user_is_called(user: User) -> None:
    gone = accounts.erasing(user, NOON, POLICY.accounts)
    refused(particulars.email, gone.email)
    refused(particulars.handle, gone.handle, POLICY.accounts)
    assert particulars.identifier(gone.email) is None
    assert particulars.identifier(gone.handle) is None
    assert accounts.adopted(gone) is None


# -- secrets ---------------------------------------------------------------------------------------------------------


def test_k1_k2_no_repr_and_no_error_shows_a_secret(user: User) -> None:
    asked = accounts.registration({**ASKED, "password": "hunter2 hunter2"}, POLICY)
    shown = [repr(asked), str(asked), repr(user), str(user)]
    for field in ASKED:
        for value in (["hunter2"], "hunter2\0", "hunter2" * 100):
            error = refused(accounts.registration, {**ASKED, field: value}, POLICY)
            shown += [str(error), repr(error), str(vars(error)), *traceback.format_exception(error)]
    assert not [text for text in shown if re.search(r"hunter2(?!\")|\$2b\$", text)]
