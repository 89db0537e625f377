"""Mailed tokens. The names of tests begin with the row of the security checklist that they hold."""

import json
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import InvalidCredentials, InvalidInput, InvalidToken
from tektree.models.accounts import PasswordHash, Purpose, User
from tektree.policy import Accounts
from tektree.rules import accounts, particulars, tokens
from tektree.wire.documents import from_document, to_document
from tektree.wire.values import cached_to_json
from tests.records import sample
from tests.rules.corpus import HOSTILE, judged, texts
from tests.rules.ledgers import NOON

POLICY = Accounts()
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
EACH = pytest.mark.parametrize("purpose", PURPOSES)
ONE, TWO = tokens.written(bytes(32)), tokens.written(bytes(range(32)))
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def user() -> User:
    found = accounts.adopted(from_document(User, sample("users")))
    assert found is not None
    return found


def fails(user: User | None, purpose: Purpose, token: object, now: Any = NOON) -> None:
    with pytest.raises(InvalidToken) as caught:
        tokens.redeemed(user, purpose, token, now)
    assert (str(caught.value), caught.value.args, caught.value.__cause__) == (
        str(InvalidToken()),
        InvalidToken().args,
        None,
    )


@EACH
def test_a_token_is_redeemed_by_its_user_for_its_purpose(user: User, purpose: Purpose) -> None:
    holder = tokens.issued(user, purpose, ONE, NOON, POLICY, "new@example.com" if purpose == "change" else None)
    assert holder.updated_at == NOON
    found = tokens.redeemed(holder, purpose, ONE, NOON)
    assert (found.purpose, found.made_at) == (purpose, NOON)
    assert found.digest == tokens.digest(ONE, purpose)
    assert found.address == ("new@example.com" if purpose == "change" else None)
    assert from_document(User, to_document(holder)) == holder


@EACH
def test_b15_it_dies_at_its_end(user: User, purpose: Purpose) -> None:
    holder = tokens.issued(user, purpose, ONE, NOON, POLICY)
    end = NOON + tokens.lifetime(purpose, POLICY)
    assert holder.tokens[0].expires_at == end
    assert tokens.redeemed(holder, purpose, ONE, end - MOMENT)
    fails(holder, purpose, ONE, end)
    fails(holder, purpose, ONE, end + timedelta(days=1))


def test_b15_a_reset_lasts_an_hour_at_most_by_default() -> None:
    assert [tokens.lifetime(purpose, POLICY).total_seconds() for purpose in PURPOSES] == [86_400, 3_600, 3_600]


@EACH
def test_b15_it_works_once(user: User, purpose: Purpose) -> None:
    holder = tokens.issued(user, purpose, ONE, NOON, POLICY)
    assert tokens.redeemed(holder, purpose, ONE, NOON)
    fails(holder.evolve(tokens=tokens.without(holder, purpose)), purpose, ONE)


def test_b15_b16_a_new_password_kills_resets_and_changes_under_way(user: User) -> None:
    holder = user
    for number, purpose in enumerate(PURPOSES):
        holder = tokens.issued(holder, purpose, tokens.written(bytes([number]) * 32), NOON, POLICY)
    changed, _ = accounts.with_password(holder, PasswordHash("x"), NOON)
    kept = changed.evolve(tokens=holder.tokens)  # even if their removal were forgotten
    for number, purpose in enumerate(PURPOSES):
        token = tokens.written(bytes([number]) * 32)
        assert tokens.redeemed(holder, purpose, token, NOON)
        for after in (changed, kept):
            if purpose == "verification":
                assert tokens.redeemed(after, purpose, token, NOON)
            else:
                fails(after, purpose, token)


@EACH
def test_b15_b18_another_address_kills_it(user: User, purpose: Purpose) -> None:
    holder = tokens.issued(user, purpose, ONE, NOON, POLICY)
    fails(holder.evolve(email_canonical="other@example.com"), purpose, ONE)
    moved, _ = accounts.with_address(holder, particulars.email("other@example.com"), NOON)
    fails(moved, purpose, ONE)
    fails(moved.evolve(tokens=holder.tokens), purpose, ONE)


@EACH
def test_b17_the_last_one_wins(user: User, purpose: Purpose) -> None:
    first = tokens.issued(user, purpose, ONE, NOON, POLICY)
    second = tokens.issued(first, purpose, TWO, NOON, POLICY)
    fails(second, purpose, ONE)
    assert tokens.redeemed(second, purpose, TWO, NOON)
    assert len(second.tokens) == 1


