"""``tektree import-community`` and `tektree.community`: one file, one community; finished wherever cut off."""

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tektree import InvalidInput, Policy, Principal, TekTree
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.community import KINDS, CommunityImport, LineIds, RowClock, read, unlimited
from tektree.ids import derived_id
from tektree.models.events import EventFilter
from tektree.testing.faults import Crash, Fault, Faulty
from tests.cli.conftest import Database, Run
from tests.lanes import FAKE, MOCK, enter

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


def example(name: str) -> Any:
    """The names of an example; it does nothing by itself."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def community(users: int = 30, contributions: int = 200, seed: int = 1) -> list[dict[str, Any]]:
    return list(example("community").community(users, contributions, seed))


def written(things: Iterable[dict[str, Any]]) -> bytes:
    return "\n".join([json.dumps(each) for each in things]).encode()


def opened(tek: TekTree | None = None, backends: Any = None, now: datetime | None = None) -> CommunityImport:
    clock, ids = RowClock(), LineIds()
    made = tek or TekTree(backends or memory_backends(), unlimited(Policy()), clock, ids)
    return CommunityImport(made, clock, ids, *([lambda: now] if now else []))


def fed(importing: CommunityImport, things: Sequence[dict[str, Any]]) -> CommunityImport:
    for line in read(io.BytesIO(written(things)), "x.jsonl"):
        importing.add(line)
    importing.finish()
    return importing


def imported(things: Sequence[dict[str, Any]]) -> CommunityImport:
    enter("memory")
    return fed(opened(), things)


def everything(tek: TekTree, users: Iterable[str]) -> dict[str, Any]:
    """All that is stored of these users, and the log."""
    ports: Any = tek._backends
    found: dict[str, Any] = {"events": {}}
    for user_id in users:
        profile = ports.gamification.profile(user_id)
        found[f"profile {user_id}"] = profile
        found[f"rows {user_id}"] = list(ports.ledger.rows(user_id, 0, 10**6))
        found[f"user {user_id}"] = ports.accounts.by_id(user_id)
        for port in ("areas", "questions", "answers", "insights", "votes", "follows", "connections"):
            found[f"{port} {user_id}"] = [
                getattr(ports, port).by_id(each.id) for each in getattr(ports, port).of_user(user_id, None, 10**6)
            ]
    after = ""
    while events := ports.events.recorded(EventFilter(), after, 500):
        after = events[-1].metadata["recorded_at"]
        for each in events:
            assert each.event_id not in found["events"]
            found["events"][each.event_id] = each
    return found


def recounted(importing: CommunityImport, things: Sequence[dict[str, Any]]) -> None:
    """Every counter is what the file says, counted here once more, and so says `recount`."""
    found = importing.tek.events.recount()
    assert (bool(found), found.divergent) == (True, 0), found.first
    ports: Any = importing.tek._backends
    counts: Counter[tuple[str, str, str]] = Counter()
    accepted: dict[str, str] = {}
    asked = {each["key"]: each["question"] for each in things if each["kind"] == "answer"}
    for each in things:
        if each["kind"] == "vote":
            counts["answer", each["answer"], "upvote_count" if each["value"] > 0 else "downvote_count"] += 1
        elif each["kind"] == "answer":
            counts["question", each["question"], "answer_count"] += 1
        elif each["kind"] in ("question", "insight"):
            counts.update([("area", area, "content_count") for area in each["areas"]])
        elif each["kind"] == "follow":
            counts["area", each["area"], "follower_count"] += 1
        elif each["kind"] == "like":
            counts["insight", each["insight"], "like_count"] += 1
        elif each["kind"] == "accept":
            accepted[asked[each["answer"]]] = each["answer"]
    kinds = {
        "area": (ports.areas, ("follower_count", "content_count")),
        "question": (ports.questions, ("answer_count", "upvote_count", "downvote_count")),
        "answer": (ports.answers, ("upvote_count", "downvote_count")),
        "insight": (ports.insights, ("like_count",)),
    }
    for each in things:
        if each["kind"] in kinds:
            store, names = kinds[each["kind"]]
            stored = store.by_id(LineIds.first(each["kind"], each["key"]))
            assert stored.left == ()
            for name in names:
                assert getattr(stored.record, name) == counts[each["kind"], each["key"], name], (each, name)
            if each["kind"] == "question":
                chosen = accepted.get(each["key"])
                assert stored.record.accepted_answer_id == (chosen and LineIds.first("answer", chosen))
            if each["kind"] == "answer":
                assert stored.record.is_accepted is (accepted.get(each["question"]) == each["key"])


# One file, one community.


def test_a_community_adds_up_and_bad_actors_come_to_nothing() -> None:
    things = community()
    importing = imported(things)
    assert importing.summary().made == dict.fromkeys(KINDS, 0) | Counter(each["kind"] for each in things)
    recounted(importing, things)
    assert importing.verify() == []
    before = everything(importing.tek, importing.users())
    # On the platform, where quotas count, its worst member and three friends do what they can.
    importing.clock.at = datetime(2026, 1, 5, tzinfo=UTC)
    tek = TekTree(importing.tek._backends, Policy(), importing.clock)
    users = [tek.accounts.get(user_id) for user_id in importing.users()]
    villain, *ring = [Principal(each.id, each.uid) for each in users[20:24]]
    question_id = LineIds.first("question", "question0")
    found = example("bad_actors").misbehave(tek, villain, ring, question_id)
    assert found.pop(("votes of a ring", "done")) == 303
    assert found.pop(("spam", "done")) == 19
    assert {code for _, code in found} == {"forbidden", "not_found", "invalid_input", "quota_exhausted"}
    assert found["spam", "quota_exhausted"] == 21
    assert [tek.gamification.verify(each.id).divergence for each in users] == [None] * len(users)
    own = everything(tek, [villain.id])
    profile, was = own[f"profile {villain.id}"], before[f"profile {villain.id}"]
    assert profile.total_xp - was.total_xp == 20 * 5 + 10 + 3 * 10
    # Nobody else has more or less by it, but for the question's one answer more.
    after = everything(tek, [each.id for each in users])
    assert {
        name for name in before if name != "events" and before[name] != after[name] and not name.endswith(villain.id)
    } == {f"questions {tek.questions.get(None, question_id).created_by}", *[f"votes {each.id}" for each in ring]}


def test_the_same_file_gives_the_same_and_again_changes_nothing() -> None:
    things = community(10, 60)
    importing = imported(things)
    before = everything(importing.tek, importing.users())
    assert before == everything((other := imported(things)).tek, other.users())
    again = fed(CommunityImport(importing.tek, importing.clock, importing.ids), things)
    assert again.summary().known == len(things)
    assert everything(importing.tek, importing.users()) == before


def test_a_file_that_has_grown_is_imported_again() -> None:
    things = community(10, 60)
    importing = imported(things[:35])
    grown = fed(CommunityImport(importing.tek, importing.clock, importing.ids), things)
    assert (grown.summary().known, grown.summary().lines) == (35, len(things))
    whole = imported(things)
    assert everything(grown.tek, grown.users()) == everything(whole.tek, whole.users())


def test_what_was_changed_on_the_platform_stays() -> None:
    things = community(6, 40)
    importing = imported(things)
    tek, vote = importing.tek, next(each for each in things if each["kind"] == "vote")
    voter = tek.accounts.by_handle(f"member_{vote['by']}")
    answer = tek.answers.get(None, LineIds.first("answer", vote["answer"]))
    tek.votes.cast(voter, answer, 0)
    tek.questions.delete(Principal("0" * 24, "usr_root", role="admin"), answer.question_id)
    before = everything(tek, importing.users())
    fed(CommunityImport(tek, importing.clock, importing.ids), things)
    assert everything(tek, importing.users()) == before


def test_ids_times_and_correlations_are_those_of_the_file() -> None:
    things = community(6, 40)
    importing = imported(things)
    tek, found = importing.tek, everything(importing.tek, importing.users())
    ids = {
        LineIds.first(each["kind"], each["key"]): datetime.fromisoformat(each["at"]) for each in things if "key" in each
    }
    for name, stored in found.items():
        for each in stored if name.startswith(("areas", "questions", "answers")) else ():
            assert each.record.created_at == ids[each.record.id]
    for event in found["events"].values():
        assert event.correlation_id.startswith("import:")
        assert event.metadata["recorded_at"] == event.timestamp.isoformat()
    user = tek.accounts.by_handle("member_u0")
    assert (user.password_hash, user.password_changed_at) == (None, None)


# Cut off, and finished by another.

SMALL = [
    {"kind": "user", "key": "ada", "email": "ada@example.com", "handle": "ada", "timezone": "Asia/Tokyo"},
    {"kind": "user", "key": "ben", "email": "ben@example.com", "handle": "ben"},
    {"kind": "area", "key": "db", "by": "ada", "title": "Databases"},
    {"kind": "question", "key": "q", "by": "ada", "title": "How?", "body": "b", "areas": ["db"]},
    {"kind": "answer", "key": "a", "by": "ben", "question": "q", "body": "so"},
    {"kind": "vote", "by": "ada", "answer": "a", "value": 1},
    {"kind": "accept", "by": "ada", "answer": "a"},
    {"kind": "follow", "by": "ben", "area": "db"},
    {"kind": "connection", "by": "ben", "with": "ada"},
    {"kind": "insight", "key": "i", "by": "ben", "title": "On joins", "body": "b", "areas": ["db"]},
    {"kind": "like", "by": "ada", "insight": "i"},
]
SMALL = [{"at": f"2026-01-05T09:{number:02}:00Z", **each} for number, each in enumerate(SMALL)]
NOW = datetime(2026, 2, 1, tzinfo=UTC)


def cut_off(at: int | None, fault: Fault) -> tuple[Any, int]:
    """Storage that an import left which ended at that call, and how many calls there were."""
    backends = memory_backends()
    faulty = Faulty(backends, at, fault)
    try:
        fed(opened(backends=faulty.backends, now=NOW), SMALL)
    except Crash:
        assert faulty.struck
    return backends, len(faulty.calls)


def is_finished(at: int, fault: Fault, whole: dict[str, Any]) -> None:
    backends, _ = cut_off(at, fault)
    importing = fed(opened(backends=backends, now=NOW), SMALL)
    found = everything(importing.tek, importing.users())
    assert [name for name, expected in whole.items() if name != "events" and found[name] != expected] == [], (at, fault)
    # A subscription that is made for who was cut off is told as of the line before.
    parted = {whole["events"][id].event_type for id in whole["events"] if found["events"][id] != whole["events"][id]}
    assert parted <= {"subscription.created"}
    assert found["events"].keys() == whole["events"].keys()
    assert importing.verify() == []


def crashes(every: int) -> None:
    enter("memory")
    whole = opened(now=NOW)
    fed(whole, SMALL)
    expected = everything(whole.tek, whole.users())
    calls = cut_off(None, Fault.CRASH)[1]
    assert calls > 150
    for at in range(0, calls, every):
        is_finished(at, Fault.CRASH, expected)
        is_finished(at, Fault.CRASH_AFTER, expected)


def test_cut_off_at_a_call_it_is_finished_by_another() -> None:
    crashes(17)


@pytest.mark.long
def test_cut_off_at_every_call_it_is_finished_by_another() -> None:
    crashes(1)


# Over MongoDB.


def test_over_mongo_it_comes_to_the_same_to_the_last_field() -> None:
    enter(MOCK)
    import mongomock

    things = community(12, 60)
    clock, ids = RowClock(), LineIds()
    tek = TekTree.connect(mongomock.MongoClient().tektree, policy=unlimited(Policy()), clock=clock, ids=ids)
    importing = fed(CommunityImport(tek, clock, ids), things)
    recounted(importing, things)
    whole = imported(things)
    assert importing.verify() == []
    found, expected = everything(tek, importing.users()), everything(whole.tek, whole.users())
    for name in expected:
        assert found[name] == expected[name], name
    assert importing.summary() == whole.summary()


def test_with_redis_beside_it_boards_and_quotas_are_kept_there() -> None:
    enter(FAKE)
    import fakeredis
    import mongomock

    clock, ids, redis = RowClock(), LineIds(), fakeredis.FakeRedis(version=(7,))
    tek = TekTree.connect(mongomock.MongoClient().tektree, redis, unlimited(Policy()), clock, ids)
    importing = fed(CommunityImport(tek, clock, ids), SMALL)
    whole = imported(SMALL)
    assert importing.summary() == whole.summary()
    assert importing.verify() == []
    assert everything(tek, importing.users()) == everything(whole.tek, whole.users())
    ada, ben = [f"usr_{derived_id('import', f'user:{name}', '2')}" for name in ("ada", "ben")]
    assert redis.zrevrange("leaderboard:global", 0, -1) == [ben.encode(), ada.encode()]
    assert redis.exists(f"quota:{ada}:questions:2026-01")


def document(said: tuple[int, str, str]) -> dict[str, Any]:
    code, out, err = said
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    del found["timing"]
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_killed_in_the_middle_over_mongo_it_is_finished_by_another(
    run: Run, database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "past.jsonl"
    path.write_bytes(written(community(5, 15)))
    command = [sys.executable, "-W", "error", "-m", "tektree", "import-community", str(path)]
    process = subprocess.Popen(
        command, env={**os.environ, "TEKTREE_MONGO": database.uri}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while database.look.xp_transactions.estimated_document_count() < 4 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.communicate(timeout=30)[1] == b""
    stored = document(run("import-community", str(path), "--mongo", database.uri, "--json"))
    assert 5 <= stored.pop("known") + sum(stored.pop("made").values()) == 20
    in_memory = document(run("import-community", str(path), "--json"))
    assert (in_memory.pop("known"), sum(in_memory.pop("made").values())) == (0, 20)
    assert (stored.pop("storage"), in_memory.pop("storage")) == ("MongoDB", "memory")
    assert stored == in_memory
    assert stored["verification"]["ok"]


@pytest.mark.long
def test_a_thousand_users_and_ten_thousand_contributions() -> None:
    things = community(1_000, 10_000)
    importing = imported(things)
    recounted(importing, things)
    assert importing.verify() == []


# On the command line.


def test_it_says_what_it_made(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "past.jsonl"
    path.write_bytes(written(SMALL))
    code, out, err = run("import-community", str(path))
    assert (code, err) == (0, "")
    assert "imported into memory" in out
    assert "user 2, area 1, question 1, answer 1, insight 1, accept" in out
    assert "all 2 ledgers add up" in out
    assert "65 XP" in out
    assert "all counts hold" in out
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"\n\n")
    assert "nothing" in run("import-community", str(empty), "--no-verify")[1]
    assert run("import-community", str(path), "--redis", "redis://localhost")[0] == 2


GOOD = SMALL[:5]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("nonsense", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[1]", "must be a JSON object"),
        ('{"kind": NaN}', "is no JSON"),
        ('{"kind": "follow", "kind": "vote"}', "has a field twice"),
        ({"kind": "party"}, "kind must be one of user, area,"),
        ({"kind": ["user"]}, "kind must be one of user, area,"),
        ({"kind": "follow", "at": None, "by": "ada"}, "area is missing; a line of kind follow needs it"),
        ({"at": "yesterday"}, "at must be a time"),
        ({"at": 5}, "at must be a time"),
        ({"at": "2026-01-05T09:00:00"}, "at must have its UTC offset"),
        ({"password": "secret"}, "has a field that is none of a line of kind answer; these are key, by,"),
        ({"key": "a b"}, "key must be a key: 1 to 60 of the characters"),
        ({"key": 7}, "key must be a key: 1 to 60 of the characters"),
        ({"by": "eve"}, "by names 'eve', and no line above is the user of that key"),
        ({"question": "q2"}, "question names 'q2', and no line above is the question of that key"),
        ({"key": "a"}, "says what line 5 says"),
        ({"body": ""}, "body must"),
        ({"body": 5}, "body must"),
        ({"body": "\ud800"}, "body must"),
        ({"code_snippets": [1]}, "code_snippets must be a list of objects"),
        ({"code_snippets": [{"language": "go"}]}, "code"),
        ({"kind": "area", "title": "x", "parent": "none"}, "parent names 'none', and no line above is the area"),
        ({"kind": "question", "title": "x", "body": "y", "areas": "db"}, "areas must be a list of keys, each 1 to 60"),
        ({"kind": "question", "title": "x", "body": "y", "visibility": "all"}, "visibility must be"),
        ({"kind": "vote", "answer": "a", "value": 1, "by": "ben"}, "this vote is refused: "),
        ({"kind": "vote", "answer": "a", "value": 0, "by": "ada"}, "value must be 1 or -1"),
        ({"kind": "vote", "answer": "a", "value": True, "by": "ada"}, "value must be"),
        ({"kind": "vote", "value": 1, "by": "ada"}, "must have one of question and answer"),
        ({"kind": "accept", "answer": "a", "by": "ben"}, "this accept is refused: "),
        ({"kind": "user", "email": "ada@example.com", "handle": "eve"}, "this user is refused: email"),
        ({"kind": "user", "email": "eve", "handle": "eve"}, "email must"),
        ({"kind": "user", "email": "eve@example.com", "handle": "eve", "timezone": "Mars"}, "timezone must"),
    ],
)
def test_a_mistake_is_one_line_and_what_is_above_it_stays(
    run: Run, tmp_path: Path, line: str | dict[str, Any], complaint: str
) -> None:
    path = tmp_path / "past.jsonl"
    text = line if isinstance(line, str) else json.dumps(mistaken(line))
    path.write_bytes(written(GOOD) + f"\n{text}\n".encode())
    code, out, err = run("import-community", str(path))
    assert (code, out) == (2, "")
    assert err.startswith(f"tektree: {path}:6: {complaint}"), err
    assert err.count("\n") == 1
    assert len(err) < 400


def mistaken(changes: dict[str, Any]) -> dict[str, Any]:
    """A good answer with one thing amiss, or a line of another kind without what only answers have."""
    kind = changes.get("kind", "answer")
    line = {"kind": "answer", "at": "2026-01-05T10:00:00Z", "by": "ada", "key": "new", "question": "q", "body": "so"}
    if kind != "answer":
        known = {"kind", "at", *(KINDS[kind].needs if isinstance(kind, str) and kind in KINDS else ())}
        line = {name: value for name, value in line.items() if name in known - {"question", "body"}}
    return {**line, **changes}


def test_a_line_without_end_and_what_is_no_text() -> None:
    for raw, complaint in [
        (b"{" + b" " * 5_000_000, "is longer than"),
        (b'{"kind": "\xff"}', "is not UTF-8"),
        (b"\0", "holds a NUL byte; give a JSON Lines file"),
    ]:
        with pytest.raises(InvalidInput) as caught:
            list(read(io.BytesIO(raw), "x.jsonl"))
        assert caught.value.field == "x.jsonl:1"
        assert complaint in caught.value.reason


def test_a_user_sets_a_password_by_a_reset() -> None:
    enter("memory")
    importing = fed(CommunityImport.in_memory(Policy(passwords={"bcrypt_cost": 10})), SMALL)
    token = importing.tek.accounts.request_password_reset("ada@example.com")
    assert token is not None
    importing.tek.accounts.reset_password(token, "correct horse battery")
    assert importing.tek.accounts.authenticate("ada", "correct horse battery").handle == "ada"
