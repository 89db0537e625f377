"""``tektree import-activity`` and `tektree.activity`: one file, one ledger; and a bad file, a good line."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tektree import Board, InvalidInput, Outcome, Policy, TekTree, XPTransaction
from tektree._importing import Notes
from tektree.activity import Activity, ActivityImport, RowClock, read
from tektree.ids import derived_id, user_id_of
from tektree.models.gamification import Divergence, Verification
from tests.cli.conftest import Database, Run
from tests.lanes import enter

DATA = Path(__file__).resolve().parent.parent / "data"
SMALL = DATA / "activity-1000.csv"
FULL = DATA / "activity.csv"


def imported(path: Path = SMALL, timezone: str = "UTC") -> ActivityImport:
    enter("memory")
    clock = RowClock()
    importing = ActivityImport(TekTree.in_memory(clock=clock), clock, timezone)
    again(importing, path)
    return importing


def again(importing: ActivityImport, path: Path = SMALL) -> list[Outcome]:
    with path.open("rb") as file:
        return [importing.add(activity).outcome for activity in read(file, path.name)]


def ledger(importing: ActivityImport) -> dict[str, list[XPTransaction]]:
    """Everybody's rows, newest first."""
    found = {}
    for user_id in importing.users():
        rows: list[XPTransaction] = []
        after = None
        while True:
            page = importing.tek.gamification.history(user_id, after, 100)
            rows += page.items
            after = page.next
            if after is None:
                break
        found[user_id] = rows
    return found


def everything(importing: ActivityImport) -> list[Any]:
    """All that is stored: rows with the states they carry, profiles, events, and the board."""
    rows, tek = ledger(importing), importing.tek
    profiles = [tek._backends.gamification.profile(user_id) for user_id in rows]
    events = [list(tek._backends.events.stream(f"user:{each.uid}:xp", 0, 10**9)) for each in profiles if each]
    weeks = sorted({row.week for each in rows.values() for row in each if row.week})
    boards = [tek.leaderboards.top(board, 1000) for board in [Board.GLOBAL, *map(Board, weeks)]]
    return [rows, profiles, events, boards]


def lines(*rows: str) -> io.BytesIO:
    return io.BytesIO("\n".join(["actor,at,source", *rows]).encode())


# One file, one ledger.


def test_the_same_file_gives_the_same_to_the_last_field() -> None:
    assert everything(imported()) == everything(imported())


def test_importing_again_changes_nothing() -> None:
    importing = imported()
    before = everything(importing)
    assert set(again(importing)) == {Outcome.DUPLICATE}
    assert everything(importing) == before


def test_an_import_that_was_cut_off_is_finished_by_another(tmp_path: Path) -> None:
    part = tmp_path / "part.csv"
    part.write_text("".join(SMALL.read_text(encoding="utf-8").splitlines(keepends=True)[:400]), encoding="utf-8")
    importing = imported(part)
    again(importing)
    assert everything(importing) == everything(imported())


def test_ids_keys_and_times_are_those_of_the_file() -> None:
    importing = imported()
    for user_id, rows in ledger(importing).items():
        profile = importing.tek.gamification.profile(user_id)
        assert profile.uid is not None
        assert user_id == user_id_of(profile.uid)
        assert profile.id == derived_id("profile", user_id)
        assert profile.updated_at == rows[0].timestamp
        for row in rows:
            assert row.recorded_at == row.timestamp
    events = [event for _, _, streams, _ in [everything(importing)] for stream in streams for event in stream]
    assert len(events) > 1000
    for event in events:
        assert event.metadata["recorded_at"] == event.timestamp.isoformat()


def test_repeats_are_counted_whatever_the_order_of_instants() -> None:
    at, earlier = "2026-01-05T09:00:00Z", "2026-01-04T09:00:00Z"
    file = lines(
        f"ada,{at},answer_posted",
        f"ada,{at},answer_posted",
        f"ada,{at},insight_published",
        f"ben,{at},answer_posted",
        f"ada,{earlier},answer_posted",
        "ada,2026-01-05T10:00:00+01:00,answer_posted",  # the same instant
        f"ada,{earlier},answer_posted",
        "ada,2026-01-05T09:00:00.0004Z,answer_posted",  # and again, to the millisecond
    )
    found = list(read(file, "x.csv"))
    assert [each.nth for each in found] == [1, 2, 1, 1, 1, 3, 2, 4]
    assert found[1].key == "activity:ada:2026-01-05T09:00:00+00:00:answer_posted:2"
    assert found[1].uid == "usr_ada"
    assert len({(each.actor, each.key) for each in found}) == len(found)


