"""``tektree setup``, ``check``, ``verify``, ``recount`` and ``rebuild``, over a server."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from bson import ObjectId

from tektree import Board, CorruptDocument, NotFound, Page, Principal, TekTree
from tektree._cli.recounts import Recount
from tektree._cli.users import everybody, id_of
from tektree.errors import InvalidInput
from tektree.ids import user_id_of
from tektree.models.areas import AreaDraft
from tektree.models.gamification import Divergence, Verification
from tektree.models.questions import QuestionDraft
from tektree.wire.collections import ANSWERS, AREAS, FOLLOWS, INDEXES, INSIGHTS, QUESTIONS, VOTES
from tests.cli.conftest import Database, Run
from tests.lanes import enter

ADA, BEN = user_id_of("usr_ada"), "b" * 24


@pytest.fixture
def played(indexed: Database) -> Database:
    """A database with two users: ada under the id that her uid gives, ben under one of the host's."""
    tek = indexed.world.sync_tek()
    tek.gamification.enroll("usr_ada")
    tek.gamification.enroll("usr_ben", BEN)
    for user_id in (ADA, BEN, ADA):
        tek.gamification.award(user_id, "answer_posted")
    return indexed


# Indexes.


def test_check_tells_every_index_and_setup_makes_them(run: Run, database: Database) -> None:
    code, out, err = run("check", "--mongo", database.uri)
    assert (code, err) == (1, "")
    *lines, last = out.splitlines()
    assert len(lines) == sum(map(len, INDEXES.values()))
    assert "missing    xp_transactions  user_id:1,seq:1" in lines
    assert "tektree setup" in last
    assert database.look.list_collection_names() == []
    for _ in range(2):
        code, out, err = run("setup", "--mongo", database.uri)
        assert (code, err) == (0, "")
        *notes, last = out.splitlines()
        assert last == "all indexes that are needed are there"
        assert all(note.startswith("note ") and ":text" in note for note in notes)  # not every server has these
    assert run("check", "--mongo", database.uri)[:2] == (code, out)
    document = json.loads(run("check", "--mongo", database.uri, "--json")[1])
    assert document["ok"]
    assert [each["required"] for each in document["drift"]] == [False] * len(notes)


