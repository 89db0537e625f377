"""What is kept of a record, and for how long."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tektree.models.accounts import PasswordHash, Token, User
from tektree.models.questions import Question
from tektree.policy import Caches
from tektree.rules import caches
from tektree.wire.documents import from_document, to_document
from tests.records import records, sample

NOW = datetime(2025, 12, 16, tzinfo=UTC)


@given(st.integers(1, 86_400), st.integers(0, 86_399), st.text("0123456789abcdef", min_size=24, max_size=24))
def test_a_record_lasts_its_lifetime_at_the_most(lifetime: int, spread: int, token: str) -> None:
    if spread >= lifetime:
        return
    settings = Caches(lifetime=lifetime, spread=spread)
    question = from_document(Question, sample("questions"))
    found = caches.lasts(question, settings, token)
    assert 1_000 * (lifetime - spread) <= found <= 1_000 * lifetime
    assert found == caches.lasts(question, settings, token)
    assert found > 0


def test_the_times_are_spread_evenly() -> None:
    question = from_document(Question, sample("questions"))
    found = sorted([caches.lasts(question, Caches(), f"{at:024x}") for at in range(1_000)])
    assert [abs(found[at] - (270_000 + 30 * at)) < 2_000 for at in range(0, 1_000, 100)] == [True] * 10


def test_that_there_is_none_is_kept_for_a_moment() -> None:
    assert caches.lasts(None, Caches(), "") == 2_000


@given(records(User))
def test_no_secret_is_shown_and_all_else_is(user: User) -> None:
    token = Token(purpose="reset", digest="d" * 64, bound_to="b" * 64, made_at=NOW, expires_at=NOW)
    whole = user.evolve(password_hash=PasswordHash("$2b$12$planted"), tokens=(token,))
    shown = caches.shown(whole)
    assert (shown.password_hash, shown.tokens) == (None, ())
    assert shown.model_dump() == whole.model_dump()


def test_what_is_not_known_is_not_shown() -> None:
    """A stored field that is not ours may hold anything."""
    stored = from_document(Question, {**sample("questions"), "planted": "secret"})
    assert to_document(stored)["planted"] == "secret"
    assert "planted" not in to_document(caches.shown(stored))