def test_the_longest_row_still_has_a_key() -> None:
    enter("memory")
    policy = Policy(xp={"sources": {"s" * 64: {"amount": 1}}})
    clock = RowClock()
    importing = ActivityImport(TekTree.in_memory(policy, clock), clock)
    [activity] = read(lines(f"{'a' * 60},2026-01-05T09:00:00.123Z,{'s' * 64}"), "x.csv", policy)
    assert importing.add(activity).outcome is Outcome.GRANTED


def test_an_older_row_keeps_its_own_instant_and_may_be_too_late_for_the_streak() -> None:
    enter("memory")
    clock = RowClock()
    importing = ActivityImport(TekTree.in_memory(clock=clock), clock)
    at = datetime(2026, 1, 20, 9, tzinfo=UTC)
    days = [0, 1, -7, -9, 30]
    for line, day in enumerate(days, start=2):
        importing.add(Activity(line, "ada", at + timedelta(days=day), "answer_posted", 1))
    rows = next(iter(ledger(importing).values()))[::-1]
    assert (
        [row.timestamp for row in rows] == [row.recorded_at for row in rows] == [at + timedelta(days=d) for d in days]
    )
    summary = importing.summary()
    assert (summary.late, summary.outcomes[Outcome.DENIED]) == (2, 0)  # −7 is 8 days before the newest, 1
    assert (summary.first_at, summary.last_at) == (at - timedelta(days=9), at + timedelta(days=30))
    assert importing.verify() == []


def test_the_zone_decides_the_days() -> None:
    new_york, tokyo = imported(timezone="America/New_York"), imported(timezone="Asia/Tokyo")
    assert {row.timezone for rows in ledger(tokyo).values() for row in rows} == {"Asia/Tokyo"}
    assert ledger(new_york) != ledger(tokyo)
    with pytest.raises(InvalidInput):
        ActivityImport(TekTree.in_memory(), RowClock(), "Mars/Olympus")


def test_a_file_is_read_row_by_row() -> None:
    class Endless(io.RawIOBase):
        """A file that never ends; whoever reads it whole would not come back."""

        def __init__(self) -> None:
            self.rest = b"actor,at,merge\r\n"

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            self.rest = self.rest or b"ada,2026-01-05T09:00:00Z,0\r\n"
            count = min(len(buffer), len(self.rest))
            buffer[:count], self.rest = self.rest[:count], self.rest[count:]
            return count

    rows = read(io.BufferedReader(Endless()), "endless.csv")
    assert [next(rows).nth for _ in range(5000)][-1] == 5000


# What the command says of it.


def test_the_summary_names_all_there_is_to_know(run: Run) -> None:
    code, out, err = run("import-activity", str(SMALL))
    assert (code, err) == (0, "")
    summary = imported().summary()
    for promised in [
        rf"users +{summary.users}\n",
        r"rows +1,000, 99\d granted, \d clamped\n",
        rf"XP +{summary.total_xp:,}, in 1,0\d\d ledger rows\n",
        r"capped rows +6\n",
        r"late, not counted +0\n",
        r"levels +1: \d+",
        r"longest streaks +usr_a00001 \d+ days",
        r"speed +[\d,]+ rows a second",
        rf"verified +all {summary.users} ledgers add up; rows: 1,0\d\d\n",
        r"Board of all time\n +1  usr_a00001 +[\d,]+ XP\n",
    ]:
        assert re.search(promised, out), promised
    scores = [int(each.replace(",", "")) for each in re.findall(r"^ +\d+  usr_\w+ +([\d,]+) XP$", out, re.MULTILINE)]
    assert len(scores) == min(10, summary.users)
    assert scores == sorted(scores, reverse=True)
    assert "verified" not in run("import-activity", str(SMALL), "--no-verify")[1]