@EACH
def test_b18_it_is_bound_to_its_purpose_and_its_user(user: User, purpose: Purpose) -> None:
    holder = tokens.issued(user, purpose, ONE, NOON, POLICY)
    for other in set(PURPOSES) - {purpose}:
        fails(holder, other, ONE)
        forged = holder.tokens[0].evolve(purpose=other)
        fails(holder.evolve(tokens=(forged,)), other, ONE)
        assert tokens.digest(ONE, other) != tokens.digest(ONE, purpose)
    fails(holder.evolve(id="f" * 24), purpose, ONE)
    fails(None, purpose, ONE)
    fails(user, purpose, ONE)


@EACH
@pytest.mark.parametrize("status", ["disabled", "erasing", "erased"])
def test_b20_who_may_not_log_in_has_no_token(user: User, purpose: Purpose, status: str) -> None:
    fails(tokens.issued(user, purpose, ONE, NOON, POLICY).evolve(status=status), purpose, ONE)


def test_what_expired_is_swept_when_another_is_made(user: User) -> None:
    old = tokens.issued(user, "reset", ONE, NOON, POLICY)
    both = tokens.issued(old, "verification", TWO, NOON + timedelta(minutes=59), POLICY)
    assert [each.purpose for each in both.tokens] == ["reset", "verification"]
    later = tokens.issued(old, "verification", TWO, NOON + timedelta(minutes=60), POLICY)
    assert [each.purpose for each in later.tokens] == ["verification"]


def test_adopted_users_without_canonical_forms_have_tokens_too(user: User) -> None:
    bare = user.evolve(email_canonical=None)
    assert tokens.redeemed(tokens.issued(bare, "reset", ONE, NOON, POLICY), "reset", ONE, NOON)


# -- secrets ---------------------------------------------------------------------------------------------------------


@EACH
def test_b15_c2_what_is_stored_or_shown_is_no_token(user: User, purpose: Purpose) -> None:
    holder = tokens.issued(user, purpose, TWO, NOON, POLICY, "secret@example.com")
    stored = holder.tokens[0]
    shown = [repr(holder), str(holder), repr(stored), str(stored), cached_to_json(holder), holder.model_dump_json()]
    assert not [text for text in shown if stored.digest in text or "secret@example.com" in text]
    everything = json.dumps(to_document(holder), default=str) + "".join(shown)
    assert TWO not in everything
    fails(holder, purpose, stored.digest)


def test_a_token_is_made_of_32_bytes_and_of_all_of_them() -> None:
    """At least 128 random bits; here 256."""
    made = {tokens.written(bytes(at) + b"\1" + bytes(31 - at)) for at in range(32)}
    assert len(made) == 32
    assert {len(token) for token in made} == {43}
    for wrong in (b"", bytes(31), bytes(33), "x" * 32, None, bytearray(32)):
        with pytest.raises(InvalidInput) as caught:
            tokens.written(wrong)  # type: ignore[arg-type]
        assert caught.value.field == "entropy"


@pytest.mark.parametrize("value", [None, 5, ONE.encode(), [ONE], {"$ne": None}])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^token: must be text$"):
        tokens.digest(value, "reset")


@pytest.mark.parametrize("text", [*HOSTILE, "é" * 43, ONE + "\n", ONE[:-1], ONE[:-1] + "=", ONE[:-1] + "é"])
def test_k10_what_cannot_be_a_token_is_refused_before_it_is_hashed(user: User, text: str) -> None:
    fails(user, "reset", text)


@given(texts(60))
def test_any_text_is_a_token_or_none(text: str) -> None:
    try:
        made = judged(lambda value: tokens.digest(value, "reset"), text)
    except InvalidToken:
        return
    assert len(made) == 64


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_digests_differ_as_their_tokens_do(one: bytes, other: bytes) -> None:
    same = tokens.digest(tokens.written(one), "reset") == tokens.digest(tokens.written(other), "reset")
    assert same == (one == other)


def test_the_error_says_nothing_and_is_a_refusal_of_credentials() -> None:
    assert issubclass(InvalidToken, InvalidCredentials)
    error = InvalidToken()
    assert vars(error) == {"message": str(error)}
    assert error.code == "invalid_token"
