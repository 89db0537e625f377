"""``tektree demo``: five weeks of a small community, played by a clock of its own, in memory or in a database.

The dates are real: Apia had no 30 December 2011. What is told is what the package answered; nothing here computes XP.
"""

import argparse
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import zip_longest
from typing import Any, Final

from tektree import AwardResult, Board, EntityRef, GamificationProfile, Principal, Standing, TekTree, XPTransaction
from tektree._cli.drawing import Calendar, calendars, curve, days_of
from tektree._cli.screen import Screen
from tektree._cli.storage import opened
from tektree.activity import RowClock
from tektree.errors import ConfigurationError, NotFound
from tektree.ids import user_id_of
from tektree.rules.levels import Curve
from tektree.rules.periods import zone

__all__ = ["run"]

_MONDAY: Final = date(2011, 12, 5)
_WEEKS: Final = 5
_END: Final = datetime(2012, 1, 8, 20, tzinfo=UTC)
_LEVELS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class _Member:
    """Somebody, where they live, and the days of each week on which they answer a question."""

    name: str
    timezone: str
    weeks: tuple[str, ...]

    @property
    def uid(self) -> str:
        return _uid(self.name)


_MEMBERS: Final = (
    _Member("ada", "Europe/Berlin", ("MTWTFSS", " TWTFSS", "MTWTFSS", "MTW  SS", "MTWTFSS")),
    _Member("ben", "Europe/London", ("MTWTF S", "M WT   ", "  WTFS ", "M      ", " TW    ")),
    _Member("cleo", "America/New_York", ("    FSS", "MTW    ", "M    S ", "       ", " T     ")),
    _Member("dan", "Asia/Kolkata", ("       ", " T T   ", "  W    ", "   T   ", "  W  S ")),
    _Member("tala", "Pacific/Apia", ("       ", "       ", "MTWTFSS", "MTWT SS", "MTWTFSS")),
)

_INSIGHTS: Final = {
    ("cleo", "2011-12-14"): 21,
    ("dan", "2011-12-21"): 16,
    ("cleo", "2012-01-03"): 13,
}
"""How many insights somebody publishes on a day, after the day's answer."""

_TOLD: Final = {
    ("ada", "2011-12-05", 0): "ada answers her first question.",
    ("ada", "2011-12-11", 0): "ada was here seven days in a row, which earns a freeze.",
    ("ben", "2011-12-11", 0): "ben missed the 10th, without a freeze. His streak of 5 is lost.",
    ("ada", "2011-12-13", 0): "ada missed the 12th, but her freeze saves her streak.",
    ("cleo", "2011-12-14", 20): "cleo publishes a lot. Insight 20 meets the cap of the day.",
    ("cleo", "2011-12-14", 21): "Insight 21 gets nothing; it is on record and counts as activity.",
    ("tala", "2011-12-31", 0): "Apia had no 30 December 2011. tala's streak just goes on.",
    ("ada", "2011-12-31", 0): "ada missed two days. The freezes of days 14 and 21 save her streak.",
    ("ada", "2012-01-06", 0): "Day 30 of ada's streak.",
}
"""What is worth telling: who, on which day, and which insight of that day (0: the answer)."""