def test_json_is_one_document_with_stable_keys(run: Run) -> None:
    documents = []
    for _ in range(2):
        code, out, err = run("import-activity", str(SMALL), "--json", "--zone", "Europe/Berlin")
        assert (code, err) == (0, "")
        documents.append(json.loads(out))
    timing = [document.pop("timing") for document in documents]
    assert documents[0] == documents[1]
    assert set(timing[0]) == {"seconds", "rows_per_second"}
    assert list(documents[0]) == [
        "file",
        "zone",
        "storage",
        "users",
        "rows",
        "first_at",
        "last_at",
        "outcomes",
        "capped_rows",
        "late_rows",
        "ledger_rows",
        "total_xp",
        "levels",
        "longest_streaks",
        "board",
        "verification",
    ]
    assert documents[0]["zone"] == "Europe/Berlin"
    users, rows = documents[0]["users"], documents[0]["ledger_rows"]
    assert documents[0]["verification"] == {"ok": True, "users": users, "rows": rows, "divergent": 0, "first": []}
    assert json.loads(run("import-activity", str(SMALL), "--json", "--no-verify")[1])["verification"] is None


def test_what_does_not_verify_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    divergence = Divergence(seq=3, field="total_xp", expected="1", found="2")
    wrong = Verification(user_id="0" * 24, rows=3, divergence=divergence)
    monkeypatch.setattr("tektree._sync.services.gamification.Gamification.verify", lambda self, user_id: wrong)
    code, out, _ = run("import-activity", str(SMALL))
    assert code == 1
    assert "row 3, total_xp: 1 expected, 2 found" in " ".join(out.split())
    assert "7 of 7 ledgers do not add up" in out
    code, out, _ = run("import-activity", str(SMALL), "--json")
    assert code == 1
    told = json.loads(out)["verification"]
    assert (told["ok"], told["divergent"], len(told["first"])) == (False, 7, 7)
    assert (told["first"][0]["seq"], told["first"][0]["field"]) == (3, "total_xp")


