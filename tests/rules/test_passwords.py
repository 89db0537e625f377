"""Passwords. The names of tests begin with the row of the security checklist that they hold."""

import ast
import copy
import hashlib
import pickle
import traceback
import unicodedata
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import InvalidInput, InvalidPolicy
from tektree.models.accounts import PasswordHash
from tektree.policy import Passwords
from tektree.rules import passwords
from tektree.rules.passwords import Verdict
from tests.rules.corpus import HOSTILE, judged, texts

TEN = Passwords(bcrypt_cost=10)
TWELVE = Passwords(bcrypt_cost=12)
SALT = bytes(range(16))
SOURCE = Path(passwords.__file__).parent


class Counted:
    """In the place of bcrypt: no work, but the work that it would be is written down."""

    def __init__(self) -> None:
        self.costs: list[int] = []

    def hashpw(self, secret: bytes, salt: bytes) -> bytes:
        assert len(secret) <= 72
        assert b"\0" not in secret
        assert len(salt) == 29
        self.costs.append(int(salt[4:6]))
        return salt + hashlib.sha256(salt[7:] + secret).hexdigest()[:31].encode()

    @property
    def work(self) -> int:
        return sum(2**cost for cost in self.costs)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counter = Counted()
    monkeypatch.setattr(passwords, "bcrypt", counter)
    return counter


def refused(value: object, policy: Passwords = TEN, names: tuple[str, ...] = ()) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        passwords.new(value, policy, names)
    assert caught.value.field == "password"
    return caught.value


def stored(password: str, cost: int = 10, salt: bytes = SALT) -> PasswordHash:
    return passwords.hashed(password, salt, Passwords(bcrypt_cost=cost))


# -- the real thing --------------------------------------------------------------------------------------------------


def test_bcrypt_agrees() -> None:
    """Our hash is one that bcrypt's own check takes, and the other way round, in each of its spellings."""
    import bcrypt

    password = "pass wörd 中"
    ours = stored(password)
    assert ours.get_secret_value().startswith("$2b$10$")
    assert bcrypt.checkpw(password.encode(), ours.get_secret_value().encode())
    theirs = bcrypt.hashpw(password.encode(), b"$2a$10$" + ours.get_secret_value()[7:29].encode()).decode()
    assert theirs.startswith("$2a$")
    assert passwords.verified(password, PasswordHash(theirs), TEN) == Verdict(right=True)
    assert passwords.verified(password + " ", ours, TEN) == Verdict(right=False)


def test_a1_what_follows_the_72nd_byte_is_not_cut_off() -> None:
    assert "72 bytes" in refused("a" * 72 + "b").reason
    assert passwords.new("a" * 72, TEN) == "a" * 72
    hash = stored("a" * 72)
    assert passwords.verified("a" * 72 + "c", hash, TEN) == Verdict(right=False)
    with pytest.raises(InvalidInput):
        passwords.hashed("a" * 73, SALT, TEN)


def test_a1_nor_is_what_follows_it_in_letters_of_several_bytes(counted: Counted) -> None:
    hash = stored("é" * 36)
    assert passwords.verified("é" * 36, hash, TEN).right
    for longer in ("é" * 36 + "x", "é" * 37):
        assert passwords.verified(longer, hash, TEN) == Verdict(right=False)


# -- which are taken -------------------------------------------------------------------------------------------------


def test_a3_bytes_are_counted_not_characters() -> None:
    assert passwords.new("🌳" * 18, TEN) == "🌳" * 18
    assert "72 bytes" in refused("🌳" * 19).reason


def test_a4_what_is_long_in_other_alphabets_is_told_in_bytes() -> None:
    assert "bytes" in refused("中" * 64).reason
    assert passwords.new("中" * 24, TEN) == "中" * 24


def test_a5_nul_is_refused_and_never_reaches_bcrypt(counted: Counted) -> None:
    refused("a\0aaaaaaa")
    hash = stored("password with no end")
    for tried in ("password with no end\0password with no end", "password with no end\0"):
        assert not passwords.verified(tried, hash, TEN).right
    with pytest.raises(InvalidInput):
        passwords.hashed("a\0aaaaaaa", SALT, TEN)


def test_a6_the_least_is_in_characters_and_spaces_count(counted: Counted) -> None:
    for short in ("", "a", "1234567", "🌳" * 7):
        assert "at least 8" in refused(short).reason
    assert passwords.new(" " * 15, TEN) == " " * 15
    hash = stored(passwords.new("pass word ", TEN))
    assert passwords.verified("pass word ", hash, TEN).right
    assert not passwords.verified("pass word", hash, TEN).right
    assert passwords.new("abc", Passwords(min_length=3))


def test_a7_half_a_surrogate_pair_is_refused_in_our_own_error(counted: Counted) -> None:
    refused("pw\ud800xxxxxx")
    assert passwords.verified("pw\ud800xxxxxx", stored("long enough"), TEN) == Verdict(right=False)
    with pytest.raises(InvalidInput):
        passwords.hashed("pw\ud800xxxxxx", SALT, TEN)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=8, max_size=18))
