"""``tektree verify``: every ledger is counted again, user by user, and compared with what is stored.

However many users there are, one is looked at at a time, and of those that do not hold the first few are kept.
"""

import argparse
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tektree import TekTree
from tektree._cli.screen import Progress, Screen, shown
from tektree._cli.storage import opened
from tektree._cli.users import everybody, id_of
from tektree.errors import CorruptDocument, NotFound

__all__ = ["Recount", "run"]

_FIRST: Final = 10


@dataclass(slots=True)
class Recount:
    """What a recount came to: how many users and rows there are, how many users do not hold, and the first of those."""

    users: int = 0
    rows: int = 0
    divergent: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, tek: TekTree, users: Iterable[str], total: int | None = None) -> "Recount":
        """Counts the ledgers of these users, of about ``total``, with a bar."""
        recount = cls()
        with Progress("verifying") as progress:
            for user_id in users:
                with suppress(NotFound):  # who left since they were listed
                    recount._count(tek, user_id)
                progress(recount.users, total, f"{recount.users:,} users")
        return recount

    def _count(self, tek: TekTree, user_id: str) -> None:
        try:
            found = tek.gamification.verify(user_id)
        except CorruptDocument as error:
            self._wrong(user_id, None, error.field, error.message)
        else:
            self.rows += found.rows
            if found.divergence is not None:
                seq, name = found.divergence.seq, found.divergence.field
                said = f"row {seq}, {name}: {found.divergence.expected} expected, {found.divergence.found} found"
                self._wrong(user_id, seq, name, said)
        self.users += 1

    def _wrong(self, user_id: str, seq: int | None, name: str, said: str) -> None:
        self.divergent += 1
        if len(self.first) < _FIRST:
            self.first.append({"user_id": user_id, "seq": seq, "field": name, "said": said})

    def document(self) -> dict[str, Any]:
        """It in JSON's terms."""
        return {
            "ok": not self.divergent,
            "users": self.users,
            "rows": self.rows,
            "divergent": self.divergent,
            "first": self.first,
        }

    def show(self, screen: Screen, label: str) -> None:
        """It on the screen."""
        for each in self.first:
            screen.told(label, f"{each['user_id']}: {shown(each['said'])}", "bold red")
        if not self.users:
            screen.told(label, "nobody is enrolled, so there is nothing to add up", "yellow")
        elif self.divergent:
            screen.told(label, f"{self.divergent:,} of {self.users:,} ledgers do not add up", "bold red")
        else:
            good = "the ledger adds up" if self.users == 1 else f"all {self.users:,} ledgers add up"
            screen.told(label, f"{good}; rows: {self.rows:,}", "green")


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 when something does not add up."""
    with opened(arguments.mongo) as tek:
        users = everybody(tek) if arguments.user is None else [id_of(tek, arguments.user)]
        recount = Recount.of(tek, users)
    if arguments.json:
        print(json.dumps(recount.document(), indent=2))
    else:
        recount.show(Screen(), "")
    return 1 if recount.divergent else 0
