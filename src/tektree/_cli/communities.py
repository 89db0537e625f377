"""``tektree import-community``: the community of another platform becomes one of this, and a summary of it."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, BinaryIO, Final, NamedTuple

from tektree import ConfigurationError, Policy
from tektree._cli import content_recounts, files
from tektree._cli.recounts import Recount
from tektree._cli.screen import Progress, Screen, shown
from tektree._cli.storage import opened
from tektree.community import CommunityImport, LineIds, RowClock, Summary, read, unlimited
from tektree.models.recounts import Recount as ContentRecount

__all__ = ["run"]

_EVERY: Final = 50
"""Lines between two looks at the progress bar."""


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 when what was imported does not verify. Raises `InvalidInput` for a mistake in the file."""
    uri, clock, ids = arguments.mongo, RowClock(), LineIds()
    if arguments.redis is not None and uri is None:
        raise ConfigurationError("--redis", "needs a database as well; give --mongo, or leave it out")
    policy, redis = unlimited(Policy()), arguments.redis or arguments.redis_beside
    with (
        files.opened(arguments.file) as file,
        opened(uri, clock, redis=redis, policy=policy, ids=ids, make=True) as tek,
    ):
        importing = CommunityImport(tek, clock, ids)
        started = perf_counter()
        _feed(importing, file, arguments.file)
        seconds = perf_counter() - started
        summary = importing.summary()
        checked = _checked(importing, summary) if arguments.verify else None
    done = _Done(arguments.file, "memory" if uri is None else "MongoDB", summary, checked, seconds)
    if arguments.json:
        print(json.dumps(done.document(), indent=2))
    else:
        done.show(Screen())
    return 0 if checked is None or checked.holds else 1


class _Checked(NamedTuple):
    """What the ledgers and what is counted on content were found to be."""

    ledgers: Recount
    content: ContentRecount

    @property
    def holds(self) -> bool:
        return not self.ledgers.divergent and bool(self.content)


def _checked(importing: CommunityImport, summary: Summary) -> _Checked:
    ledgers = Recount.of(importing.tek, importing.users(), summary.users)
    with Progress("recounting") as progress:
        content = importing.tek.events.recount(
            progress=lambda kind, done: progress(done, None, f"{done:,} of kind {kind}")
        )
    return _Checked(ledgers, content)


def _feed(importing: CommunityImport, file: BinaryIO, path: str) -> None:
    with Progress("importing") as progress:
        total = files.size(file)
        for done, line in enumerate(files.reading(read(file, path), path), start=1):
            importing.add(line)
            if done % _EVERY == 0:
                progress(file.tell() if total else done, total, f"{done:,} lines")
        importing.finish()


@dataclass(frozen=True, slots=True)
class _Done:
    """What was imported, and where to."""

    path: str
    storage: str
    summary: Summary
    checked: _Checked | None
    seconds: float

    def document(self) -> dict[str, Any]:
        """It in JSON's terms. In memory all but ``timing`` is a function of the file."""
        summary = self.summary
        return {
            "file": self.path,
            "storage": self.storage,
            "lines": summary.lines,
            "made": dict(summary.made),
            "known": summary.known,
            "users": summary.users,
            "first_at": summary.first_at.isoformat() if summary.first_at else None,
            "last_at": summary.last_at.isoformat() if summary.last_at else None,
            "ledger_rows": summary.ledger_rows,
            "total_xp": summary.total_xp,
            "levels": {str(level): count for level, count in summary.levels.items()},
            "board": [{"rank": each.rank, "uid": each.uid, "score": each.score} for each in summary.board],
            "verification": None if self.checked is None else self.checked.ledgers.document(),
            "recount": None if self.checked is None else content_recounts.document(self.checked.content),
            "timing": {"seconds": round(self.seconds, 3), "lines_per_second": self._rate()},
        }

    def show(self, screen: Screen) -> None:
        """It on the screen."""
        screen.line((shown(self.path), "bold"), f", imported into {self.storage}")
        for label, text in self._facts():
            screen.told(f"  {label:<18}", text)
        if self.checked is not None:
            self.checked.ledgers.show(screen, f"  {'verified':<18}")
            content_recounts.show(self.checked.content, screen, f"  {'recounted':<18}")
        if self.summary.board:
            screen.title("Board of all time")
            for each in self.summary.board:
                screen.line((f"  {each.rank:>3}  ", "cyan"), f"{each.uid:<30} ", (f"{each.score:>10,} XP", "bold"))

    def _facts(self) -> Iterator[tuple[str, str]]:
        summary = self.summary
        made = [f"{kind} {count:,}" for kind, count in summary.made.items() if count]
        yield "made", ", ".join(made) or "nothing"
        yield "known already", f"{summary.known:,}"
        if summary.first_at and summary.last_at:
            yield "from, to", f"{summary.first_at.isoformat()}, {summary.last_at.isoformat()}"
        yield "XP", f"{summary.total_xp:,}, in {summary.ledger_rows:,} ledger rows"
        if summary.levels:
            yield "levels", ", ".join([f"{level}: {count:,}" for level, count in summary.levels.items()])
        yield "speed", f"{self._rate():,} lines a second, {self.seconds:.2f} s"

    def _rate(self) -> int:
        return round(self.summary.lines / self.seconds) if self.seconds > 0 else 0