def test_a8_two_spellings_are_two_passwords(text: str) -> None:
    one, two = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    counter = Counted()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "bcrypt", counter)
        if len(one.encode()) <= 72:
            assert passwords.verified(two, stored(one), TEN).right == (one == two)


@pytest.mark.parametrize("cost", [3, 4, 9, 32, 12.0, True, "12", None])
def test_a9_a_cost_that_is_too_low_or_no_number_is_refused(cost: Any) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        Passwords(bcrypt_cost=cost)
    assert caught.value.field == "bcrypt_cost"


def test_a15_the_common_and_the_users_own_names_are_refused() -> None:
    for common in ("password1234", "Password1234", "QWERTYUIOP", "12345678"):
        assert "common" in refused(common).reason
    names = ("Ada.Lovelace@example.com", "ada_lovelace")
    for own in ("ada_lovelace", "ADA_LOVELACE", "ada.lovelace@example.com", "ada.lovelace"):
        assert "its user" in refused(own, names=names).reason
    assert passwords.new("ada_lovelace and more", TEN, names)
    assert passwords.new("password1234", Passwords(refuse_common=False))
    assert all(len(word) >= 8 and word == word.casefold() for word in passwords._COMMON)


@pytest.mark.parametrize("value", [None, 5, b"long enough", ["long enough"], {"$ne": None}, True])
def test_what_is_no_text_is_refused(value: Any) -> None:
    assert "text" in refused(value).reason
    with pytest.raises(InvalidInput, match="must be text"):
        passwords.attempted(value)
    assert passwords.attempted("") == ""


def test_a19_what_is_too_long_is_not_looked_at(counted: Counted) -> None:
    class Untouchable(str):
        def encode(self, *_: object) -> bytes:
            raise AssertionError("encoded before it was measured")

    huge = Untouchable("x" * 10_000_000)
    refused("x" * 10_000_000)
    assert not passwords.verified(huge, stored("long enough"), TEN).right


@given(texts())
def test_any_text_is_taken_or_refused_in_our_own_error(text: str) -> None:
    made = judged(lambda value: passwords.new(value, TEN), text)
    assert made == text or (isinstance(made, InvalidInput) and made.field == "password")
    counter = Counted()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "bcrypt", counter)
        assert not passwords.verified(text, None, TEN).right
        assert counter.costs == [10]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts(text: str) -> None:
    made = judged(lambda value: passwords.new(value, TEN), text)
    assert made == text or (isinstance(made, InvalidInput) and made.__cause__ is None)


# -- what it costs to be wrong ---------------------------------------------------------------------------------------

CORRUPT = ["", "x", "$2b$04$short", "$2b$10$" + "a" * 52, "$argon2id$v=19$m=65536", "$2b$03$" + "." * 53]
CORRUPT += [
    "$2x$10$" + "." * 53,
    "$2b$32$" + "." * 53,
    "$2b$10$" + "." * 21 + "/" + "." * 31,
    "$2b$10$" + "." * 53 + "\n",
]
CORRUPT += ["$2b$31$" + "." * 53, "$2b$15$" + "." * 53, "$2b$1٣$" + "." * 53]

RIGHT, WRONG = "long enough", "not that one"


def failures() -> dict[str, tuple[str, PasswordHash | None, bool]]:
    """Each way to fail: password, stored hash, whether the user is admitted."""
    good = stored(RIGHT)
    cases = {
        "wrong": (WRONG, good, True),
        "unknown": (RIGHT, None, False),
        "no password": (RIGHT, None, True),
        "disabled": (RIGHT, good, False),
        "disabled and wrong": (WRONG, good, False),
        "73 bytes": ("x" * 73, good, True),
        "73 bytes, unknown": ("x" * 73, None, True),
        "72 characters of more bytes": ("é" * 72, good, True),
        "a million": ("x" * 1_000_000, good, True),
        "NUL": ("a\0b", good, True),
        "surrogate": ("\ud800", good, True),
        "empty": ("", good, True),
    }
    return cases | {f"corrupt {hash!r}": (RIGHT, PasswordHash(hash), True) for hash in CORRUPT}


def test_a2_b2_every_failure_costs_one_hash(counted: Counted) -> None:
    cases = failures()
    for case, (password, hash, admitted) in cases.items():
        counted.costs.clear()
        assert not passwords.verified(password, hash, TEN, admitted=admitted).right, case
        assert counted.costs == [10], case
    counted.costs.clear()
    assert passwords.verified(RIGHT, stored(RIGHT), TEN).right
    assert counted.costs == [10, 10]