def test_an_index_that_is_missing_or_different_is_one_line(run: Run, database: Database) -> None:
    assert run("setup", "--mongo", database.uri)[0] == 0
    database.look.users.drop_index([("email", 1)])
    database.look.users.drop_index([("handle", 1)])
    database.look.users.create_index([("handle", 1)])
    code, out, _ = run("check", "--mongo", database.uri)
    assert code == 1
    lines = [line for line in out.splitlines() if not line.startswith("note ")]
    assert lines[:-1] == ["missing    users  email:1", "different  users  handle:1"]
    code, out, _ = run("check", "--mongo", database.uri, "--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (1, False)
    assert document["drift"][0] == {"collection": "users", "keys": "email:1", "what": "missing", "required": True}
    code, out, err = run("setup", "--mongo", database.uri)
    assert (code, out) == (2, "")
    assert err.startswith("tektree: mongo.users: has an index on handle:1 ")
    database.look.users.drop_index([("handle", 1)])
    assert run("setup", "--mongo", database.uri)[0] == 0


# Verifying.


def test_what_adds_up_is_one_line(run: Run, played: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEKTREE_MONGO", played.uri)
    assert run("verify") == (0, "all 2 ledgers add up; rows: 3\n", "")
    assert json.loads(run("verify", "--json")[1]) == {"ok": True, "users": 2, "rows": 3, "divergent": 0, "first": []}
    for user in ("usr_ada", ADA):
        assert run("verify", "--user", user) == (0, "the ledger adds up; rows: 2\n", "")
    for user in ("usr_ben", BEN):
        assert run("verify", "--user", user) == (0, "the ledger adds up; rows: 1\n", "")


def test_nothing_to_verify_is_well(run: Run, database: Database) -> None:
    assert run("verify", "--mongo", database.uri) == (0, "nobody is enrolled, so there is nothing to add up\n", "")
    assert database.look.list_collection_names() == []


def test_what_does_not_add_up_is_told_and_rebuilt(run: Run, played: Database) -> None:
    profiles = played.look.gamification_profiles
    before = list(profiles.find())
    profiles.update_one({"uid": "usr_ada"}, {"$set": {"total_xp": 21}})
    code, out, err = run("verify", "--mongo", played.uri)
    assert (code, err) == (1, "")
    assert f"{ADA}: row 2, total_xp: 20 expected, 21 found" in " ".join(out.split())
    assert out.endswith("1 of 2 ledgers do not add up\n")
    code, out, _ = run("verify", "--mongo", played.uri, "--json", "--user", "usr_ada")
    assert code == 1
    assert json.loads(out)["first"] == [
        {"user_id": ADA, "seq": 2, "field": "total_xp", "said": "row 2, total_xp: 20 expected, 21 found"}
    ]
    assert run("rebuild", "--mongo", played.uri, "--user", "usr_ben")[0] == 0
    assert run("verify", "--mongo", played.uri, "--user", "usr_ben")[0] == 0
    assert run("verify", "--mongo", played.uri)[0] == 1
    code, out, err = run("rebuild", "--mongo", played.uri, "--user", "usr_ada", "--json")
    assert (code, json.loads(out), err) == (0, {"profiles": 1, "boards": {}}, "")
    assert list(profiles.find()) == before
    assert run("verify", "--mongo", played.uri)[0] == 0


def test_a_row_that_was_changed_or_cannot_be_read_is_told_and_the_others_are_counted(
    run: Run, played: Database
) -> None:
    rows = played.look.xp_transactions
    rows.update_one({"user_id": ObjectId(ADA), "seq": 1}, {"$set": {"amount": 11}})
    rows.update_one({"user_id": ObjectId(BEN), "seq": 1}, {"$set": {"amount": "ten"}})
    code, out, err = run("verify", "--mongo", played.uri)
    assert (code, err) == (1, "")
    said = " ".join(out.split())
    assert f"{ADA}: row 1, " in said
    assert f"{BEN}: document " in said
    assert "of xp_transactions cannot be read: amount" in said
    assert "2 of 2 ledgers do not add up" in said


def test_recount_names_what_is_wrong_and_mends_it(run: Run, indexed: Database) -> None:
    indexed.world.indexed((AREAS, FOLLOWS, QUESTIONS, ANSWERS, INSIGHTS, VOTES))
    tek = indexed.world.sync_tek()
    ada = Principal(ADA, "usr_ada")
    area = tek.areas.create(ada, AreaDraft(title="Go"))
    tek.questions.ask(ada, QuestionDraft(title="How?", body="b", areas=[area.id]))
    good = "all counts hold; area: 1, question: 1, answer: 0, insight: 0\n"
    assert run("recount", "--mongo", indexed.uri) == (0, good, "")
    indexed.look[AREAS].update_one({}, {"$set": {"content_count": 7, "breadcrumbs": "Else\x1b[31m"}})
    code, out, err = run("recount", "--mongo", indexed.uri)
    assert (code, err) == (1, "")
    assert f"area {area.id}, content_count: 1 expected, 7 found" in out
    assert "\x1b" not in out
    assert "2 of 2 fields that are wrong are not mended" in out
    document = json.loads(run("recount", "--mongo", indexed.uri, "--json")[1])
    assert (document["ok"], document["divergent"], document["records"]["area"]) == (False, 2, 1)
    assert {each["field"] for each in document["first"]} == {"content_count", "breadcrumbs"}
    code, out, _ = run("recount", "--mend", "--mongo", indexed.uri)
    assert (code, "2 fields mended" in out) == (0, True)
    assert run("recount", "--mongo", indexed.uri) == (0, good, "")
    indexed.look[QUESTIONS].update_one({}, {"$set": {"body": None}})
    code, out, _ = run("recount", "--mend", "--mongo", indexed.uri)
    assert (code, out) == (1, "1 cannot be read\n")


@pytest.mark.parametrize("command", ["verify", "rebuild"])
@pytest.mark.parametrize("user", ["usr_nobody", "f" * 24])
def test_who_is_not_enrolled_is_one_line(run: Run, played: Database, command: str, user: str) -> None:
    said = run(command, "--mongo", played.uri, "--user", user)
    assert said == (2, "", "tektree: --user: is not enrolled here\n")


@pytest.mark.parametrize("user", ["ada", "", "F" * 24, "usr_", "usr_ü"])
def test_a_user_that_cannot_be_is_one_line(run: Run, played: Database, user: str) -> None:
    code, out, err = run("verify", "--mongo", played.uri, "--user", user)
    assert (code, out) == (2, "")
    assert err == "tektree: --user: must be an id of 24 hex digits, or a uid such as usr_ada\n"


# Rebuilding.


def test_rebuild_writes_profiles_and_boards(run: Run, played: Database) -> None:
    before = list(played.look.gamification_profiles.find())
    played.look.gamification_profiles.update_many({}, {"$set": {"total_xp": 1, "current_level": 9}})
    code, out, err = run("rebuild", "--mongo", played.uri)
    assert (code, err) == (0, "")
    assert out.split() == ["profiles", "2", "written", "anew", "global", "2", "written", "anew"]
    assert list(played.look.gamification_profiles.find()) == before
    assert run("verify", "--mongo", played.uri)[0] == 0


def test_rebuild_of_a_week_too(run: Run, indexed: Database) -> None:
    with TekTree.connect(indexed.uri) as tek:  # by the system's clock: the week is one of now
        user_id = tek.gamification.enroll("usr_ada").user_id
        at = tek.gamification.award(user_id, "answer_posted").profile.updated_at
    week = Board.weekly(at)
    code, out, err = run("rebuild", "--mongo", indexed.uri, "--week", str(week.week), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"profiles": 1, "boards": {"global": 1, week.name: 1}}
    code, out, _ = run("rebuild", "--mongo", indexed.uri, "--week", "2011-W52", "--json")
    assert json.loads(out)["boards"] == {"global": 1, "weekly:2011-W52": 0}


@pytest.mark.parametrize("week", ["2025-W99", "2025-50", "", "now"])
def test_a_week_that_is_none_is_one_line(run: Run, week: str) -> None:
    pytest.importorskip("pymongo")
    said = run("rebuild", "--mongo", "mongodb://host/name", "--week", week)
    assert said == (2, "", "tektree: --week: must be an ISO week such as '2025-W50'\n")


# However many there are.


class Crowd:
    """A thousand users and more, of whom every one but the first is wrong in some way. Counts how it is asked."""

    def __init__(self, size: int) -> None:
        self.ids = [f"{number:024x}" for number in range(size)]
        self.pages = 0
        self.gamification: Any = self

    def users(self, after: str | None, limit: int) -> Page[str]:
        self.pages += 1
        start = 0 if after is None else int(after, 16) + 1
        items = tuple(self.ids[start : start + limit])
        return Page(items, items[-1] if start + limit < len(self.ids) else None)

    def profile(self, user_id: str) -> Any:
        return SimpleNamespace(user_id=user_id, uid=f"usr_{int(user_id, 16)}")

    def verify(self, user_id: str) -> Verification:
        number = int(user_id, 16)
        if number % 3 == 1:
            raise CorruptDocument("xp_transactions", "x", "amount", "must be a whole number")
        if number == 2:
            raise NotFound("profile", user_id)
        wrong = Divergence(seq=number, field="total_xp", expected="1", found="2") if number else None
        return Verification(user_id=user_id, rows=2, divergence=wrong)


def test_everybody_is_read_page_by_page() -> None:
    enter("memory")
    crowd: Any = Crowd(1201)
    listed: Iterator[str] = everybody(crowd)
    assert next(listed) == crowd.ids[0]
    assert crowd.pages == 1
    assert [crowd.ids[0], *listed] == crowd.ids
    assert crowd.pages == 3


def test_the_first_divergences_are_kept_and_all_are_counted() -> None:
    enter("memory")
    crowd: Any = Crowd(1201)
    recount = Recount.of(crowd, everybody(crowd))
    assert (recount.users, recount.divergent, len(recount.first)) == (1200, 1199, 10)
    assert recount.rows == 2 * 800
    assert [each["user_id"] for each in recount.first[:3]] == [crowd.ids[1], crowd.ids[3], crowd.ids[4]]


def test_a_uid_that_a_host_gave_its_own_id_is_found_among_all() -> None:
    enter("memory")
    crowd: Any = Crowd(700)
    assert id_of(crowd, "usr_650") == crowd.ids[650]
    with pytest.raises(InvalidInput, match="not enrolled"):
        id_of(crowd, "usr_700")
