"""The rows of the security checklist that accounts answer for: each is named by a test of accounts; and the rows that
are about the source itself, or about what is read.
"""

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tektree.errors import InvalidPolicy, InvalidSession
from tektree.models.accounts import User
from tektree.policy import Policy
from tektree.wire.values import cached_from_json, session_from_json

TESTS = Path(__file__).resolve().parent.parent
SOURCE = TESTS.parent / "src" / "tektree"

ROWS = {
    *(f"A{row}" for row in range(1, 21)),
    *(f"B{row}" for row in range(1, 21)),
    *(f"D{row}" for row in range(1, 21)),
    *(f"E{row}" for row in (*range(1, 12), 18)),
    *(f"K{row}" for row in range(1, 13)),
}
"""All but those of questions, answers and insights: E12 to E17."""

WHERE = (
    "accounts/test_*.py",
    *[f"rules/test_{room}.py" for room in ("accounts", "particulars", "passwords", "tokens")],
)


def test_every_row_is_named_by_a_test() -> None:
    named: set[str] = set()
    for path in (*[each for where in WHERE for each in TESTS.glob(where)], TESTS / "backends/mongo/test_accounts.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                named |= set(re.findall(r"\b[A-K]\d{1,2}\b", ast.get_docstring(node) or ""))
                named |= {row.upper() for row in re.findall(r"(?<=_)[a-k]\d{1,2}(?=_)", node.name)}
    assert sorted(ROWS - named) == []


SESSION = (
    '{"user_id":"usr_ada","tier":"free","role":"user","created_at":1735689600,"expires_at":1736294400,'
    '"id":"0123456789abcdef01234567","epoch":0,"version":0,"remembered":false%s}'
)


def test_the_sample_session_is_one() -> None:
    """So that what the next test adds to it is what is refused."""
    assert session_from_json(SESSION % "").role == "user"


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(',"role":"admin"', id="E5 a second role"),
        pytest.param(',"note":NaN', id="K9 NaN"),
        pytest.param(f',"note":{"9" * 5_000}', id="K9 digits"),
        pytest.param(f',"note":{"[" * 100_000}', id="K9 depth"),
        pytest.param(',"role":"\ud800"', id="K9 half a pair"),
    ],
)
def test_what_is_read_as_json_is_read_strictly(more: str) -> None:
    """E5 K9: of a session, which says in which role one acts, and of a policy."""
    with pytest.raises(InvalidSession):
        session_from_json(SESSION % more)
    with pytest.raises(InvalidPolicy):
        Policy.from_json('{"passwords":{"bcrypt_cost":12}' + more.replace("role", "passwords") + "}")


@pytest.mark.parametrize("stored", [pickle.dumps({"role": "admin"}), b"\x80", b"\x80\x04.", "\x80", b"", b"null"])
def test_what_is_no_record_of_ours_is_not_in_the_cache(stored: Any) -> None:
    """K8: whatever lies there, it is a miss; nothing is unpickled."""
    assert cached_from_json(User, stored) is None


BANNED = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml", "jsonpickle", "joblib"})


def dangers(tree: ast.AST) -> Iterator[str]:
    """What runs text or data as code, and chance that is not the system's."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from [name for name in names if name.partition(".")[0] in {*BANNED, "random"}]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}:
            yield node.func.id


def test_nothing_is_run_that_was_data_and_chance_is_the_systems() -> None:
    """K8 K11: by the source. One module spreads retries with ``random``, and one compiles what it made of the fields of
    our models; the kit for tests is not looked at.
    """
    found = {
        str(path.relative_to(SOURCE)): set(names)
        for path in SOURCE.rglob("*.py")
        if "testing" not in path.parts and (names := list(dangers(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert found == {"_flavour/__init__.py": {"random"}, "wire/codecs.py": {"exec"}}


@pytest.mark.parametrize("code", ["import pickle", "from yaml import load", "eval('1')", "import random", "exec('')"])
def test_a_danger_is_found(code: str) -> None:
    """The positive control."""
    assert list(dangers(ast.parse(code)))