def test_a2_a_login_that_returns_early_is_caught(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above."""
    honest = passwords.verified

    def early(password: str, hash: PasswordHash | None, policy: Passwords, *, admitted: bool = True) -> Verdict:
        return honest(password, hash, policy, admitted=admitted) if hash is not None and admitted else Verdict(False)

    monkeypatch.setattr(passwords, "verified", early)
    with pytest.raises(AssertionError):
        test_a2_b2_every_failure_costs_one_hash(counted)


def test_a10_what_was_hashed_at_a_lower_cost_is_hashed_again(counted: Counted) -> None:
    old, new = stored(RIGHT, 10), stored(RIGHT, 12)
    assert passwords.verified(RIGHT, old, TWELVE) == Verdict(right=True, rehash=True)
    assert passwords.verified(RIGHT, new, TWELVE) == Verdict(right=True)
    assert passwords.verified(RIGHT, new, TEN) == Verdict(right=True)
    assert passwords.verified(WRONG, old, TWELVE) == Verdict(right=False)
    assert passwords.needs_rehash(old, TWELVE)
    assert not passwords.needs_rehash(new, TWELVE)
    assert not passwords.needs_rehash(new, TEN)
    assert not passwords.needs_rehash(None, TWELVE)
    assert not passwords.needs_rehash(PasswordHash("x"), TWELVE)


def test_a11_a_raised_cost_does_not_tell_old_users_from_unknown_ones(counted: Counted) -> None:
    works = {}
    for name, hash in {"old": stored(RIGHT, 10), "new": stored(RIGHT, 12), "unknown": None}.items():
        for password in (WRONG, "x" * 73):
            counted.costs.clear()
            assert not passwords.verified(password, hash, TWELVE).right
            works[name, password[:1]] = counted.work
    assert set(works.values()) == {2**12}


@pytest.mark.parametrize("hash", CORRUPT)
def test_a12_a_hash_that_is_none_fails_closed_at_full_cost(hash: str, counted: Counted) -> None:
    assert passwords.verified(RIGHT, PasswordHash(hash), TEN) == Verdict(right=False, corrupt=True)
    assert counted.costs == [10]


def test_a12_a_stored_cost_may_be_a_little_above_the_policys(counted: Counted) -> None:
    """Where a policy was lowered. Far above, it would be a way to stop the service."""
    dear = stored(RIGHT, 16)
    assert passwords.verified(RIGHT, dear, TWELVE) == Verdict(right=True)
    assert passwords.verified(RIGHT, dear, TEN) == Verdict(right=False, corrupt=True)


def test_a12_a_user_without_a_password_is_no_fault(counted: Counted) -> None:
    assert passwords.verified(RIGHT, None, TEN) == Verdict(right=False)


def test_a13_no_hash_and_no_token_is_compared_by_equality() -> None:
    """What holds secrets is compared by ``hmac.compare_digest`` alone."""
    for name in ("passwords", "tokens"):
        tree = ast.parse((SOURCE / f"{name}.py").read_text(encoding="utf-8"))
        assert _compared_by_equality(tree) == []
    assert _compared_by_equality(ast.parse("ok = stored.digest == wanted")) == ["stored.digest == wanted"]


def _compared_by_equality(tree: ast.Module) -> list[str]:
    suspicious = ("digest", "outcome", "expected", "hash", "token", "secret", "bound")
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    equal = [node for node in found if isinstance(node.ops[0], ast.Eq | ast.NotEq)]
    texts = [ast.unparse(node) for node in equal if not ast.unparse(node).startswith(("len(", "type("))]
    return [text for text in texts if any(word in text for word in suspicious) and "len(" not in text]


def test_a14_each_salt_gives_another_hash(counted: Counted) -> None:
    hashes = {stored(RIGHT, salt=number.to_bytes(16)).get_secret_value() for number in range(10_000)}
    assert len(hashes) == 10_000
    assert all(passwords._STORED.fullmatch(hash[:29] + "." * 31) for hash in hashes)


@pytest.mark.parametrize("salt", [b"", b"x" * 15, b"x" * 17, "x" * 16, None, bytearray(16)])
def test_a14_a_salt_is_sixteen_bytes(salt: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        passwords.hashed(RIGHT, salt, TEN)
    assert caught.value.field == "salt"


def test_a20_passlib_is_no_dependency() -> None:
    assert not [each for each in requires("tektree") or [] if each.startswith("passlib")]


# -- secrets ---------------------------------------------------------------------------------------------------------


def test_k1_k2_no_error_and_no_repr_shows_a_password(counted: Counted) -> None:
    secret = "hunter2 hunter2"
    shown = []
    for value in (secret + "\0", secret * 10, secret + "\ud800", [secret], secret[:7]):
        error = refused(value)
        shown += [str(error), repr(error), str(error.args), *traceback.format_exception(error)]
        assert error.__cause__ is None
    hash = stored(secret)
    shown += [repr(hash), str(hash), f"{hash}", repr(passwords.verified(secret, hash, TEN)), repr([hash])]
    assert not [text for text in shown if "hunter2" in text.replace("test_k1_k2", "") or "$2b$" in text]


def test_k5_hashes_are_not_pickled(counted: Counted) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(stored(RIGHT))
    assert copy.deepcopy(stored(RIGHT)) == stored(RIGHT)


def test_bcrypt_is_called_in_one_way_only() -> None:
    """So that counting its calls counts them all."""
    tree = ast.parse((SOURCE / "passwords.py").read_text(encoding="utf-8"))
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {name for name in used if name.startswith("bcrypt.")} == {"bcrypt.hashpw"}
