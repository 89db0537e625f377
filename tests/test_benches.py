"""The benches run, and print their tables. What they measure is not judged here."""

import runpy
import sys
from pathlib import Path

import pytest

from tests.backends.mongo.worlds import base_uri
from tests.lanes import PYMONGO, REDIS, close
from tests.servers import DidNotStart, shared_redis

BENCHES = Path(__file__).resolve().parent.parent / "tools" / "bench"
COLUMNS = {
    "accounts": ["µs", "of it bcrypt", "authenticate, unknown", "the loop's lag", "told apart"],
    "activity": ["figure", "what"],
    "awards": ["µs", "ratio", "tektree"],
    "boards": ["µs", "ratio", "users"],
    "codec": ["µs", "ratio", "from_document"],
    "content": ["µs", "ratio", "questions", "a look at everything instead"],
    "events": ["µs", "ratio", "emit"],
    "growth": ["µs", "ratio", "rows"],
    "imports": ["ms", "ratio", "a bare interpreter"],
    "mongo_awards": ["µs of work", "ratio", "PyMongo Async, tektree"],
    "mongo_content": ["µs of work", "ratio of work", "tektree, ask", "models"],
    "mongo_documents": ["ms of work", "ratio", "event_log", "ledger"],
    "mongo_hot_user": ["awards a second", "commands an award", "tektree"],
    "mongo_rebuild": ["rows a second", "kB at the peak", "one user"],
    "mongo_users": ["µs of work", "ratio of work", "by_uid"],
    "rate_limits": ["µs", "ratio", "with headers"],
    "round_trips": ["µs", "ratio", "GET of redis-py"],
    "streams": ["a second", "ratio", "publish", "consume, a fold"],
}
SHARED = {"measuring", "serving"}


LONG = ("mongo_", "accounts")
"""These start a server of their own, or hash passwords, which takes a while."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.long] if name.startswith(LONG) else []) for name in sorted(COLUMNS)],
)
def test_a_bench_prints_its_table(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names no path of the machine it runs on."""
    if name.startswith("mongo_"):
        base_uri(PYMONGO)  # skips it where there is no server; one of its own is part of what is tried here
    if name == "streams":
        try:
            shared_redis()
        except DidNotStart as reason:
            close(REDIS, str(reason))
    monkeypatch.syspath_prepend(BENCHES)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--quick"])
    runpy.run_path(str(BENCHES / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert all(column in printed for column in COLUMNS[name]), printed
    assert str(Path.home()) not in printed
    assert str(BENCHES.parent) not in printed


def test_every_bench_is_run_here_and_explained() -> None:
    files = {each.stem for each in BENCHES.glob("*.py")} - SHARED
    assert files == COLUMNS.keys()
    explained = (BENCHES / "README.md").read_text(encoding="utf-8")
    assert [name for name in sorted(files) if f"`{name}.py`" not in explained] == []
