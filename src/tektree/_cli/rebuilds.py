"""``tektree rebuild``: profiles and boards are written anew from the ledger, while awards go on."""

import argparse
import json

from tektree import Board, TekTree
from tektree._cli.screen import Progress, Screen
from tektree._cli.storage import opened
from tektree._cli.users import id_of
from tektree.errors import InvalidInput

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """0; what went wrong is raised. Raises `InvalidInput` for a week that is none, and for a user with a week."""
    boards = _boards(arguments)
    with opened(arguments.mongo) as tek:
        user_id = None if arguments.user is None else id_of(tek, arguments.user)
        with Progress("profiles") as progress:
            profiles = tek.gamification.rebuild(user_id, progress)
        written = {board.name: _rebuilt(tek, board) for board in boards}
    if arguments.json:
        print(json.dumps({"profiles": profiles, "boards": written}, indent=2))
    else:
        screen = Screen()
        for name, count in {"profiles": profiles, **written}.items():
            screen.told(f"  {name:<18}", f"{count:,} written anew", "green")
    return 0


def _boards(arguments: argparse.Namespace) -> list[Board]:
    if arguments.week is None:
        return [Board.GLOBAL] if arguments.user is None else []
    if arguments.user is not None:
        raise InvalidInput("--week", "is the board of all users; leave out --week or --user")
    try:
        return [Board.GLOBAL, Board(arguments.week)]
    except InvalidInput as error:
        raise InvalidInput("--week", error.reason) from None


def _rebuilt(tek: TekTree, board: Board) -> int:
    with Progress(board.name) as progress:
        return tek.leaderboards.rebuild(board, progress)
