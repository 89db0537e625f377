"""The indexes: the data model's exactly, and ours, marked."""

import subprocess
import sys
from pathlib import Path

import pytest

from tektree.wire.collections import FIELDS, INDEXES, Index
from tests.records import DATA_MODEL


def test_there_are_the_data_models_collections_in_its_order() -> None:
    """Behind them, those of ours."""
    ours = ["deliveries", "follows", "votes", "connections", "leases", "effects"]
    assert list(INDEXES) == list(FIELDS) == [*DATA_MODEL, *ours]
    assert all(index.ours for name in ours for index in INDEXES[name])


@pytest.mark.parametrize("collection", DATA_MODEL)
def test_the_data_models_indexes_are_there_to_the_letter(collection: str) -> None:
    stated = [
        Index(tuple([(key, direction) for key, direction in index["keys"]]), unique=index.get("unique", False))
        for index in DATA_MODEL[collection]["indexes"]
    ]
    assert [index for index in INDEXES[collection] if not index.ours] == stated
    assert [index.text for index in INDEXES[collection] if not index.ours] == [
        index.get("text", False) for index in DATA_MODEL[collection]["indexes"]
    ]


@pytest.mark.parametrize("collection", DATA_MODEL)
def test_the_data_models_fields_are_there_in_its_order(collection: str) -> None:
    assert FIELDS[collection] == tuple(DATA_MODEL[collection]["sample"])


def ours(collection: str) -> dict[tuple[str, ...], Index]:
    return {tuple([key for key, _ in index.keys]): index for index in INDEXES[collection] if index.ours}


def test_ours_guard_the_ledger_the_profiles_and_the_log() -> None:
    rows = ours("xp_transactions")
    for keys, filter_ in {("user_id", "seq"): {"seq": {"$gt": 0}}, ("user_id", "key"): {"key": {"$gt": ""}}}.items():
        assert rows[keys].unique
        assert rows[keys].partial == filter_
    assert {
        ("user_id", "day", "seq"),
        ("user_id", "week", "seq"),
        ("user_id", "reverses", "seq"),
        ("user_id", "restores", "seq"),
    } <= set(rows)
    assert ours("gamification_profiles")[("uid",)] == Index((("uid", 1),), True, {"uid": {"$gt": ""}}, ours=True)
    stream = ours("events")[("metadata.stream", "metadata.seq")]
    assert stream.unique
    assert stream.partial == {"metadata.seq": {"$gt": 0}}


def test_ours_let_one_account_have_an_address_a_handle_and_a_token() -> None:
    """D1, D12, D16, B15: uniqueness lives in the store; documents from before us, without our fields, are in none."""
    users = ours("users")
    for field in ("email_canonical", "handle_canonical", "handle_claims.digest", "tokens.digest"):
        assert users[(field,)] == Index(((field, 1),), True, {field: {"$gt": ""}}, ours=True)


def test_ours_leave_out_documents_without_our_fields() -> None:
    for indexes in INDEXES.values():
        for index in indexes:
            assert index.partial is None or all(set(test) == {"$gt"} for test in index.partial.values())
            assert index.partial is not None or not index.ours or not index.unique


def test_no_two_indexes_have_the_same_keys() -> None:
    for indexes in INDEXES.values():
        assert len({index.keys for index in indexes}) == len(indexes)


def test_the_page_of_indexes_is_that_of_the_code() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    command = [sys.executable, str(root / "tools" / "indexes.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