def test_a_file_of_sources(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "sources.csv"
    path.write_bytes(
        b"\xef\xbb\xbfactor,at,source\r\n"
        b"ada,2026-01-05T09:00:00+01:00,question_asked\r\n"
        b"\r\n"
        b'"ben","2026-01-05T09:00:00Z","answer_downvoted"\r\n'
        b"ada,2026-01-05T09:00:00Z,email_verified\r\n"
        b"ada,2026-01-06T09:00:00Z,email_verified"
    )
    code, out, _ = run("import-activity", str(path), "--json")
    document = json.loads(out)
    assert code == 0
    assert document["outcomes"] == {"granted": 3, "clamped": 0, "duplicate": 0, "denied": 1}
    assert (document["users"], document["total_xp"]) == (2, 13)
    assert document["board"] == [{"rank": 1, "uid": "usr_ada", "score": 15}]


def test_a_file_without_rows(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("actor,at,merge\n", encoding="utf-8")
    code, out, err = run("import-activity", str(path))
    assert (code, err) == (0, "")
    assert "users             0" in out
    code, out, _ = run("import-activity", str(path), "--json")
    assert json.loads(out)["first_at"] is None


def test_without_rich_it_says_the_same(run: Run) -> None:
    enter("memory")
    code = "import sys\nsys.modules['rich'] = None\nfrom tektree.cli import main\nraise SystemExit(main(sys.argv[1:]))"
    command = [sys.executable, "-W", "error", "-c", code, "import-activity", str(SMALL)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    said = run("import-activity", str(SMALL))[1]
    assert re.sub(r"speed .*", "", done.stdout) == re.sub(r"speed .*", "", said)


@pytest.mark.parametrize("rich", [True, False])
def test_a_terminal_gets_a_bar_on_stderr(run: Run, monkeypatch: pytest.MonkeyPatch, rich: bool) -> None:
    if rich:
        pytest.importorskip("rich")
    else:
        for module in ("rich", "rich.console", "rich.progress"):
            monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    code, out, err = run("import-activity", str(SMALL), "--json")
    assert code == 0
    assert json.loads(out)["rows"] == 1000
    assert "importing" in err
    assert "verifying" in err
    assert "\n" not in err or rich


# Every bad file is one line and exit code 2.

HEADER = b"actor,at,merge\n"
GOOD = HEADER + b"ada,2026-01-05T09:00:00Z,0\n"

BAD = {
    "empty": (b"", 1, "is empty; the first line must be"),
    "blank first line": (b"\n" + GOOD, 1, "is empty; the first line must be"),
    "no header": (GOOD.removeprefix(HEADER), 1, "the first line must be"),
    "another header": (b"actor,at,what\n", 1, "the first line must be"),
    "another order": (b"at,actor,merge\n", 1, "the first line must be"),
    "semicolons": (b"actor;at;merge\n", 1, "the first line must be"),
    "both columns": (b"actor,at,merge,source\n", 1, "the first line must be"),
    "UTF-16": (GOOD.decode().encode("utf-16"), 1, "NUL"),
    "a NUL byte": (GOOD + b"a\0da,2026-01-05T09:00:00Z,0\n", 3, "NUL"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, 1, "not UTF-8"),
    "Latin-1": (GOOD + b"andr\xe9,2026-01-05T09:00:00Z,0\n", 3, "not UTF-8"),
    "old line ends": (b"actor,at,merge\rada,2026-01-05T09:00:00Z,0\r", 1, "no CSV; put each row on a line"),
    "an open quote": (GOOD + b'"ada,2026-01-05T09:00:00Z,0\n', 3, "close every quote"),
    "a huge field": (GOOD + b"a" * 10_000_000, 3, "longer than 4096 bytes"),
    "a huge header": (b"a" * 10_000_000, 1, "longer than 4096 bytes"),
    "too few fields": (GOOD + b"ada,2026-01-05T09:00:00Z\n", 3, "it has 2 of 3"),
    "too many fields": (GOOD + b"ada,2026-01-05T09:00:00Z,0,\n", 3, "it has 4 of 3"),
    "spaces only": (GOOD + b"   \n", 3, "it has 1 of 3"),
    "no actor": (GOOD + b",2026-01-05T09:00:00Z,0\n", 3, "actor must be"),
    "an actor with a space": (GOOD + b"a da,2026-01-05T09:00:00Z,0\n", 3, "actor must be"),
    "an actor with an umlaut": (GOOD + "ädä,2026-01-05T09:00:00Z,0\n".encode(), 3, "actor must be"),
    "an actor with a line": (GOOD + b'"a\nda",2026-01-05T09:00:00Z,0\n', 3, "close every quote"),
    "a long actor": (GOOD + b"a" * 61 + b",2026-01-05T09:00:00Z,0\n", 3, "actor must be"),
    "no time": (GOOD + b"ada,,0\n", 3, "at must be a time"),
    "a bad time": (GOOD + b"ada,yesterday,0\n", 3, "at must be a time"),
    "a time that is none": (GOOD + b"ada,2026-02-30T09:00:00Z,0\n", 3, "at must be a time"),
    "seconds": (GOOD + b"ada,1767603600,0\n", 3, "at must "),
    "a naive time": (GOOD + b"ada,2026-01-05T09:00:00,0\n", 3, "at must have its UTC offset"),
    "a date": (GOOD + b"ada,2026-01-05,0\n", 3, "at must have its UTC offset"),
    "a time before all": (GOOD + b"ada,0001-01-01T00:00:00+14:00,0\n", 3, "at must be a time that exists"),
    "a time after all": (GOOD + b"ada,9999-12-31T23:59:59-14:00,0\n", 3, "at must be a time that exists"),
    "a time before 1970": (GOOD + b"ada,1969-12-31T23:59:59Z,0\n", 3, "at must not be before 1970"),
    "no merge": (GOOD + b"ada,2026-01-05T09:00:00Z,\n", 3, "merge must be 0 or 1"),
    "another merge": (GOOD + b"ada,2026-01-05T09:00:00Z,true\n", 3, "merge must be 0 or 1"),
    "an unknown source": (
        b"actor,at,source\nada,2026-01-05T09:00:00Z,nonsense\n",
        2,
        "source must be one of answer_accepted, ",
    ),
    "a source without an amount": (b"actor,at,source\nada,2026-01-05T09:00:00Z,manual\n", 2, "source must be one of"),
    "a source that follows": (b"actor,at,source\nada,2026-01-05T09:00:00Z,streak_milestone\n", 2, "source must be"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line(run: Run, tmp_path: Path, name: str) -> None:
    content, line, complaint = BAD[name]
    path = tmp_path / "past.csv"
    path.write_bytes(content)
    for flags in ([], ["--json"]):
        code, out, err = run("import-activity", str(path), *flags)
        assert (code, out) == (2, "")
        assert err.startswith(f"tektree: {path}:{line}: ")
        assert complaint in err
        assert err.count("\n") == 1
        assert len(err) < 600


def test_a_path_that_leads_nowhere_is_one_line(run: Run, tmp_path: Path) -> None:
    for path, complaint in [
        (tmp_path, "is a directory; name the file in it"),
        (tmp_path / "absent.csv", "there is no such file; check the path"),
        (tmp_path / ("long" * 100), "cannot be read: "),
        (Path(f"{tmp_path}/nul\0.csv"), "cannot be read: "),
    ]:
        code, out, err = run("import-activity", str(path))
        assert (code, out) == (2, "")
        assert complaint in err
        assert err.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_name_with_a_line_and_colours_in_it_is_still_one_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a\n\x1b[31mb\udcff.csv"
    code, _, err = run("import-activity", str(path))
    assert code == 2
    assert err == f"tektree: {tmp_path}/a\\n\\x1b[31mb\\udcff.csv: there is no such file; check the path\n"
    path.write_bytes(GOOD)
    code, out, _ = run("import-activity", str(path))
    assert code == 0
    assert "a\\n\\x1b[31mb\\udcff.csv, days in UTC" in out
    assert json.loads(run("import-activity", str(path), "--json")[1])["file"] == str(path)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "localtime", "../UTC"])
def test_an_unknown_zone_is_one_line(run: Run, zone: str) -> None:
    code, out, err = run("import-activity", str(SMALL), "--zone", zone)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"tektree: --zone: must be an IANA time zone .+\n", err)


# The whole file, against arithmetic that shares no line with the package.


def expected(path: Path) -> dict[str, Any]:
    """What the file comes to in UTC, counted naively."""
    used: dict[tuple[str, date], int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    dates: dict[str, set[date]] = defaultdict(set)
    rows = capped = 0
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows += 1
            day = datetime.fromisoformat(row["at"]).astimezone(UTC).date()
            amount = 25 if row["merge"] == "1" else 10
            gets = min(amount, 500 - used[row["actor"], day])
            capped += gets < amount
            used[row["actor"], day] += gets
            total[row["actor"]] += gets
            dates[row["actor"]].add(day)
    streaks = {actor: streak(active) for actor, active in dates.items()}
    for actor, (_, milestones) in streaks.items():
        total[actor] += 10 * milestones
    return {
        "rows": rows,
        "capped": capped,
        "ledger_rows": rows + sum(milestones for _, milestones in streaks.values()),
        "totals": {f"usr_{actor}": xp for actor, xp in total.items()},
        "longest": {f"usr_{actor}": longest for actor, (longest, _) in streaks.items()},
    }


def streak(active: set[date]) -> tuple[int, int]:
    """The longest streak, and how many milestones were met."""
    current = longest = freezes = milestones = 0
    day = min(active)
    while day <= max(active):
        if day in active:
            current += 1
            longest = max(longest, current)
            freezes = min(10, freezes + (current % 7 == 0))
            milestones += current in {7, 30, 100, 365}
        elif current and freezes:
            freezes -= 1
        else:
            current = 0
        day += timedelta(days=1)
    return longest, milestones


def level(xp: int) -> int:
    return max(n for n in range(1, 100) if 50 * round(4 * (n - 1) ** 2.05) <= xp)


def agrees(importing: ActivityImport, path: Path) -> None:
    oracle, summary = expected(path), importing.summary()
    profiles = [importing.tek.gamification.profile(user_id) for user_id in importing.users()]
    assert {each.uid: each.total_xp for each in profiles} == oracle["totals"]
    assert {each.uid: each.streak.longest for each in profiles} == oracle["longest"]
    assert {each.uid: each.current_level for each in profiles} == {
        uid: level(xp) for uid, xp in oracle["totals"].items()
    }
    assert (summary.rows, summary.capped, summary.late) == (oracle["rows"], oracle["capped"], 0)
    assert (summary.users, summary.ledger_rows) == (len(oracle["totals"]), oracle["ledger_rows"])
    assert summary.total_xp == sum(oracle["totals"].values())
    assert summary.longest_streaks[0][1] == max(oracle["longest"].values())
    scores = [(each.uid, each.score) for each in importing.tek.leaderboards.top(Board.GLOBAL, 1000)]
    assert dict(scores) == oracle["totals"]
    assert [score for _, score in scores] == sorted(oracle["totals"].values(), reverse=True)
    assert importing.verify() == []


def test_the_excerpt_is_the_beginning_of_the_file() -> None:
    assert FULL.read_bytes().startswith(SMALL.read_bytes())


def test_the_excerpt_comes_to_what_arithmetic_says() -> None:
    agrees(imported(), SMALL)


@pytest.mark.long
def test_the_whole_file_comes_to_what_arithmetic_says() -> None:
    importing = imported(FULL)
    agrees(importing, FULL)
    before = everything(importing)
    assert set(again(importing, FULL)) == {Outcome.DUPLICATE}
    assert everything(importing) == before
    assert everything(imported(FULL)) == before


@pytest.mark.long
@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"])
def test_the_whole_file_verifies_in_any_zone(zone: str) -> None:
    assert imported(FULL, zone).verify() == []


# Over MongoDB: the same file, the same ledger.


def connected(database: Database, path: Path) -> Iterator[ActivityImport]:
    """An import into ``database`` that is over, as one looks back on it."""
    clock = RowClock()
    with TekTree.connect(database.uri, clock=clock) as tek:
        importing = ActivityImport(tek, clock)
        for activity in read(io.BytesIO(path.read_bytes()), path.name):
            if not importing._users.get(activity.actor):
                importing._users.put(activity.actor, user_id_of(activity.uid))
            clock.at = max(clock.at, activity.at)
        yield importing


def is_as_in_memory(database: Database, path: Path) -> None:
    """Every profile, every row, every event and all boards: equal to what the same file makes in memory."""
    expected = imported(path)
    expected.summary()  # puts the clock at the newest row
    for importing in connected(database, path):
        rows, profiles, events, boards = everything(importing)
        rows_expected, profiles_expected, events_expected, boards_expected = everything(expected)
        assert profiles == profiles_expected
        for user_id, ledger_expected in rows_expected.items():
            assert rows[user_id] == ledger_expected
        assert events == events_expected
        assert boards == boards_expected
        assert list(map(len, (rows, profiles, events))) == [expected.summary().users] * 3
    look = database.look
    assert look.gamification_profiles.count_documents({}) == len(profiles_expected)
    assert look.xp_transactions.count_documents({}) == sum(map(len, rows_expected.values()))
    assert look.xp_transactions.count_documents({"_outbox": {"$exists": True}}) == 0
    assert look.events.count_documents({}) == sum(map(len, events_expected))


def beginning(path: Path, rows: int) -> Path:
    """A file of the first ``rows`` rows of the real one."""
    path.write_text("".join(FULL.read_text(encoding="utf-8").splitlines(keepends=True)[: rows + 1]), encoding="utf-8")
    return path


def document(said: tuple[int, str, str]) -> dict[str, Any]:
    code, out, err = said
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    del found["timing"]
    return found


@pytest.mark.parametrize("rows", [150, pytest.param(1000, marks=pytest.mark.long)])
def test_over_mongo_the_excerpt_comes_to_the_same_to_the_last_field(
    run: Run, database: Database, tmp_path: Path, rows: int
) -> None:
    path = beginning(tmp_path / "past.csv", rows)
    stored = document(run("import-activity", str(path), "--mongo", database.uri, "--json"))
    is_as_in_memory(database, path)
    in_memory = document(run("import-activity", str(path), "--json"))
    assert (stored.pop("storage"), in_memory.pop("storage")) == ("MongoDB", "memory")
    assert stored == in_memory


@pytest.mark.long
def test_over_mongo_the_whole_file_comes_to_the_same_to_the_last_field_twice(run: Run, database: Database) -> None:
    stored = document(run("import-activity", str(FULL), "--mongo", database.uri, "--json"))
    is_as_in_memory(database, FULL)
    again = document(run("import-activity", str(FULL), "--mongo", database.uri, "--json"))
    is_as_in_memory(database, FULL)
    outcomes = again.pop("outcomes")
    assert outcomes["duplicate"] == stored["rows"] == sum(stored.pop("outcomes").values())
    assert again == stored


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("how", [pytest.param("SIGINT", marks=pytest.mark.long), "SIGKILL"])
def test_an_import_cut_off_in_the_middle_is_finished_by_another(
    run: Run, database: Database, tmp_path: Path, how: str
) -> None:
    path = beginning(tmp_path / "past.csv", 160)
    command = [sys.executable, "-W", "error", "-m", "tektree", "import-activity", str(path)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "TEKTREE_MONGO": database.uri},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while database.look.xp_transactions.estimated_document_count() < 60 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.Signals[how])
    said = process.communicate(timeout=30)
    assert (process.returncode, *said) == {"SIGINT": (130, "", "tektree: interrupted\n"), "SIGKILL": (-9, "", "")}[how]
    there = database.look.xp_transactions.count_documents({"source": {"$in": ["answer_posted", "insight_published"]}})
    assert 50 <= there < 160
    outcomes = document(run("import-activity", str(path), "--mongo", database.uri, "--json"))["outcomes"]
    assert outcomes["duplicate"] == there
    assert sum(outcomes.values()) == 160
    is_as_in_memory(database, path)


def test_a_bad_line_leaves_what_was_before_it_and_mended_it_goes_on(
    run: Run, database: Database, tmp_path: Path
) -> None:
    path = beginning(tmp_path / "past.csv", 20)
    good = path.read_bytes()
    lines = good.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:11], b"nonsense\n", *lines[11:]]))
    code, out, err = run("import-activity", str(path), "--mongo", database.uri)
    assert (code, out) == (2, "")
    assert err.startswith(f"tektree: {path}:12: ")
    path.write_bytes(good)
    assert document(run("import-activity", str(path), "--mongo", database.uri, "--json"))["outcomes"] == {
        "granted": 10,
        "clamped": 0,
        "duplicate": 10,
        "denied": 0,
    }
    is_as_in_memory(database, path)


