"""A password hash never shows: not in a repr, not in a dump, not in an error."""

import copy
import io
import json
import pickle
import traceback
from typing import Any

import pytest
from pydantic import ValidationError

from tektree.errors import CorruptDocument, InvalidInput
from tektree.models.accounts import PasswordHash, Token, User
from tektree.wire.documents import from_document, to_document
from tektree.wire.values import cached_from_json, cached_to_json
from tests.records import sample

SECRET = "$2b$12$never.to.be.seen"


@pytest.fixture
def user() -> User:
    return from_document(User, sample("users") | {"password_hash": SECRET, "reset_token": SECRET})


def test_it_is_kept_and_written(user: User) -> None:
    assert user.password_hash is not None
    assert user.password_hash.get_secret_value() == SECRET
    assert to_document(user)["password_hash"] == SECRET
    assert to_document(user.evolve(bio=None))["password_hash"] == SECRET


def test_it_is_in_no_repr_and_no_dump(user: User) -> None:
    for changed in (user, user.evolve(bio="x"), copy.copy(user), copy.deepcopy(user)):
        shown = [repr(changed), str(changed), f"{changed}", f"{changed!r}", changed.model_dump_json()]
        shown += [str(changed.model_dump()), str(changed.model_dump(mode="json")), str(vars(changed))]
        shown += [cached_to_json(changed), json.dumps(changed.model_dump(mode="json"))]
        assert not [text for text in shown if SECRET in text]
        assert "password_hash" not in changed.model_dump()


def test_it_is_not_pickled(user: User) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dump(user, io.BytesIO(), protocol)


@pytest.mark.parametrize(
    "changes",
    [{"password_hash": SECRET + "\0"}, {"password_hash": SECRET * 100}, {"password_hash": SECRET.encode()}, {"bio": 1}],
)
def test_it_is_in_no_error(user: User, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as evolved:
        user.evolve(**changes)
    with pytest.raises(ValidationError) as made:
        User(**(user.model_dump() | {"password_hash": SECRET} | changes))
    for error in (evolved.value, made.value):
        assert SECRET not in "".join([str(error), repr(error), *traceback.format_exception(error)])


def test_it_is_in_no_error_of_a_document() -> None:
    wrong: dict[str, Any] = {"password_hash": [SECRET]}
    with pytest.raises(CorruptDocument) as caught:
        from_document(User, sample("users") | wrong)
    assert caught.value.field == "password_hash"
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_cached_user_has_none(user: User) -> None:
    cached = cached_from_json(User, cached_to_json(user))
    assert cached is not None
    assert cached.password_hash is None
    assert cached == user.evolve(password_hash=None).model_copy(update={"bio": user.bio}) or cached.id == user.id


def test_tokens_are_written_and_shown_nowhere(user: User) -> None:
    """What is kept of a mailed token is a digest; it stays out of caches, dumps and reprs all the same."""
    at = user.created_at
    token = Token(purpose="reset", digest="d" * 64, bound_to="b" * 64, made_at=at, expires_at=at, address="to@x.co")
    holder = user.evolve(tokens=(token,))
    assert from_document(User, to_document(holder)).tokens == (token,)
    shown = [repr(holder), str(holder.model_dump()), holder.model_dump_json(), cached_to_json(holder), repr(token)]
    assert not [text for text in shown if "dddd" in text or "bbbb" in text or "to@x.co" in text]


def test_hashes_are_equal_by_value_and_copied_as_they_are() -> None:
    assert PasswordHash(SECRET) == PasswordHash(SECRET) != PasswordHash("other")
    assert copy.deepcopy(PasswordHash(SECRET)) == PasswordHash(SECRET)
