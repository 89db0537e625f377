"""A community of another platform as one of this: a file of who made what when, through the services.

The law: what an import makes is a function of the file and the policy, to the last field.

- A line is a thing (a user, an area, a question, an answer …) or a fact about two (a vote, an acceptance, a follow). It
  has a name, such as ``question:q7`` or ``follow:ada:databases``, and stands there once.
- Ids are derived of names: the services take theirs from `LineIds`, which each line puts at its name.
- The clock is a `RowClock`, which each line puts at its own instant.
- A quota is what somebody may do from now on, and no judgement on what was done: `unlimited` is the policy without.
- All that a line leads to carries its correlation. A line whose correlation is in the log is known, and passed over.
  Before the first that is not, the relay finishes what was cut off, at the instant of the line that it came of. So an
  import is started again when it was cut off and when the file has grown; what has changed on the platform since stays.

Nothing else is in the way of the rules: what a service refuses ends the import at that line.

>>> import io
>>> said = '"kind": "user", "at": "2026-01-05T09:00:00Z", "key": "ada", "email": "ada@example.com", "handle": "ada"'
>>> file = io.BytesIO(f"{{{said}}}".encode())
>>> importing = CommunityImport.in_memory()
>>> [importing.add(line) for line in read(file, "past.jsonl")]
[True]
>>> importing.tek.accounts.by_handle("ada").created_at.isoformat()
'2026-01-05T09:00:00+00:00'
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Final, NamedTuple, Self

from tektree import Board, EntityRef, Policy, Principal, Standing, TekTree, context
from tektree._importing import Importing, Notes, RowClock, Totals, instant_of, lines
from tektree.clock import Clock, system_clock
from tektree.clock import read as read_clock
from tektree.errors import Conflict, Denied, InvalidInput, NotFound
from tektree.ids import derived_id
from tektree.models.answers import AnswerDraft, CodeSnippet
from tektree.models.areas import AreaDraft
from tektree.models.insights import InsightDraft
from tektree.models.questions import QuestionDraft

__all__ = ["KINDS", "CommunityImport", "Line", "LineIds", "RowClock", "Summary", "read", "unlimited"]

_LONGEST: Final = 4 * 1024 * 1024
"""Bytes of a line: an answer of the longest body with its code, every character of it escaped."""

_KEY: Final = re.compile(r"[A-Za-z0-9_\-]{1,60}")


class Kind(NamedTuple):
    """What a line of a kind holds beside ``kind`` and ``at``: what it needs, what it may have, and whom it names."""

    needs: tuple[str, ...]
    may: tuple[str, ...] = ()
    names: Mapping[str, str] = {}
    """Of fields that name a thing by its key: the kind of the thing. It stands on a line above."""


_BY: Final = {"by": "user"}

KINDS: Final[Mapping[str, Kind]] = {
    "user": Kind(("key", "email", "handle"), ("first_name", "last_name", "timezone")),
    "area": Kind(("key", "by", "title"), ("details", "tags", "parent", "visibility"), {**_BY, "parent": "area"}),
    "question": Kind(("key", "by", "title", "body"), ("tags", "areas", "visibility"), {**_BY, "areas": "area"}),
    "answer": Kind(("key", "by", "question", "body"), ("code_snippets",), {**_BY, "question": "question"}),
    "insight": Kind(
        ("key", "by", "title", "body"), ("insight_type", "tags", "areas", "visibility"), {**_BY, "areas": "area"}
    ),
    "accept": Kind(("by", "answer"), (), {**_BY, "answer": "answer"}),
    "vote": Kind(("by", "value"), ("question", "answer"), {**_BY, "question": "question", "answer": "answer"}),
    "like": Kind(("by", "insight"), (), {**_BY, "insight": "insight"}),
    "follow": Kind(("by", "area"), (), {**_BY, "area": "area"}),
    "connection": Kind(("by", "with"), (), {**_BY, "with": "user"}),
}
"""All kinds of lines."""

_ONE_OF: Final = {"vote": ("question", "answer")}
"""Fields of which a line of that kind has exactly one."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file: what of which ``kind`` became ``at`` that time, and its ``fields``."""

    where: str
    """The file and the line, such as ``past.jsonl:17``."""
    kind: str
    at: datetime
    fields: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What this line is called in the file, and all ids of it are derived of."""
        if "key" in self.fields:
            return f"{self.kind}:{self.fields['key']}"
        named = [each for each in ("question", "answer", "insight", "area", "with") if each in self.fields]
        about = [f"{each}:{self.fields[each]}" for each in named]
        return ":".join([self.kind, self.fields["by"], *about])

    @property
    def correlation(self) -> str:
        """What all events carry that this line leads to."""
        return f"import:{derived_id('import', self.name)}"


class LineIds:
    """A source of ids that are a function of a line's name: the one for a ``TekTree`` that imports.

    >>> ids = LineIds()
    >>> ids.of("question:q7")
    >>> ids() == LineIds.first("question", "q7")
    True
    """

    def __init__(self) -> None:
        self._name, self._count = "", 0

    def of(self, name: str) -> None:
        """From here on ids are those of the line of that name, from the first."""
        self._name, self._count = name, 0

    def __call__(self) -> str:
        """The next one."""
        self._count += 1
        return derived_id("import", self._name, str(self._count))

    @staticmethod
    def first(kind: str, key: str) -> str:
        """The id of the thing with that key."""
        return derived_id("import", f"{kind}:{key}", "1")


def unlimited(policy: Policy) -> Policy:
    """``policy`` without the limits of its quotas."""
    return policy.evolve(quotas={tier: dict.fromkeys(limits) for tier, limits in policy.quotas.items()})


# -- the file --------------------------------------------------------------------------------------------------------


def read(stream: BinaryIO, name: str) -> Iterator[Line]:
    """The lines of a file in UTF-8, one by one, in their order. ``name`` is what complaints call the file.

    Each is a JSON object with ``kind``, one of `KINDS`, and ``at``, ISO 8601 with an offset, and the fields of its
    kind. Empty lines are passed over. Raises `InvalidInput`, whose field is the file and the line, such as
    ``past.jsonl:17``, for what is no such object, for a line that is there twice, and for a key that stands on no line
    above.
    """
    seen = Notes()
    for number, text in lines(stream, name, "JSON Lines", _LONGEST):
        if text.strip():
            line = _line(text, f"{name}:{number}")
            _named_above(line, seen)
            before = seen.get(line.name)
            if before is not None:
                raise InvalidInput(line.where, f"says what line {before} says; leave one of them out")
            seen.put(line.name, number)
            yield line


def _line(text: str, where: str) -> Line:
    fields = _object(text, where)
    kind = fields.pop("kind", None)
    if type(kind) is not str or kind not in KINDS:
        raise InvalidInput(where, f"kind must be one of {', '.join(KINDS)}")
    missing = [each for each in ("at", *KINDS[kind].needs) if each not in fields]
    if missing:
        raise InvalidInput(where, f"{missing[0]} is missing; a line of kind {kind} needs it")
    at = instant_of(fields.pop("at"), where)
    unknown = sorted(fields.keys() - {*KINDS[kind].needs, *KINDS[kind].may})
    if unknown:
        known = ", ".join([*KINDS[kind].needs, *KINDS[kind].may])
        raise InvalidInput(where, f"has a field that is none of a line of kind {kind}; these are {known}")
    among = _ONE_OF.get(kind, ())
    if among and sum(each in fields for each in among) != 1:
        raise InvalidInput(where, f"must have one of {' and '.join(among)}")
    for each in ("key", *KINDS[kind].names):
        if each in fields:
            _keys(fields[each], each, where)
    return Line(where, kind, at, fields)


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
    except _TwiceError:
        raise InvalidInput(where, "has a field twice; leave one of them out") from None
    except (ValueError, RecursionError):
        raise InvalidInput(where, "is no JSON; put each object on a line of its own") from None
    if not isinstance(found, dict):
        raise InvalidInput(where, 'must be a JSON object, such as {"kind": "follow", …}')
    return found


class _TwiceError(Exception):
    """A field stands in an object twice."""


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


def _refused(constant: str) -> object:
    raise ValueError(constant)


def _keys(value: object, field: str, where: str) -> Sequence[str]:
    """The keys that a field names: one, or of ``areas`` a list of them."""
    keys: Any = value if field == "areas" else [value]
    if isinstance(keys, list) and all(type(each) is str and _KEY.fullmatch(each) for each in keys):
        return [str(each) for each in keys]
    form = "a list of keys, each" if field == "areas" else "a key:"
    raise InvalidInput(where, f"{field} must be {form} 1 to 60 of the characters A-Z a-z 0-9 _ -")


def _named_above(line: Line, seen: Notes) -> None:
    for name, kind in KINDS[line.kind].names.items():
        if name in line.fields:
            for key in _keys(line.fields[name], name, line.where):
                if seen.get(f"{kind}:{key}") is None:
                    raise InvalidInput(line.where, f"{name} names {key!r}, and no line above is the {kind} of that key")


# -- the import ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Summary:
    """What an import came to."""

    made: Mapping[str, int]
    """How many lines of each kind this import made."""
    known: int
    """How many were there already."""
    users: int
    """How many users the file has."""
    ledger_rows: int
    """All rows of these users."""
    total_xp: int
    levels: Mapping[int, int]
    """How many users are on which level."""
    board: Sequence[Standing]
    first_at: datetime | None = None
    last_at: datetime | None = None

    @property
    def lines(self) -> int:
        """How many lines there were."""
        return sum(self.made.values()) + self.known


@dataclass(slots=True)
class CommunityImport(Importing):
    """Feeds lines to ``tek``, which was made with this very ``clock`` and these ``ids``, and a policy of `unlimited`.

    >>> clock, ids = RowClock(), LineIds()
    >>> importing = CommunityImport(TekTree.in_memory(unlimited(Policy()), clock, ids), clock, ids)
    """

    ids: LineIds
    now: Clock = system_clock
    """What time it is in truth."""
    _made: Counter[str] = field(default_factory=Counter, init=False)
    _known: int = field(default=0, init=False)
    _newest_known: datetime | None = field(default=None, init=False)
    _finished: bool = field(default=False, init=False)
    """Whether what an import before this one left half done was finished."""

    @classmethod
    def in_memory(cls, policy: Policy | None = None) -> Self:
        """An import into memory."""
        clock, ids = RowClock(), LineIds()
        return cls(TekTree.in_memory(unlimited(policy or Policy()), clock, ids), clock, ids)

    def add(self, line: Line) -> bool:
        """Makes what the line says, as of its own instant. False: that was done before, and nothing happens.

        Raises `InvalidInput`, whose field is the file and the line, for what a service does not take; what was made
        before that line stays.
        """
        self._reach(line.at)
        if line.kind == "user":
            self._users.put(line.fields["key"], LineIds.first("user", line.fields["key"]))
        if self._is_known(line):
            self._known += 1
            self._newest_known = line.at if self._newest_known is None else max(line.at, self._newest_known)
            return False
        self.clock.at = line.at
        self.ids.of(line.name)
        with context.within(correlation_id=line.correlation):
            self._make(line)
        self._made[line.kind] += 1
        return True

    def finish(self) -> None:
        """Does what is left to do, where storage was away for a moment, as of the newest instant of the file."""
        self._settle(self._last)

    def summary(self) -> Summary:
        """Where everybody stands at the newest instant of the file. Reads one profile after the other."""
        totals = Totals()
        for profile in self._profiles():
            totals.add(profile)
        return Summary(
            made={kind: self._made[kind] for kind in KINDS},
            known=self._known,
            users=len(self._users),
            ledger_rows=totals.ledger_rows,
            total_xp=totals.total_xp,
            levels=totals.levels,
            board=self.tek.leaderboards.top(Board.GLOBAL, 10),
            first_at=self._first,
            last_at=self._last,
        )

    # -- steps --------------------------------------------------------------------------------------------------------

    def _is_known(self, line: Line) -> bool:
        if self._in_log(line, _LAST.get(line.kind)):
            return True
        if self._finished:
            return False
        self._finished = True
        self._settle(line.at if self._in_log(line) else self._newest_known or line.at)
        return self._in_log(line, _LAST.get(line.kind))

    def _settle(self, at: datetime | None) -> None:
        """Runs the relay as of that instant; as of now where the log knows a later one, for then the database is in use
        and more may be left in it than what an import left.
        """
        newest = self.tek.events.log(limit=1).items
        if at is None or (newest and newest[0].timestamp > at):
            at = read_clock(self.now)
        self.clock.at = at
        self.ids.of("~")
        self.tek.events.relay.run_once()

    def _in_log(self, line: Line, event_type: str | None = None) -> bool:
        """Whether it led to anything, or to an event of that type."""
        return bool(self.tek.events.log(event_type=event_type, correlation_id=line.correlation, limit=1).items)

    def _make(self, line: Line) -> None:
        try:
            _MAKING[line.kind](self.tek, line)
        except InvalidInput as error:
            raise InvalidInput(line.where, f"{error.field} {error.reason}") from None
        except (Conflict, Denied, NotFound) as error:
            raise InvalidInput(line.where, f"this {line.kind} is refused: {error.message}; mend the line") from None


def _by(line: Line) -> Principal:
    """Who made it: `LineIds` gave the user's id first, then what the uid is of."""
    name = f"user:{line.fields['by']}"
    return Principal(derived_id("import", name, "1"), f"usr_{derived_id('import', name, '2')}")