def test_the_environment_names_the_database_and_empty_names_none(
    run: Run, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = beginning(tmp_path / "past.csv", 3)
    monkeypatch.setenv("TEKTREE_MONGO", "")
    assert "imported into memory" in run("import-activity", str(path))[1]
    assert database.look.list_collection_names() == []
    monkeypatch.setenv("TEKTREE_MONGO", database.uri)
    out = run("import-activity", str(path))[1]
    assert "imported into MongoDB" in out
    assert "mongodb://" not in out
    is_as_in_memory(database, path)
    # Who is enrolled keeps their zone, so that of another import is for new users, and it says so.
    out = run("import-activity", str(path), "--zone", "Asia/Tokyo")[1]
    assert "days of new users in Asia/Tokyo" in out
    is_as_in_memory(database, path)


# Memory does not grow.

GROWTH = """
import io, resource, sys
from types import SimpleNamespace
from tektree.activity import ActivityImport, RowClock, read

class Endless(io.RawIOBase):
    '''Every row is of somebody new.'''
    def __init__(self): self.count, self.rest = 0, b"actor,at,merge\\n"
    def readable(self): return True
    def readinto(self, buffer):
        if not self.rest:
            self.rest = b"a%029d,2026-01-05T09:00:00Z,0\\n" % self.count
            self.count += 1
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size

class Nobody:
    '''Storage that keeps nothing.'''
    gamification = property(lambda self: self)
    def enroll(self, uid, timezone): return SimpleNamespace(user_id=uid)
    def award(self, *arguments, **named): return SimpleNamespace(outcome="granted", transaction=None)

importing = ActivityImport(Nobody(), RowClock())
for line, activity in enumerate(read(io.BufferedReader(Endless()), "endless.csv")):
    importing.add(activity)
    if line == 20_000:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if line == 80_000:
        break
assert sum(1 for _ in importing.users()) == 80_001
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted otherwise elsewhere")
def test_memory_grows_neither_with_rows_nor_with_users() -> None:
    enter("memory")
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) < 2048  # KiB; a dictionary of so many would take 10 MB


def test_where_temporary_files_have_no_room_it_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Notes, key: str, value: str | int) -> None:
        self._run("INSERT INTO no_such_table VALUES (1)")

    monkeypatch.setattr(Notes, "put", full)
    code, out, err = run("import-activity", str(SMALL))
    assert (code, out) == (3, "")
    assert err.startswith("tektree: the directory for temporary files is full or may not be written")