@dataclass(frozen=True, slots=True)
class _Deed:
    at: datetime
    member: _Member
    day: str
    number: int

    @property
    def source(self) -> str:
        return "insight_published" if self.number else "answer_posted"

    @property
    def about(self) -> EntityRef:
        kind = "insight" if self.number else "answer"
        return EntityRef(kind, f"{self.member.name}-{self.day}-{self.number}")


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 when the ledgers of the story do not verify. Raises `ConfigurationError` where it was told before."""
    clock = RowClock()
    with opened(arguments.mongo, clock, make=True) as tek:
        story = _Story(Screen(io.StringIO() if arguments.json else None), tek, clock)
        good = story.run()
    if arguments.json:
        print(json.dumps(story.document, indent=2))
    return 0 if good else 1


class _Story:
    """One telling: it does what it says, and draws what came of it. ``document`` is the same in JSON's terms."""

    def __init__(self, screen: Screen, tek: TekTree, clock: RowClock) -> None:
        self.screen = screen
        self.clock = clock
        self.tek = tek
        self.ids: dict[str, str] = {}
        self.document: dict[str, Any] = {"story": []}

    def run(self) -> bool:
        self._only_once()
        self.clock.at = datetime.combine(_MONDAY, time(), UTC)
        for member in _MEMBERS:
            self.ids[member.name] = self.tek.gamification.enroll(member.uid, timezone=member.timezone).user_id
        self.screen.line(("Five weeks in a small community, told by its ledger", "bold"))
        self._weeks()
        self.clock.at = _END
        self._opt_out("dan")
        self._levels()
        self._streaks()
        self._boards()
        return self._verified()

    def _only_once(self) -> None:
        """Told again, all its awards would be duplicates, so nothing would happen; and somebody may have gone on."""
        for member in _MEMBERS:
            with suppress(NotFound):
                self.tek.gamification.profile(user_id_of(member.uid))
                raise ConfigurationError("--mongo", f"has {member.uid} of the demo already; name an empty database")

    def _weeks(self) -> None:
        self.screen.line()
        for deed in sorted(_deeds(), key=lambda deed: deed.at):
            if deed.number < 0:
                self._vote(deed)
            else:
                self._do(deed)

    def _do(self, deed: _Deed) -> None:
        self.clock.at = deed.at
        name = deed.member.name
        result = self.tek.gamification.award(self.ids[name], deed.source, about=deed.about)
        told = _TOLD.get((name, deed.day, deed.number))
        if told:
            self._say(deed.day, told, why=result)
        for event in result.events:
            news = event.payload
            if event.event_type == "xp.awarded" and news["source"] == "streak_milestone":
                self._say(deed.day, f"{name} reaches a milestone of the streak: {news['amount']:+d} XP.")
            if event.event_type == "level.up":
                text = f"{name} reaches level {news['new_level']} with {news['total_xp']} XP."
                self._say(deed.day, text, "bold magenta")

    def _say(self, day: str, text: str, style: str = "bold", why: AwardResult | None = None) -> None:
        said = why.explanation.text if why is not None else None
        self.document["story"].append({"day": day, "told": text, "why": said})
        self.screen.told(_when(day), text, style)
        self.screen.told(" " * len(_when(day)), said or "", "dim")

    def _vote(self, deed: _Deed) -> None:
        """Somebody votes for an answer, and thinks better of it."""
        self.clock.at = deed.at
        about = EntityRef("vote", "cleo:ben-2011-12-15-0")
        given = self.tek.gamification.award(self.ids[deed.member.name], "answer_upvoted", about=about)
        assert given.transaction is not None
        self._say(deed.day, f"cleo votes for ben's answer: {given.amount:+d} XP.")
        self.clock.at = deed.at + timedelta(minutes=5)
        taken = self.tek.gamification.reverse(given.transaction.transaction_id, "the vote was withdrawn")
        self._say(deed.day, "She takes her vote back, which is a row of its own.", why=taken)

    def _opt_out(self, name: str) -> None:
        uid = _uid(name)
        standing = self.tek.leaderboards.rank(Board.GLOBAL, uid)
        assert standing is not None
        self.tek.gamification.opt_out(Principal(id=self.ids[name], uid=uid))
        gone = "nowhere" if self.tek.leaderboards.rank(Board.GLOBAL, uid) is None else "still there"
        text = f"{name}, number {standing.rank}, opts out of the boards. Now he is {gone}; ranks close up."
        self._say(self.clock.at.date().isoformat(), text)

    def _levels(self) -> None:
        self.screen.title("The level curve, and who stands where")
        who: dict[int, list[str]] = {}
        users = []
        for name, profile in self._profiles().items():
            who.setdefault(profile.current_level, []).append(f"{name} {profile.total_xp}")
            level, streak = profile.current_level, profile.streak
            users.append(
                {"uid": profile.uid, "total_xp": profile.total_xp, "level": level, "longest_streak": streak.longest}
            )
        self.document["users"] = users
        curve(self.screen, Curve(self.tek.policy.levels), max(_LEVELS_SHOWN, *who), who)

    def _streaks(self) -> None:
        self.screen.title("Streaks, now and the longest")
        people = []
        for name, profile in self._profiles().items():
            streak = profile.streak
            if streak.longest > 2:
                days = days_of(self._rows(name), profile, _today(profile))
                people.append(Calendar(f"{name} {streak.current}/{streak.longest}", days))
        calendars(self.screen, people, _MONDAY, _WEEKS)

    def _boards(self) -> None:
        boards = (Board.GLOBAL, Board.weekly(self.clock.at))
        titles = [f"{'Board of all time' if each.week is None else f'Board of {each.week}':<36}" for each in boards]
        self.screen.title("".join(titles))
        tops = [self.tek.leaderboards.top(board, 5) for board in boards]
        self.document["boards"] = {
            board.name: [{"rank": each.rank, "uid": each.uid, "score": each.score} for each in top]
            for board, top in zip(boards, tops, strict=True)
        }
        for row in zip_longest(*[[_place(each) for each in top] for top in tops], fillvalue=" " * 36):
            self.screen.line("".join(row))

    def _verified(self) -> bool:
        found = [self.tek.gamification.verify(user_id) for user_id in self.ids.values()]
        rows = sum([each.rows for each in found])
        good = all(found)
        self.screen.line()
        verdict = "add up" if good else "DO NOT add up"
        self.screen.line((f"The {len(found)} ledgers {verdict}: {rows} rows, recounted.", "green" if good else "red"))
        self.document["verification"] = {"ok": good, "users": len(found), "rows": rows}
        return good

    def _profiles(self) -> dict[str, GamificationProfile]:
        return {name: self.tek.gamification.profile(user_id) for name, user_id in self.ids.items()}

    def _rows(self, name: str) -> Iterator[XPTransaction]:
        after = None
        while True:
            page = self.tek.gamification.history(self.ids[name], after, 100)
            yield from page.items
            after = page.next
            if after is None:
                return


def _deeds() -> Iterator[_Deed]:
    """All that happens, person by person. A number below zero is a vote for that person."""
    for member in _MEMBERS:
        letters = enumerate("".join(member.weeks))
        for day in [_MONDAY + timedelta(days=at) for at, letter in letters if letter != " "]:
            noon = datetime.combine(day, time(12), zone(member.timezone)).astimezone(UTC)
            for number in range(_INSIGHTS.get((member.name, day.isoformat()), 0) + 1):
                yield _Deed(noon + timedelta(minutes=10 * number), member, day.isoformat(), number)
            if (member.name, day) == ("ben", date(2011, 12, 15)):
                yield _Deed(noon + timedelta(hours=2), member, day.isoformat(), -1)


def _place(standing: Standing) -> str:
    return f"{standing.rank:>3}  {standing.uid:<16}{standing.score:>7,} XP".ljust(36)


def _uid(name: str) -> str:
    return f"usr_demo_{name}"


def _when(day: str) -> str:
    return f"  {date.fromisoformat(day):%d %b}  "


def _today(profile: GamificationProfile) -> str:
    return _END.astimezone(zone(profile.timezone)).date().isoformat()