def _given(line: Line, *without: str) -> dict[str, Any]:
    left_out = {"key", "by", *without}
    return {name: value for name, value in line.fields.items() if name not in left_out}


def _user(tek: TekTree, line: Line) -> None:
    tek.accounts.invite(**_given(line))


def _area(tek: TekTree, line: Line) -> None:
    above = line.fields.get("parent")
    parent_id = None if above is None else LineIds.first("area", above)
    tek.areas.create(_by(line), AreaDraft(**_given(line, "parent"), parent_id=parent_id))


def _question(tek: TekTree, line: Line) -> None:
    areas = tuple([LineIds.first("area", each) for each in line.fields.get("areas", ())])
    tek.questions.ask(_by(line), QuestionDraft(**_given(line, "areas"), areas=areas))


def _answer(tek: TekTree, line: Line) -> None:
    given = line.fields.get("code_snippets", [])
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise InvalidInput("code_snippets", "must be a list of objects with language and code")
    snippets = tuple([CodeSnippet(**each) for each in given])
    draft = AnswerDraft(body=line.fields["body"], code_snippets=snippets)
    tek.answers.post(_by(line), LineIds.first("question", line.fields["question"]), draft)


def _insight(tek: TekTree, line: Line) -> None:
    areas = tuple([LineIds.first("area", each) for each in line.fields.get("areas", ())])
    insight = tek.insights.draft(_by(line), InsightDraft(**_given(line, "areas"), areas=areas))
    tek.insights.publish(_by(line), insight.id)


