"""``tektree demo``: it tells what it promises, the same every time, and only a terminal gets more than plain text."""

import io
import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tektree import NotFound, TekTree
from tektree._cli.demo import _Story, _today
from tektree._cli.drawing import ACTIVE, FROZEN, MISSED, PAUSED, curve, days_of
from tektree._cli.screen import Screen
from tektree.activity import RowClock
from tektree.ids import user_id_of
from tektree.rules.levels import Curve
from tests.cli.conftest import Database, Run
from tests.lanes import enter

MEMBERS = ("ada", "ben", "cleo", "dan", "tala")

WITHOUT_RICH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "rich":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from tektree.cli import main
raise SystemExit(main(sys.argv[1:]))
"""


class Terminal(io.TextIOWrapper):
    """A stream in memory that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


def separately(*flags: str, code: str = "", **environment: str) -> bytes:
    """What the demo writes in a process of its own, into a pipe."""
    enter("memory")
    start = ["-c", code] if code else ["-m", "tektree"]
    done = subprocess.run(
        [sys.executable, "-W", "error", *flags, *start, "demo"],
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def told() -> _Story:
    """The story, told in memory."""
    clock = RowClock()
    story = _Story(Screen(io.StringIO()), TekTree.in_memory(clock=clock), clock)
    assert story.run()
    return story


def test_it_tells_every_thing_it_promises(run: Run) -> None:
    code, out, err = run("demo")
    assert (code, err) == (0, "")
    for promised in [
        r"answer_posted: 10 XP asked, 10 granted",
        r"25 XP asked, 15 granted\. The cap of 500 XP",
        r"25 XP asked, 0 granted",
        r"reaches level 2 with 2\d\d XP",
        r"2011-12-12 cost a freeze\.",
        r"The streak of 5 had ended\.",
        r"Unlocked: ach_first_steps",
        r"Unlocked:\s+ach_week_warrior",
        r"reaches a milestone of the streak: \+10 XP",
        r"reversal: -10 XP, which takes back xp_txn_",
        r"dan, number 2, opts out",
        r"level  2      200 XP  ",
        r"Board of all time +Board of 2012-W01",
        r"The 5 ledgers add up",
    ]:
        assert re.search(promised, out), promised
    boards = out.partition("Board of all time")[2]
    assert "usr_demo_dan" not in boards
    scores = [int(score.replace(",", "")) for score in re.findall(r"^  \d  usr_\w+ +([\d,]+) XP", boards, re.MULTILINE)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 4
    assert 40 <= out.count("\n") <= 75
    assert max(map(len, out.splitlines())) <= 80


def test_it_is_the_same_in_every_process() -> None:
    told = separately(COLUMNS="80", PYTHONHASHSEED="1", TZ="Asia/Tokyo")
    assert told == separately(COLUMNS="80", PYTHONHASHSEED="2", TZ="America/Lima")


def test_it_is_plain_in_a_pipe() -> None:
    assert b"\x1b" not in separately(FORCE_COLOR="1", TERM="xterm-256color")


def test_it_needs_no_rich() -> None:
    assert separately(code=WITHOUT_RICH, COLUMNS="80") == separately(COLUMNS="80")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437"])
def test_it_can_be_told_in_any_encoding(encoding: str) -> None:
    text = separately(PYTHONIOENCODING=encoding, COLUMNS="80").decode(encoding)
    assert "# active   * frozen   - paused   . missed" in text
    assert "?" not in text


def test_the_pictures_are_those_of_the_ledger() -> None:
    """Calendars are drawn from rows, and agree with what the profile counted by itself."""
    enter("memory")
    story = told()
    for name, profile in story._profiles().items():
        rows = list(story._rows(name))
        days = days_of(rows, profile, _today(profile))
        active = {row.day for row in rows if row.activity}
        assert {day for day, symbol in days.items() if symbol == ACTIVE} == active
        earned = sum(row.streak.earned for row in rows if row.streak)
        spent = sum(symbol == FROZEN for symbol in days.values())
        assert earned - spent == profile.streak.freezes_available
        run_now, longest = 0, 0
        for symbol in days.values():
            run_now = run_now + 1 if symbol == ACTIVE else 0 if symbol == MISSED else run_now
            longest = max(longest, run_now)
        assert (run_now, longest) == (profile.streak.current, profile.streak.longest)
    assert _symbols(story, "ada")["2011-12-12"] == FROZEN
    assert _symbols(story, "ben")["2011-12-10"] == MISSED
    assert _symbols(story, "tala")["2011-12-30"] == PAUSED


def _symbols(story: _Story, name: str) -> dict[str, str]:
    return days_of(story._rows(name), story._profiles()[name], "2012-01-08")


def test_a_gap_that_no_row_has_found_yet_is_drawn_as_the_profile_shows_it() -> None:
    enter("memory")
    story = told()
    later = date(2012, 1, 14)
    story.clock.at = story.clock.at.replace(day=later.day)
    profile = story._profiles()["ada"]
    days = days_of(story._rows("ada"), profile, later.isoformat())
    tail = "".join(days[f"2012-01-{day:02}"] for day in range(8, 14))
    assert tail == ACTIVE + FROZEN + MISSED * 4  # the freeze of day 28 is spent, then the run is over
    assert (profile.streak.current, profile.streak.freezes_available) == (0, 0)


@pytest.mark.parametrize("width", [20, 60, 80, 100, 400])
def test_the_curve_is_as_wide_as_there_is_room(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    screen = Screen(stream)
    curve(screen, Curve(), 9, {1: ["ada", "ben"], 9: ["cleo"]})
    lines = stream.getvalue().splitlines()
    bars = [line.count("█") for line in lines]
    assert bars == sorted(bars)
    assert bars[0] == 0
    assert max(map(len, lines)) <= max(60, min(100, width))
    assert max(map(len, lines)) > max(60, min(100, width)) - 12


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    Screen(terminal).line(("bold words", "bold"))
    assert "\x1b[1m" in terminal.text()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_none_gets_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv(name, value)
    terminal = Terminal()
    Screen(terminal).line(("bold words", "bold"))
    assert terminal.text().strip() == "bold words"


def test_a_terminal_without_rich_gets_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rich", "rich.console", "rich.text"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    Screen(terminal).line(("bold words", "bold"))
    assert terminal.text().strip() == "bold words"


def test_no_file_of_the_rooms_imports_rich_at_its_start() -> None:
    package = Path(sys.modules["tektree._cli.screen"].__file__ or "").parent
    for path in package.glob("*.py"):
        assert not re.search(r"^(from|import) rich", path.read_text(encoding="utf-8"), re.MULTILINE), path


def test_json_is_the_same_story(run: Run) -> None:
    code, out, err = run("demo", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert list(document) == ["story", "users", "boards", "verification"]
    text = " ".join(run("demo")[1].split())
    for each in document["story"]:
        assert each["told"] in text
        assert each["why"] is None or each["why"] in text
    assert [each["uid"] for each in document["users"]] == [f"usr_demo_{name}" for name in MEMBERS]
    assert [each["rank"] for each in document["boards"]["global"]] == [1, 2, 3, 4]
    assert document["verification"]["ok"]


def test_in_a_database_it_is_the_same_story_once(run: Run, database: Database) -> None:
    first = run("demo", "--mongo", database.uri)
    assert first == run("demo")
    story, clock = told(), RowClock()
    with TekTree.connect(database.uri, clock=clock) as tek:
        clock.at = story.clock.at
        for name, profile in story._profiles().items():
            assert tek.gamification.profile(user_id_of(f"usr_demo_{name}")) == profile
    rows = database.look.xp_transactions.count_documents({})
    code, out, err = run("demo", "--mongo", database.uri)
    assert (code, out) == (2, "")
    assert err == "tektree: --mongo: has usr_demo_ada of the demo already; name an empty database\n"
    assert database.look.xp_transactions.count_documents({}) == rows
    assert run("verify", "--mongo", database.uri)[0] == 0


def test_it_does_not_write_where_nobody_told_it_to(
    run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEKTREE_MONGO", database.uri)
    assert run("demo")[0] == 0
    assert database.look.list_collection_names() == []
    with TekTree.connect(database.uri) as tek, pytest.raises(NotFound):
        tek.gamification.profile(user_id_of("usr_demo_ada"))