def _like(tek: TekTree, line: Line) -> None:
    tek.insights.like(_by(line), LineIds.first("insight", line.fields["insight"]))


def _accept(tek: TekTree, line: Line) -> None:
    tek.answers.accept(_by(line), LineIds.first("answer", line.fields["answer"]))


def _vote(tek: TekTree, line: Line) -> None:
    if line.fields["value"] not in (1, -1):
        raise InvalidInput("value", "must be 1 or -1; leave out who took a vote back")
    kind = "question" if "question" in line.fields else "answer"
    tek.votes.cast(_by(line), EntityRef(kind, LineIds.first(kind, line.fields[kind])), line.fields["value"])


def _follow(tek: TekTree, line: Line) -> None:
    tek.areas.follow(_by(line), LineIds.first("area", line.fields["area"]))


def _connection(tek: TekTree, line: Line) -> None:
    tek.connections.request(_by(line), LineIds.first("user", line.fields["with"]))


_LAST: Final = {"insight": "insight.published"}
"""What is told at last, of kinds that are made by more than one command; each of these can be repeated."""

_MAKING: Final[Mapping[str, Callable[[TekTree, Line], None]]] = {
    "user": _user,
    "area": _area,
    "question": _question,
    "answer": _answer,
    "insight": _insight,
    "like": _like,
    "accept": _accept,
    "vote": _vote,
    "follow": _follow,
    "connection": _connection,
}
